//! A call as a client sees it: who carries it, and what comes instead of an answer.

use core::cell::RefCell;

use rt::{Badge, CallError, Cap, Endpoint, ErrorCode, Message, Words};

use crate::outgoing::TooLong;
use crate::server::{Client, Dispatch};
use crate::status::StatusLabel;

/// [`Error::closed`]: the machine has no device for the server.
pub const NO_DEVICE: u32 = 1;
/// [`Error::closed`]: the server crashed too often, or ended.
pub const GIVEN_UP: u32 = 2;

/// Why a method of a client failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<S> {
    /// The kernel ended the call: the server died, its endpoint is closed, …
    Call(CallError),
    /// The server refused.
    Status(S),
    /// The server's answer is none that the protocol knows.
    Malformed,
    /// An argument is longer than the protocol lets it be: nothing was sent.
    TooLong,
}

impl<S> Error<S> {
    /// The reason with which the supervisor closed the endpoint; `None` when it is something else.
    pub fn closed(&self) -> Option<u32> {
        match self {
            Self::Call(call) if call.error.code == ErrorCode::Closed => Some(call.reason),
            _ => None,
        }
    }
}

impl<S> From<TooLong> for Error<S> {
    fn from(_: TooLong) -> Self {
        Self::TooLong
    }
}

impl<S: core::fmt::Display> core::fmt::Display for Error<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Call(call) if call.error.code == ErrorCode::Closed => match call.reason {
                NO_DEVICE => f.write_str("there is no device for it"),
                GIVEN_UP => f.write_str("its server ended and is not started again"),
                reason => write!(f, "the service is closed (reason {reason})"),
            },
            Self::Call(call) => f.write_str(call.error.code.text()),
            Self::Status(status) => status.fmt(f),
            Self::Malformed => f.write_str("the service gave an answer that makes no sense"),
            Self::TooLong => f.write_str("more than the service takes at once"),
        }
    }
}

impl<S: core::fmt::Debug + core::fmt::Display> core::error::Error for Error<S> {}

/// What an answer says that is not fine.
#[doc(hidden)]
#[cold]
pub fn refusal<S: StatusLabel>(label: u32) -> Error<S> {
    S::from_label(label).map_or(Error::Malformed, Error::Status)
}

/// Who carries a message to a server and its answer back: an endpoint, or a test.
pub trait Call {
    /// Sends and waits.
    ///
    /// # Errors
    /// The kernel's, as [`Cap::<Endpoint>::call`].
    fn call(&self, message: &Message) -> Result<Message, CallError>;

    /// The same with words that fit into registers. Of an answer that does not, only those that fit are seen.
    ///
    /// # Errors
    /// As [`Self::call`].
    #[inline]
    fn words<const N: usize>(&self, label: u32, words: [u64; N]) -> Result<Words, CallError>
    where
        Self: Sized,
    {
        self.call(&Message::new(label, words)).map(|answer| Words::cut(&answer))
    }
}

impl Call for Cap<Endpoint> {
    #[inline]
    fn call(&self, message: &Message) -> Result<Message, CallError> {
        Cap::call(*self, message)
    }

    #[inline(always)]
    fn words<const N: usize>(&self, label: u32, words: [u64; N]) -> Result<Words, CallError> {
        self.call_words(label, words)
    }
}

impl<C: Call> Call for &C {
    fn call(&self, message: &Message) -> Result<Message, CallError> {
        (**self).call(message)
    }
}

/// A server in the same thread, for host tests: `ClockClient(Loopback::new(ClockServer(server)))`. Client and server share one
/// message page; a capability is passed by its number.
#[derive(Debug)]
pub struct Loopback<D> {
    server: RefCell<D>,
    client: Client,
}

impl<D: Dispatch> Loopback<D> {
    /// Its client is component 1 in its first instance.
    pub const fn new(server: D) -> Self {
        Self::with_client(server, Badge::new(1, 1, 0))
    }

    /// Its client is this one.
    pub const fn with_client(server: D, client: Client) -> Self {
        Self { server: RefCell::new(server), client }
    }

    /// The server.
    pub fn server(&self) -> core::cell::RefMut<'_, D> {
        self.server.borrow_mut()
    }
}

impl<D: Dispatch> Call for Loopback<D> {
    fn call(&self, message: &Message) -> Result<Message, CallError> {
        Ok(crate::server::answer(&mut *self.server.borrow_mut(), self.client, message))
    }
}
