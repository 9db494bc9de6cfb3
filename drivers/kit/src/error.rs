//! Why a driver could not get what it drives with.

use rt::{Missing, NoSlot, SyscallError, VmError};

/// What could not be had, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// `reg:`, `irq:`, `mem:` or `node: ` in front of a name or an index of the device's node; empty in front of anything else.
    pub kind: &'static str,
    /// The name in the manifest, the register, or what the memory is for.
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
    /// Memory that begins within a page: only whole pages are given.
    Unaligned,
    /// The device tree has no such property.
    Unsaid,
    /// The device tree has it in a form that cannot be read.
    Malformed,
    /// The driver of the host bridge refused, or is gone.
    Pci(ipc::Error<ipc::pci::Status>),
    /// The function lies about its capabilities.
    List(crate::pci::BadList),
}

impl Error {
    pub(crate) const fn new(what: &'static str, cause: Cause) -> Self {
        Self { kind: "", what, cause }
    }

    /// About what the device's node has.
    pub(crate) const fn of_node(kind: &'static str, what: &'static str, cause: Cause) -> Self {
        Self { kind, what, cause }
    }
}

impl From<Missing> for Error {
    fn from(missing: Missing) -> Self {
        Self::new(missing.0, Cause::Missing)
    }
}

impl From<rt::task::NoEvent> for Error {
    fn from(_: rt::task::NoEvent) -> Self {
        Self::new("bit of the notification", Cause::Limit)
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
        write!(f, "{}{}: ", self.kind, self.what)?;
        match self.cause {
            Cause::Missing => f.write_str("this component was not given it"),
            Cause::NoSlot => f.write_str("no capability slot left"),
            Cause::Kernel(error) => error.fmt(f),
            Cause::Outside => f.write_str("outside the device's registers"),
            Cause::Limit => f.write_str("too large or too many"),
            Cause::Unaligned => f.write_str("begins within a page, in which something else may be"),
            Cause::Unsaid => f.write_str("the device tree does not say"),
            Cause::Pci(error) => error.fmt(f),
            Cause::List(bad) => bad.fmt(f),
            Cause::Malformed => f.write_str("the device tree says it in another way"),
        }
    }
}

impl core::error::Error for Error {}

/// An error of one of Tutti's traits, as the ecosystem's traits want it: they have types of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed<E>(
    /// The error.
    pub E,
);

impl<E> From<E> for Failed<E> {
    fn from(error: E) -> Self {
        Self(error)
    }
}

impl<E: core::fmt::Display> core::fmt::Display for Failed<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: core::error::Error> core::error::Error for Failed<E> {}

impl From<NoSlot> for Error {
    fn from(none: NoSlot) -> Self {
        Self::new("receive window", none.into())
    }
}
