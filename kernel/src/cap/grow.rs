//! Slots behind the first part of a table: memory of an Untyped that was given whole. The table keeps, for each doubling,
//! where its slots lie; nothing is copied, and indices stay.
//!
//! An Untyped in use like this stands in the first part of a table and stays in first parts ([`Kernel::may_stand_at`]), so
//! emptying its slots never meets another one: no step depends on how tables hold each other's memory.

use super::{CapTable, Slot, table};
use crate::kernel::{Kernel, Preempted};
use crate::mm::raw::GRANULE;
use crate::mm::{Phys, Ref};

/// Most doublings of a table.
pub const PARTS: usize = 10;
/// Bytes zeroed between two preemption points.
const SLICE: u64 = 4096;

impl CapTable {
    /// One more than the highest index.
    pub fn end(&self) -> u32 {
        let parts = self.parts.iter().rposition(Option::is_some).map_or(0, |part| part as u32 + 1);
        self.slots() << parts
    }

    /// The doublings up to 2^`bits` slots that the table does not have.
    fn missing(&self, bits: u64) -> impl Iterator<Item = usize> + use<'_> {
        let count = bits.saturating_sub(self.bits.into()).min(PARTS as u64) as usize;
        (0..count).filter(|&part| self.parts[part].is_none())
    }

    /// Slots that the doublings up to 2^`bits` slots add; 0: none is missing, or the table cannot have so many.
    pub fn slots_missing(&self, bits: u64) -> u64 {
        let possible = bits <= *table::BITS.end() && bits <= u64::from(self.bits) + PARTS as u64;
        if possible { self.missing(bits).map(|part| u64::from(self.slots()) << part).sum() } else { 0 }
    }
}

impl Kernel {
    /// A slot behind the first part.
    #[cold]
    pub(super) fn grown_slot(&self, table: Ref<CapTable>, index: u64) -> Option<Ref<Slot>> {
        let index = u32::try_from(index).ok().filter(|&index| index != 0)?;
        let object = &self.mem[table];
        let part = index.ilog2().checked_sub(object.bits.into())?;
        let first = (*object.parts.get(part as usize)?)?;
        Some(first.offset(index - (object.slots() << part)))
    }

    /// Whether the capability in `slot` may stand at an index of a table: what is in use as slots stays in first parts.
    pub fn may_stand_at(&self, slot: Ref<Slot>, table: Ref<CapTable>, index: u64) -> bool {
        !self.mem[slot].cap.is_slots() || index < self.mem[table].slots().into()
    }

    /// Ties an Untyped to a table, whose slots it becomes.
    pub fn begin_slots(&mut self, slot: Ref<Slot>, table: Ref<CapTable>) {
        let cap = &mut self.mem[slot].cap;
        (cap.word, cap.extra, cap.holder) = (0, 0, 0);
        cap.become_slots(table);
        self.link_slots(slot, table);
    }

    /// Zeroes what of the tied memory is not yet zeroed, up to `bytes`; then the table has slots up to 2^`bits`.
    ///
    /// # Errors
    /// [`Preempted`].
    pub fn grow(&mut self, slot: Ref<Slot>, table: Ref<CapTable>, bits: u64, bytes: u64) -> Result<(), Preempted> {
        let start = self.mem[slot].cap.object;
        while self.mem[slot].cap.word < bytes {
            let done = self.mem[slot].cap.word;
            let step = SLICE.min(bytes - done);
            self.mem.zero(Phys(start + done), step);
            self.mem[slot].cap.word = done + step;
            self.preemption_point()?;
        }
        let mut place = start;
        for part in 0..PARTS {
            if self.mem[table].missing(bits).next() == Some(part) {
                self.mem[table].parts[part] = self.mem.granule(Phys(place));
                place += (u64::from(self.mem[table].slots()) << part) * GRANULE;
            }
        }
        Ok(())
    }

    /// Whether an index of its table leads to the slots that this Untyped is: they were made, and not taken away yet.
    pub fn has_slots(&self, slot: Ref<Slot>) -> bool {
        let cap = &self.mem[slot].cap;
        let memory = cap.object..cap.object + cap.word;
        let table = cap.table_of_slots().map(|table| &self.mem[table]);
        table
            .is_some_and(|table| table.parts.iter().flatten().any(|&first| memory.contains(&self.mem.address(first).0)))
    }

    /// No index leads to the slots of this memory any more.
    fn detach_slots(&mut self, slot: Ref<Slot>) {
        let cap = &self.mem[slot].cap;
        let Some(table) = cap.table_of_slots() else { return };
        let (start, end) = (cap.object, cap.object + cap.word);
        for part in 0..PARTS {
            if let Some(first) = self.mem[table].parts[part]
                && (start..end).contains(&self.mem.address(first).0)
            {
                self.mem[table].parts[part] = None;
            }
        }
    }

    /// The table loses the slots that this Untyped is: what lies in them is deleted, from the end on. Then the memory is an
    /// Untyped like any other again. A table that dies, or a call that comes too late, may find the memory half deleted.
    pub(crate) fn drop_slots(&mut self, slot: Ref<Slot>) -> Result<(), Preempted> {
        self.detach_slots(slot);
        while self.mem[slot].cap.word > 0 {
            let at = self.mem[slot].cap.word - GRANULE;
            if let Some(last) = self.mem.granule::<Slot>(Phys(self.mem[slot].cap.object + at))
                && !self.mem[last].is_empty()
            {
                self.delete(last)?;
            }
            self.mem[slot].cap.word = at;
            self.preemption_point()?;
        }
        self.unlink_mapping(slot);
        Ok(())
    }
}
