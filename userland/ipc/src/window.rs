//! The receive window of a server, and capabilities on their way to one.

use rt::{Cap, ErrorCode, Message, NoSlot, Notification, Rights, SyscallError, TABLE, alloc_slot, free_slot};

/// The slots in which capabilities of messages arrive. It stays where it is: what is kept is moved out of it, and what
/// is not wanted is deleted with [`CapWindow::clear`] after each message.
#[derive(Debug)]
pub struct CapWindow {
    base: u32,
    count: u32,
}

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

impl CapWindow {
    /// Opens a window of `count` slots (1–4), for this thread and from now on.
    ///
    /// # Errors
    /// `NoSlot`: the table has no `count` free slots in a row.
    pub fn open(count: u32) -> Result<Self, NoSlot> {
        let base = alloc_slot()?;
        for next in base + 1..base + count {
            // At start-up free slots lie in a row; a table so full that they do not is too small for its component.
            if alloc_slot()? != next {
                return Err(NoSlot);
            }
        }
        rt::set_window(base, count);
        Ok(Self { base, count })
    }

    /// Takes the capability that arrived `index`-th (from 0) with this message into a slot of its own. Its kind and
    /// rights are the sender's claim: the kernel checks them when it is used.
    ///
    /// # Errors
    /// [`WindowError`].
    pub fn take<K>(&self, message: &Message, index: u32) -> Result<Cap<K>, WindowError> {
        if index >= self.count || index >= message.caps.into() {
            return Err(WindowError::Absent);
        }
        let slot = alloc_slot()?;
        match TABLE.take(slot, TABLE, self.base + index) {
            Ok(()) => Ok(Cap::from_slot(slot)),
            Err(error) => {
                free_slot(slot);
                Err(error.into())
            }
        }
    }

    /// Deletes what a message brought and nobody took. Call it after each message that brought capabilities or whose
    /// capabilities were dropped: what fills the window keeps others from arriving.
    pub fn clear(&self, message: &Message, dropped: bool) {
        if message.caps == 0 && !dropped {
            return;
        }
        for slot in self.base..self.base + self.count {
            let _ = TABLE.delete(slot);
        }
    }
}

/// Deletes a capability of the own table and frees its slot.
pub fn discard<K>(cap: Cap<K>) {
    if TABLE.delete(cap.slot()).is_ok() {
        free_slot(cap.slot());
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
