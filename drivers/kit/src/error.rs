//! Why a driver could not get what it drives with.

use rt::{Missing, NoSlot, SyscallError, VmError};

/// What could not be had, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// The name in the manifest, or what the memory is for.
    pub what: &'static str,
    /// Why.
    pub cause: Cause,
}

/// Why something could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The component was not given it.
    Missing,
    /// The own capability table is full.
    NoSlot,
    /// The kernel refused.
    Kernel(SyscallError),
    /// The registers do not lie inside the mapped Frame.
    Outside,
    /// A range of the wrong size, or too many of them.
    Limit,
}

impl Error {
    pub(crate) const fn new(what: &'static str, cause: Cause) -> Self {
        Self { what, cause }
    }
}

impl From<Missing> for Error {
    fn from(missing: Missing) -> Self {
        Self::new(missing.0, Cause::Missing)
    }
}

impl From<SyscallError> for Cause {
    fn from(error: SyscallError) -> Self {
        Self::Kernel(error)
    }
}

impl From<NoSlot> for Cause {
    fn from(_: NoSlot) -> Self {
        Self::NoSlot
    }
}

impl From<VmError> for Cause {
    fn from(error: VmError) -> Self {
        match error {
            VmError::NoSlot => Self::NoSlot,
            VmError::Kernel(error) => Self::Kernel(error),
        }
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.cause {
            Cause::Missing => write!(f, "{}: this component was not given it", self.what),
            Cause::NoSlot => write!(f, "{}: no capability slot left", self.what),
            Cause::Kernel(error) => write!(f, "{}: {error}", self.what),
            Cause::Outside => write!(f, "{}: register outside the mapped registers", self.what),
            Cause::Limit => write!(f, "{}: too large or too many", self.what),
        }
    }
}

impl core::error::Error for Error {}

impl From<NoSlot> for Error {
    fn from(none: NoSlot) -> Self {
        Self::new("receive window", none.into())
    }
}
