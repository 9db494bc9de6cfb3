//! Which slots of the own table are free: those behind what the manifest named.

use core::sync::atomic::{AtomicU32, Ordering};

use abi::{Kind, layout::PAGE};
use spin::Mutex;

use crate::cap::{Cap, MEMORY, Retype, TABLE, Untyped};
use crate::env::env;
use crate::vm::VmError;

/// The table is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSlot;

/// Free slots are found by this map; tables of up to 4,096 slots.
static USED: Mutex<Used> = Mutex::new(Used([0; WORDS]));
const WORDS: usize = 64;

/// Slots of the own table since it grew; 0: it has not.
static GROWN: AtomicU32 = AtomicU32::new(0);

/// A bit for each slot that is in use.
struct Used([u64; WORDS]);

impl Used {
    /// Takes the first free slot from `first` on and before `end`.
    fn take(&mut self, first: u32, end: u32) -> Option<u32> {
        let skip = first as usize / 64;
        for (index, word) in self.0.iter_mut().enumerate().skip(skip) {
            let before = if index == skip { (1 << (first % 64)) - 1 } else { 0 };
            let free = !(*word | before);
            let slot = index as u32 * 64 + free.trailing_zeros();
            if slot >= end {
                return None;
            }
            if free != 0 {
                *word |= free & free.wrapping_neg();
                return Some(slot);
            }
        }
        None
    }
}

/// A free slot of the own table.
///
/// # Errors
/// [`NoSlot`]: the table is full; its size is the manifest's, unless it grew.
pub fn alloc_slot() -> Result<u32, NoSlot> {
    let info = env().ok_or(NoSlot)?.start_info();
    let count = (info.named_count as usize).min(abi::MAX_NAMED);
    let slots = info.named[..count].iter().filter(|entry| !entry.is_number());
    let first = slots.map(|entry| entry.slot + 1).max().unwrap_or(0).max(abi::SLOT_FIRST);
    // init's own slots are fixed, and end with its memory.
    let first = if info.component == 0 { first.max(abi::SLOT_SCHED_CONTROL + info.cores) } else { first };
    let end = info.table_slots.max(GROWN.load(Ordering::Relaxed)).min(WORDS as u32 * 64);
    USED.lock().take(first, end).ok_or(NoSlot)
}

/// Gives a slot back; its capability must have been deleted or moved away.
pub fn free_slot(slot: u32) {
    if let Some(word) = USED.lock().0.get_mut(slot as usize / 64) {
        *word &= !(1u64 << (slot % 64));
    }
}

/// Makes the own table larger, to 2^`bits` slots, out of the own memory. One slot is needed for that.
///
/// # Errors
/// [`VmError`]; among them `InvalidArgument` when it has as many already.
pub fn grow_table(bits: u32) -> Result<(), VmError> {
    let info = env().ok_or(NoSlot)?.start_info();
    let slots = 1u32.checked_shl(bits).unwrap_or(u32::MAX);
    let have = info.table_slots.max(GROWN.load(Ordering::Relaxed));
    let memory = alloc_slot()?;
    let what = Retype { size: (u64::from(slots.saturating_sub(have)) * 64).div_ceil(PAGE), ..Retype::default() };
    let grown = MEMORY.retype(Kind::Untyped, what, TABLE, memory).and_then(|()| {
        let memory = Cap::<Untyped>::from_slot(memory);
        TABLE.grow(memory, bits).inspect_err(|_| {
            let _ = TABLE.delete(memory.slot());
        })
    });
    if let Err(error) = grown {
        free_slot(memory);
        return Err(error.into());
    }
    GROWN.store(slots, Ordering::Relaxed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_free_slot() {
        let mut used = Used([0; WORDS]);
        for slot in 20..200 {
            assert_eq!(used.take(20, 200), Some(slot));
        }
        assert_eq!(used.take(20, 200), None);
        used.0[2] &= !(1 << 5);
        assert_eq!((used.take(20, 200), used.take(20, 200)), (Some(133), None));
        assert_eq!(used.take(20, 201), Some(200));
        let mut used = Used([u64::MAX; WORDS]);
        assert_eq!(used.take(16, 4096), None);
    }
}
