//! Why an interface is not driven, or not any more.

use core::fmt;

/// Why an interface is not driven, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// What the driver needs could not be had.
    Kit(kit::Error),
    /// Its registers read as ones.
    Gone,
    /// It was reset and does not come out of that.
    NotReset,
    /// It has no address: its EEPROM is empty or was not read.
    NoAddress,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kit(error) => error.fmt(f),
            Self::Gone => {
                f.write_str("the interface's registers read as ones: it was removed, or does not decode memory")
            }
            Self::NotReset => f.write_str("the interface does not come out of its reset (CTRL.RST stays 1)"),
            Self::NoAddress => f.write_str("the interface has no address (RAH0.AV is 0)"),
        }
    }
}

impl core::error::Error for Failure {}

impl From<kit::Error> for Failure {
    fn from(error: kit::Error) -> Self {
        Self::Kit(error)
    }
}
