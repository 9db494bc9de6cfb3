//! log: lines of all components, in the order in which they arrived. Served by init.

use rt::{Cap, Endpoint, Message, Notification};

use crate::call::{Call, Error, ask};
use crate::codec::{Text, words};
use crate::status::statuses;

/// Method numbers; permanent.
pub mod method {
    /// Word 0 = level, word 1 = bytes, the text follows. The runtime's logger sends it.
    pub const WRITE: u32 = 1;
    /// Word 0 = sequence number wanted → word 0 = number of this line (a later one where lines have been overwritten),
    /// word 1 = level, word 2 = component, word 3 = nanoseconds since reset, word 4 = bytes, the text follows. Status
    /// `None`: no such line yet, word 0 = the number the next line will have.
    pub const READ: u32 = 2;
    /// Capability 0 = Notification (signal), word 0 = bits, word 1 = the least severe level that signals.
    pub const SUBSCRIBE: u32 = 3;
}

const _: () = assert!(method::WRITE == rt::LOG_WRITE);

/// Longest line that can be written, in bytes.
pub const MAX_WRITE: usize = 496;
/// Longest line that can be read, in bytes.
pub const MAX_READ: usize = 472;

statuses! {
    /// There is no line with this number yet.
    None = 1, "no line yet";
    /// Other components have all the subscriptions.
    TooManySessions = 2, "the log signals no more clients";
    /// The Notification that SUBSCRIBE needs did not arrive.
    BadCapability = 3, "the server could not use the notification";
}

/// What failed on the client's side.
pub type Result<T> = core::result::Result<T, Error<Status>>;

/// How important a line is; the numbers are those of the `log` crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub enum Level {
    /// Something failed.
    Error = 1,
    /// Something is wrong and goes on.
    Warn = 2,
    /// Of interest to a person.
    Info = 3,
    /// Of interest to whoever looks for a fault.
    Debug = 4,
    /// Everything.
    Trace = 5,
}

impl Level {
    /// The level with this number.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Error),
            2 => Some(Self::Warn),
            3 => Some(Self::Info),
            4 => Some(Self::Debug),
            5 => Some(Self::Trace),
            _ => None,
        }
    }

    /// Its name, five characters at most.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// See [`method::WRITE`].
    Write {
        /// How important it is.
        level: Level,
        /// The line.
        text: Text<MAX_WRITE>,
    },
    /// See [`method::READ`].
    Read {
        /// Sequence number wanted.
        from: u64,
    },
    /// See [`method::SUBSCRIBE`].
    Subscribe {
        /// Bits to signal.
        bits: u64,
        /// The least severe level that signals.
        level: Level,
    },
}

impl Request {
    /// The message, without capabilities.
    pub fn encode(&self) -> Message {
        match self {
            Self::Write { level, text } => {
                let mut message = Message::new(method::WRITE, [*level as u64, 0]);
                text.encode(&mut message, 1);
                message
            }
            Self::Read { from } => Message::new(method::READ, [*from]),
            Self::Subscribe { bits, level } => Message::new(method::SUBSCRIBE, [*bits, *level as u64]),
        }
    }

    /// Reads a message from outside. A line that is not UTF-8 is kept up to where it stops being so.
    ///
    /// # Errors
    /// `UnknownMethod`, `BadMessage`.
    pub fn decode(message: &Message) -> core::result::Result<Self, Status> {
        let request = match message.label {
            method::WRITE => Self::decode_write(message),
            method::READ => words(message, 1).map(|()| Self::Read { from: message.word(0) }),
            method::SUBSCRIBE => Self::decode_subscribe(message),
            _ => return Err(Status::UnknownMethod),
        };
        request.ok_or(Status::BadMessage)
    }

    fn decode_write(message: &Message) -> Option<Self> {
        let level = Level::from_number(message.word(0))?;
        Some(Self::Write { level, text: Text::decode_prefix(message, 1, 2)? })
    }

    fn decode_subscribe(message: &Message) -> Option<Self> {
        Some(Self::Subscribe { bits: message.word(0), level: Level::from_number(message.word(1))? })
    }
}

/// The answer to WRITE and SUBSCRIBE.
pub fn done() -> Message {
    Message::new(0, [])
}

