//! The receive window: the slots in which capabilities of messages arrive. A process has one, which stays where it is: what is
//! kept is moved out of it, and the rest is deleted.

use core::sync::atomic::{AtomicU32, Ordering};

pub use rt::clear_window as clear;
use rt::{Cap, ErrorCode, MAX_CAPS, Message, NoSlot, Notification, Rights, SyscallError, TABLE, alloc_slot, free_slot};

const COUNT: u32 = MAX_CAPS as u32;

/// First slot of the window; 0: there is none yet.
static BASE: AtomicU32 = AtomicU32::new(0);

/// Why a capability could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowError {
    /// The own table is full.
    NoSlot,
    /// The message brought no such capability.
    Absent,
    /// The kernel refused.
    Kernel(SyscallError),
}

impl core::fmt::Display for WindowError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoSlot => f.write_str("no free slot: `table` in the manifest"),
            Self::Absent => f.write_str("no capability came"),
            Self::Kernel(error) => error.fmt(f),
        }
    }
}

impl From<NoSlot> for WindowError {
    fn from(_: NoSlot) -> Self {
        Self::NoSlot
    }
}

impl From<SyscallError> for WindowError {
    fn from(error: SyscallError) -> Self {
        match error.code {
            ErrorCode::EmptySlot => Self::Absent,
            _ => Self::Kernel(error),
        }
    }
}

/// Opens the window of this process, of four slots, if it has none: capabilities of messages are dropped without.
///
/// # Errors
/// `NoSlot`: the table has not four free slots in a row.
pub fn open() -> Result<(), NoSlot> {
    if BASE.load(Ordering::Relaxed) != 0 {
        return Ok(());
    }
    let base = alloc_slot()?;
    for next in base + 1..base + COUNT {
        // At start-up free slots lie in a row; a table so full that they do not is too small for its component.
        if alloc_slot()? != next {
            return Err(NoSlot);
        }
    }
    rt::set_window(base, COUNT);
    BASE.store(base, Ordering::Relaxed);
    Ok(())
}

/// Takes the capability that arrived `index`-th (from 0) with this message into a slot of its own.
///
/// # Errors
/// [`WindowError`].
pub fn take<K>(message: &Message, index: u32) -> Result<Cap<K>, WindowError> {
    if index >= message.caps.into() {
        return Err(WindowError::Absent);
    }
    #[cfg(not(target_os = "none"))]
    return rt::sent_slot(index as usize).map(Cap::from_slot).ok_or(WindowError::Absent);
    #[cfg(target_os = "none")]
    {
        let base = BASE.load(Ordering::Relaxed);
        if base == 0 || index >= COUNT {
            return Err(WindowError::Absent);
        }
        let slot = alloc_slot()?;
        match TABLE.take(slot, TABLE, base + index) {
            Ok(()) => Ok(Cap::from_slot(slot)),
            Err(error) => {
                free_slot(slot);
                Err(error.into())
            }
        }
    }
}

/// A copy of a Notification that can only signal: what a client hands to a server.
///
/// # Errors
/// [`WindowError`].
pub fn signal_only(notification: Cap<Notification>) -> Result<Cap<Notification>, WindowError> {
    let slot = alloc_slot()?;
    match TABLE.copy(slot, TABLE, notification.slot(), Rights::SIGNAL, rt::Badge(0)) {
        Ok(()) => Ok(Cap::from_slot(slot)),
        Err(error) => {
            free_slot(slot);
            Err(error.into())
        }
    }
}
