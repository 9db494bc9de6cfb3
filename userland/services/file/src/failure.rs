//! Why the service cannot run.

use ipc::WindowError;
use rt::task::NoEvent;
use rt::{Missing, NoSlot, SyscallError, VmError};

/// Why the service cannot run.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// The manifest does not name what it needs.
    Missing(Missing),
    /// There is no memory for the buffer that the driver fills.
    Memory(VmError),
    /// Its table is too small, or the kernel refused a capability.
    Capability(WindowError),
    /// The kernel refused.
    Kernel(SyscallError),
    /// All bits of the Notification are in use.
    Event,
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("cannot serve files: ")?;
        match self {
            Self::Event => f.write_str("no bit of the notification is free"),
            Self::Missing(missing) => missing.fmt(f),
            Self::Memory(error) => write!(f, "no memory for the block buffer ({error:?})"),
            Self::Capability(error) => write!(f, "a capability could not be had ({error:?})"),
            Self::Kernel(error) => error.fmt(f),
        }
    }
}

impl From<Missing> for Failure {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}
impl From<NoEvent> for Failure {
    fn from(_: NoEvent) -> Self {
        Self::Event
    }
}
impl From<VmError> for Failure {
    fn from(error: VmError) -> Self {
        Self::Memory(error)
    }
}
impl From<WindowError> for Failure {
    fn from(error: WindowError) -> Self {
        Self::Capability(error)
    }
}
impl From<NoSlot> for Failure {
    fn from(_: NoSlot) -> Self {
        Self::Capability(WindowError::NoSlot)
    }
}
impl From<SyscallError> for Failure {
    fn from(error: SyscallError) -> Self {
        Self::Kernel(error)
    }
}
