//! What a check found instead of what it should.

use alloc::format;
use alloc::string::String;
use core::fmt::Debug;

use abi::SyscallError;
use rt::{CallError, NoSlot, VmError};

/// Why a check failed, in words.
#[derive(Clone, Debug)]
pub struct Fail(pub String);

/// What a check returns.
pub type Check<T = ()> = Result<T, Fail>;

impl Fail {
    /// In these words.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Fail {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<SyscallError> for Fail {
    fn from(error: SyscallError) -> Self {
        Self(format!("{error}"))
    }
}

impl From<CallError> for Fail {
    fn from(error: CallError) -> Self {
        Self(format!("{error:?}"))
    }
}

impl From<NoSlot> for Fail {
    fn from(_: NoSlot) -> Self {
        "no free slot".into()
    }
}

impl From<VmError> for Fail {
    fn from(error: VmError) -> Self {
        Self(format!("{error:?}"))
    }
}

/// Fails in these words unless it is so.
///
/// # Errors
/// It is not.
pub fn holds(so: bool, otherwise: &str) -> Check {
    if so { Ok(()) } else { Err(otherwise.into()) }
}

/// Fails unless both are equal.
///
/// # Errors
/// They are not.
#[track_caller]
pub fn equal<T: PartialEq + Debug>(got: T, wanted: T, what: &str) -> Check {
    if got == wanted {
        return Ok(());
    }
    let line = core::panic::Location::caller().line();
    Err(Fail(format!("{what}: got {got:x?}, not {wanted:x?} (line {line})")))
}