/// The answer to READ where there is no line yet: the number the next one will have.
pub fn none_yet(next: u64) -> Message {
    Message::new(Status::None as u32, [next])
}

/// The answer to READ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number; ask for the one behind it next.
    pub sequence: u64,
    /// How important it is.
    pub level: Level,
    /// Number of the component that wrote it; 0 is init.
    pub component: u32,
    /// When it arrived, in nanoseconds since reset.
    pub nanoseconds: u64,
    /// The line.
    pub text: Text<MAX_READ>,
}

impl Line {
    /// The message.
    pub fn encode(&self) -> Message {
        let fixed = [self.sequence, self.level as u64, self.component.into(), self.nanoseconds, 0];
        let mut message = Message::new(0, fixed);
        self.text.encode(&mut message, 4);
        message
    }

    fn decode(answer: &Message) -> Option<Self> {
        Some(Self {
            sequence: answer.word(0),
            level: Level::from_number(answer.word(1))?,
            component: u32::try_from(answer.word(2)).ok()?,
            nanoseconds: answer.word(3),
            text: Text::decode(answer, 4, 5)?,
        })
    }
}

/// What READ found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A line.
    Line(Line),
    /// No such line yet.
    NoneYet {
        /// The number the next line will have.
        next: u64,
    },
}

/// The client.
#[derive(Clone, Copy, Debug)]
pub struct Log<C = Cap<Endpoint>>(pub C);

impl<C: Call> Log<C> {
    /// Adds a line; what is longer than [`MAX_WRITE`] is cut.
    ///
    /// # Errors
    /// [`Error`].
    pub fn write(&self, level: Level, text: &str) -> Result<()> {
        ask(&self.0, &Request::Write { level, text: Text::cut(text) }.encode()).map(drop)
    }

    /// The line with this number, or the oldest behind it that is still there.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read(&self, from: u64) -> Result<Found> {
        let answer = self.0.call(&Request::Read { from }.encode()).map_err(Error::Call)?;
        let found = match answer.label {
            0 => Line::decode(&answer).filter(|line| line.sequence >= from).map(Found::Line),
            label if label == Status::None as u32 => {
                words(&answer, 1).map(|()| Found::NoneYet { next: answer.word(0) })
            }
            label => match crate::StatusLabel::from_label(label) {
                Some(status) => return Err(Error::Status(status)),
                None => None,
            },
        };
        found.ok_or(Error::Malformed)
    }

    /// Asks for these bits when a line of this level or a more severe one arrives.
    ///
    /// # Errors
    /// [`Error`].
    pub fn subscribe(&self, notification: Cap<Notification>, bits: u64, level: Level) -> Result<()> {
        let message = Request::Subscribe { bits, level }.encode().with_caps(&[notification.slot()]);
        ask(&self.0, &message).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Loopback;

    #[test]
    fn requests_round_trip() {
        for request in [
            Request::Write { level: Level::Trace, text: Text::cut(&"y".repeat(MAX_WRITE)) },
            Request::Write { level: Level::Error, text: Text::cut("") },
            Request::Read { from: 8 },
            Request::Subscribe { bits: 4, level: Level::Warn },
        ] {
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
    }

    #[test]
    fn answers_round_trip() {
        let text = Text::cut(&"z".repeat(MAX_READ));
        let line = Line { sequence: 7, level: Level::Warn, component: 3, nanoseconds: 12345, text };
        let log = Log(Loopback(|request: &Message| match Request::decode(request) {
            Ok(Request::Read { from: 0..8 }) => line.encode(),
            Ok(Request::Read { .. }) => none_yet(8),
            Ok(_) => done(),
            Err(status) => status.answer(),
        }));
        assert_eq!(log.read(5), Ok(Found::Line(line)));
        assert_eq!(log.read(8), Ok(Found::NoneYet { next: 8 }));
        assert_eq!(log.write(Level::Info, &"w".repeat(1000)), Ok(()));
        assert_eq!(log.subscribe(Cap::from_slot(9), 1, Level::Info), Ok(()));
    }

    #[test]
    fn a_line_cut_within_a_character_is_kept() {
        let mut message = Message::new(method::WRITE, [3, 3]);
        message.push_bytes(b"ab\xc3");
        assert_eq!(Request::decode(&message), Ok(Request::Write { level: Level::Info, text: Text::cut("ab") }));
    }
}
