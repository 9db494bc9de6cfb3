//! The receive window: the slots in which capabilities of messages arrive. A process has one, which stays where it is: what is
//! kept is moved out of it, and the rest is deleted.

use core::sync::atomic::{AtomicU32, Ordering};

pub use rt::clear_window as clear;
use rt::{Cap, ErrorCode, MAX_CAPS, Message, NoSlot, Notification, Rights, SyscallError, TABLE, alloc_slot, free_slot};

const COUNT: u32 = MAX_CAPS as u32;
/// How many free slots are looked at for so many in a row.
const LOOKS: usize = 32;

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
/// `NoSlot`: the table has not four free slots in a row, or they come late.
pub fn open() -> Result<(), NoSlot> {
    if BASE.load(Ordering::Relaxed) != 0 {
        return Ok(());
    }
    let base = row(alloc_slot, free_slot)?;
    rt::set_window(base, COUNT);
    BASE.store(base, Ordering::Relaxed);
    Ok(())
}

/// The first of [`COUNT`] slots in a row. What does not lie so, because a slot in between is in use, is given back. A component
/// without a heap needs a window too.
fn row(mut take: impl FnMut() -> Result<u32, NoSlot>, give_back: impl Fn(u32)) -> Result<u32, NoSlot> {
    let mut taken = [0; LOOKS];
    let mut length = 0;
    for count in 0..LOOKS {
        let Ok(next) = take() else {
            taken[..count].iter().for_each(|&slot| give_back(slot));
            return Err(NoSlot);
        };
        taken[count] = next;
        length = if count > 0 && taken[count - 1] + 1 == next { length + 1 } else { 1 };
        if length == COUNT {
            let start = count + 1 - COUNT as usize;
            taken[..start].iter().for_each(|&slot| give_back(slot));
            return Ok(taken[start]);
        }
    }
    taken.iter().for_each(|&slot| give_back(slot));
    Err(NoSlot)
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

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::RefCell;

    /// Where the window is in a table with these free slots, and what was given back.
    fn found(free: &[u32]) -> (Result<u32, NoSlot>, Vec<u32>) {
        let (mut free, back) = (free.iter(), RefCell::default());
        let row = row(|| free.next().copied().ok_or(NoSlot), |slot| Vec::push(&mut back.borrow_mut(), slot));
        (row, back.take())
    }

    #[test]
    fn the_window_is_a_row_of_free_slots() {
        assert_eq!(found(&[20, 21, 22, 23, 24]), (Ok(20), vec![]));
        assert_eq!(found(&[20, 21, 25, 30, 31, 32, 33]), (Ok(30), vec![20, 21, 25]));
        assert_eq!(found(&[20, 21, 22, 25]), (Err(NoSlot), vec![20, 21, 22, 25]));
        assert_eq!(found(&[]), (Err(NoSlot), vec![]));
        let scattered: Vec<u32> = (20..120).step_by(2).collect();
        assert_eq!(found(&scattered), (Err(NoSlot), scattered[..LOOKS].to_vec()));
    }
}
