//! A call as a client sees it: who carries it, and what comes instead of an answer.

use rt::{CallError, Cap, Endpoint, ErrorCode, Message};

use crate::status::StatusLabel;

/// Why a method of a client failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<S> {
    /// The kernel ended the call: the server died, its endpoint is closed, …
    Call(CallError),
    /// The server refused.
    Status(S),
    /// The server's answer is none that the protocol knows.
    Malformed,
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

impl<S: core::fmt::Display> core::fmt::Display for Error<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Call(call) if call.error.code == ErrorCode::Closed => {
                write!(f, "the service is closed (reason {})", call.reason)
            }
            Self::Call(call) => f.write_str(call.error.code.text()),
            Self::Status(status) => status.fmt(f),
            Self::Malformed => f.write_str("the service gave an answer that makes no sense"),
        }
    }
}

/// Who carries a message to a server and its answer back: an endpoint, or a test.
pub trait Call {
    /// Sends and waits.
    ///
    /// # Errors
    /// The kernel's, as [`Cap::<Endpoint>::call`].
    fn call(&self, message: &Message) -> Result<Message, CallError>;
}

impl Call for Cap<Endpoint> {
    #[inline]
    fn call(&self, message: &Message) -> Result<Message, CallError> {
        Cap::call(*self, message)
    }
}

/// A server in the same thread, for host tests: client and server share one message page.
#[derive(Clone, Copy, Debug)]
pub struct Loopback<F>(pub F);

impl<F: Fn(&Message) -> Message> Call for Loopback<F> {
    fn call(&self, message: &Message) -> Result<Message, CallError> {
        Ok((self.0)(message))
    }
}

/// Calls, and tells an answer from a refusal.
pub(crate) fn ask<S: StatusLabel>(server: &impl Call, request: &Message) -> Result<Message, Error<S>> {
    let answer = server.call(request).map_err(Error::Call)?;
    match (answer.label, S::from_label(answer.label)) {
        (0, _) => Ok(answer),
        (_, Some(status)) => Err(Error::Status(status)),
        (_, None) => Err(Error::Malformed),
    }
}

impl<F: Fn(&Message) -> Message> Call for &Loopback<F> {
    fn call(&self, message: &Message) -> Result<Message, CallError> {
        (**self).call(message)
    }
}
