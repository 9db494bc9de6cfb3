//! serial: bytes in and out of a terminal line.

use rt::{Cap, Endpoint, Message, Notification};

use crate::call::{Call, Error, ask};
use crate::codec::{Bytes, small, words};
use crate::status::statuses;

/// Method numbers; permanent.
pub mod method {
    /// Capability 0 = Notification (signal), word 0 = bits: signalled when input arrives, and when there is room again
    /// after a write that was cut short.
    pub const ATTACH: u32 = 1;
    /// Word 0 = bytes, the bytes follow → word 0 = bytes taken; fewer than given: no room for the rest now.
    pub const WRITE: u32 = 2;
    /// Word 0 = most bytes wanted → word 0 = bytes, the bytes follow; 0: nothing has arrived.
    pub const READ: u32 = 3;
}

/// Most bytes of a write or a read.
pub const MAX_BYTES: usize = 504;

/// The bytes of a write or a read.
pub type Data = Bytes<MAX_BYTES>;

statuses! {
    /// No ATTACH came before.
    NotAttached = 1, "not attached to the line";
    /// Other components have all the sessions.
    TooManySessions = 2, "the line serves no more clients";
    /// The capability that ATTACH needs did not arrive, or could not be used.
    BadCapability = 3, "the server could not use the notification";
}

/// What failed on the client's side.
pub type Result<T> = core::result::Result<T, Error<Status>>;

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// See [`method::ATTACH`].
    Attach {
        /// Bits to signal.
        bits: u64,
    },
    /// See [`method::WRITE`].
    Write(Data),
    /// See [`method::READ`].
    Read {
        /// Most bytes wanted, at most [`MAX_BYTES`].
        max: u32,
    },
}

impl Request {
    /// The message, without capabilities.
    pub fn encode(&self) -> Message {
        match self {
            Self::Attach { bits } => Message::new(method::ATTACH, [*bits]),
            Self::Write(data) => {
                let mut message = Message::new(method::WRITE, [0]);
                data.encode(&mut message, 0);
                message
            }
            Self::Read { max } => Message::new(method::READ, [(*max).into()]),
        }
    }

    /// Reads a message from outside.
    ///
    /// # Errors
    /// `UnknownMethod`, `BadMessage`.
    pub fn decode(message: &Message) -> core::result::Result<Self, Status> {
        let request = match message.label {
            method::ATTACH => words(message, 1).map(|()| Self::Attach { bits: message.word(0) }),
            method::WRITE => Bytes::decode(message, 0, 1).map(Self::Write),
            method::READ => small(message, 0).filter(|&max| max as usize <= MAX_BYTES).map(|max| Self::Read { max }),
            _ => return Err(Status::UnknownMethod),
        };
        request.ok_or(Status::BadMessage)
    }
}

/// The answer to ATTACH.
pub fn attached() -> Message {
    Message::new(0, [])
}

/// The answer to WRITE.
pub fn written(bytes: usize) -> Message {
    Message::new(0, [bytes as u64])
}

/// The answer to READ.
pub fn read(data: &Data) -> Message {
    let mut message = Message::new(0, [0]);
    data.encode(&mut message, 0);
    message
}

/// The client.
#[derive(Clone, Copy, Debug)]
pub struct Serial<C = Cap<Endpoint>>(pub C);

impl<C: Call> Serial<C> {
    /// Asks for these bits when there is something to read or room to write again. Hand over a copy that can only
    /// signal: [`crate::signal_only`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn attach(&self, notification: Cap<Notification>, bits: u64) -> Result<()> {
        let message = Request::Attach { bits }.encode().with_caps(&[notification.slot()]);
        ask(&self.0, &message).map(drop)
    }

    /// Offers bytes, at most [`MAX_BYTES`] at once; says how many were taken.
    ///
    /// # Errors
    /// [`Error`].
    pub fn write(&self, bytes: &[u8]) -> Result<usize> {
        let data = Data::cut(bytes);
        let answer = ask(&self.0, &Request::Write(data).encode())?;
        usize::try_from(answer.word(0)).ok().filter(|&taken| taken <= data.len()).ok_or(Error::Malformed)
    }

    /// The bytes that have arrived, at most `max` and [`MAX_BYTES`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn read(&self, max: usize) -> Result<Data> {
        let max = max.min(MAX_BYTES) as u32;
        let answer = ask(&self.0, &Request::Read { max }.encode())?;
        Data::decode(&answer, 0, 1).filter(|data| data.len() <= max as usize).ok_or(Error::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Loopback;

    #[test]
    fn requests_round_trip() {
        let text = [b'x'; MAX_BYTES];
        for request in [
            Request::Attach { bits: u64::MAX },
            Request::Write(Data::cut(b"")),
            Request::Write(Data::cut(b"hello")),
            Request::Write(Data::cut(&text)),
            Request::Read { max: 504 },
        ] {
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
    }

    #[test]
    fn answers_round_trip() {
        let line = Serial(Loopback(|request: &Message| match Request::decode(request) {
            Ok(Request::Write(data)) => written(data.len() - 1),
            Ok(Request::Read { max }) => read(&Data::cut(&[7; MAX_BYTES][..max as usize])),
            Ok(Request::Attach { .. }) => Status::TooManySessions.answer(),
            Err(status) => status.answer(),
        }));
        assert_eq!(line.write(&[1; 600]), Ok(503));
        assert_eq!(line.read(600).unwrap().as_slice(), [7; 504]);
        assert_eq!(line.attach(Cap::from_slot(9), 1), Err(Error::Status(Status::TooManySessions)));
    }

    #[test]
    fn a_server_that_lies_is_noticed() {
        assert_eq!(Serial(Loopback(|_: &Message| written(9))).write(b"abc"), Err(Error::Malformed));
        assert_eq!(Serial(Loopback(|_: &Message| read(&Data::cut(b"abcd")))).read(3), Err(Error::Malformed));
        assert_eq!(Serial(Loopback(|_: &Message| Message::new(77, []))).read(3), Err(Error::Malformed));
    }
}
