//! Which slots of the own table are free: those behind what the manifest named.

use spin::Mutex;

use crate::env::env;

/// The table is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSlot;

/// Free slots are found by this map; tables of up to 4,096 slots.
static USED: Mutex<[u64; 64]> = Mutex::new([0; 64]);

/// A free slot of the own table.
///
/// # Errors
/// [`NoSlot`]: the table is full; its size is the manifest's.
pub fn alloc_slot() -> Result<u32, NoSlot> {
    let info = env().ok_or(NoSlot)?.start_info();
    let count = (info.named_count as usize).min(abi::MAX_NAMED);
    let slots = info.named[..count].iter().filter(|entry| !entry.is_number());
    let first = slots.map(|entry| entry.slot + 1).max().unwrap_or(0).max(abi::SLOT_FIRST);
    // init's own slots are fixed, and end with its memory.
    let first = if info.component == 0 { first.max(abi::SLOT_SCHED_CONTROL + info.cores) } else { first };
    let mut used = USED.lock();
    let end = info.table_slots.min(4096);
    for slot in first..end {
        let (word, bit) = (slot as usize / 64, 1u64 << (slot % 64));
        if used[word] & bit == 0 {
            used[word] |= bit;
            return Ok(slot);
        }
    }
    Err(NoSlot)
}

/// Gives a slot back; its capability must have been deleted or moved away.
pub fn free_slot(slot: u32) {
    if let Some(word) = USED.lock().get_mut(slot as usize / 64) {
        *word &= !(1u64 << (slot % 64));
    }
}
