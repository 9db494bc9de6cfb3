//! Frame: contiguous memory that can be mapped, once per capability.

use abi::{ErrorCode, Kind, Perms, Rights, SyscallError};

use super::mapping::Work;
use super::{AddressSpace, CapTable};
use crate::cap::{Cap, Flags, Slot};
use crate::kernel::{Kernel, Res};
use crate::mm::Ref;

/// The permissions asked for, if the capability allows them and they may go together.
#[inline(always)]
pub(super) fn check_perms(cap: &Cap, bits: u64, argument: u8) -> Res<Perms> {
    let bad = |code| SyscallError::new(code, argument);
    let perms = u8::try_from(bits).ok().and_then(Perms::from_bits).ok_or(bad(ErrorCode::InvalidArgument))?;
    let guards_nothing = perms.contains(Perms::GUARDED) && !perms.contains(Perms::EXECUTE);
    if !perms.contains(Perms::READ) || guards_nothing {
        return Err(bad(ErrorCode::InvalidArgument));
    }
    if perms.contains(Perms::WRITE | Perms::EXECUTE) {
        return Err(bad(ErrorCode::WriteExecute));
    }
    if perms.contains(Perms::EXECUTE) && cap.flags.contains(Flags::DEVICE) {
        return Err(bad(ErrorCode::InvalidArgument));
    }
    // The bits of Perms and of a Frame's rights are the same, but the last.
    if !cap.rights.contains(Rights::from_bits_truncate((perms - Perms::GUARDED).bits())) {
        return Err(bad(ErrorCode::MissingRight));
    }
    Ok(perms)
}

/// What has a list of capabilities that are tied to it.
#[derive(Clone, Copy)]
enum Tie {
    /// Mapped in an address space, a Reserve of it, or its page table memory.
    Space(Ref<AddressSpace>),
    /// Slots of a table.
    Table(Ref<CapTable>),
}

impl Cap {
    #[inline]
    fn tie(&self) -> Option<Tie> {
        match self.table_of_slots() {
            Some(table) => Some(Tie::Table(table)),
            None => self.space.map(Tie::Space),
        }
    }
}

impl Kernel {
    #[inline(always)]
    fn tied_to(&mut self, tie: Tie) -> &mut Option<Ref<Slot>> {
        match tie {
            Tie::Space(space) => &mut self.mem[space].maps,
            Tie::Table(table) => &mut self.mem[table].memory,
        }
    }

    /// Ties a slot to an address space.
    #[inline(always)]
    pub(super) fn link_mapping(&mut self, slot: Ref<Slot>, space: Ref<AddressSpace>) {
        self.mem[slot].cap.space = Some(space);
        self.link(slot, Tie::Space(space));
    }

    /// Ties a slot to the table that it names.
    pub(crate) fn link_slots(&mut self, slot: Ref<Slot>, table: Ref<CapTable>) {
        self.link(slot, Tie::Table(table));
    }

    #[inline(always)]
    fn link(&mut self, slot: Ref<Slot>, tie: Tie) {
        let next = self.tied_to(tie).replace(slot);
        if let Some(next) = next {
            self.mem[next].links.map_prev = Some(slot);
        }
        let links = &mut self.mem[slot].links;
        (links.map_prev, links.map_next) = (None, next);
    }

    /// A slot is not tied any more: not mapped, no Reserve, not memory of tables or slots.
    pub(crate) fn unlink_mapping(&mut self, slot: Ref<Slot>) {
        let Some(tie) = self.mem[slot].cap.tie() else { return };
        if self.mem[slot].cap.kind == Kind::Frame {
            return self.unlink_frame(slot, tie);
        }
        self.unlink(slot, tie);
        let cap = &mut self.mem[slot].cap;
        cap.space = None;
        match cap.kind {
            // Whole again, and dirty.
            Kind::Reserve => (cap.kind, cap.word) = (Kind::Untyped, 0),
            Kind::Untyped => (cap.memory, cap.word) = (0, 0),
            _ => {}
        }
    }

    /// A Frame is not mapped any more.
    #[inline(always)]
    pub(super) fn forget_mapping(&mut self, slot: Ref<Slot>, space: Ref<AddressSpace>) {
        self.unlink_frame(slot, Tie::Space(space));
    }

    #[inline(always)]
    fn unlink_frame(&mut self, slot: Ref<Slot>, tie: Tie) {
        self.unlink(slot, tie);
        let cap = &mut self.mem[slot].cap;
        (cap.space, cap.word, cap.holder) = (None, 0, 0);
        cap.set_mapped(0, Work::None, 0);
    }

    #[inline(always)]
    fn unlink(&mut self, slot: Ref<Slot>, tie: Tie) {
        let links = &mut self.mem[slot].links;
        let (prev, next) = (links.map_prev.take(), links.map_next.take());
        match prev {
            Some(prev) => self.mem[prev].links.map_next = next,
            None => *self.tied_to(tie) = next,
        }
        if let Some(next) = next {
            self.mem[next].links.map_prev = prev;
        }
    }

    /// A capability that is tied to something moved to another slot.
    pub(crate) fn relink_mapping(&mut self, to: Ref<Slot>) {
        let entry = &self.mem[to];
        let Some(tie) = entry.cap.tie() else { return };
        let (prev, next) = (entry.links.map_prev, entry.links.map_next);
        match prev {
            Some(prev) => self.mem[prev].links.map_next = Some(to),
            None => *self.tied_to(tie) = Some(to),
        }
        if let Some(next) = next {
            self.mem[next].links.map_prev = Some(to);
        }
    }
}
