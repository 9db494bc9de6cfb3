//! log: lines of all components, in the order in which they arrived. Served by init.

use crate::{Client, Signal, Text, Wire};

/// Lines of all components, in the order in which they arrived. Every component has it in slot 6.
#[crate::protocol(name = "log", version = 1)]
pub trait Log {
    /// Adds a line. The runtime's logger sends it.
    #[method(1)]
    fn write(&mut self, client: Client, level: Level, text: Text<MAX_WRITE>) -> Result<(), Status>;

    /// The line with this number, or the oldest behind it that is still there; none if it is not written yet. In front of it the
    /// number to ask for next.
    #[method(2)]
    fn read(&mut self, from: u64) -> Result<(u64, Option<Line>), Status>;

    /// Asks for a signal when a line of this level or a more severe one arrives.
    #[method(3)]
    fn subscribe(&mut self, client: Client, level: Level, signal: Signal) -> Result<(), Status>;
}

const _: () = assert!(LOG.label(1) == rt::LOG_WRITE);

/// Longest line that can be written, in bytes.
pub const MAX_WRITE: usize = 496;
/// Longest line that can be read, in bytes.
pub const MAX_READ: usize = 456;

crate::statuses! {
    /// Other components have all the subscriptions.
    TooManySessions = 2, "the log signals no more clients";
}

/// How important a line is; the numbers are those of the `log` crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Wire)]
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

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub struct Line {
    /// Its number.
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
