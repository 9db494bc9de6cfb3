//! Frame: contiguous memory that can be mapped, once per capability.

use abi::{ErrorCode, Kind, Perms, Rights, SyscallError};

use super::AddressSpace;
use super::mapping::Work;
use crate::cap::{Cap, Flags, Slot};
use crate::kernel::{Kernel, Res};
use crate::mm::Ref;

/// The permissions asked for, if the capability allows them and they may go together.
pub(super) fn check_perms(cap: &Cap, bits: u64, argument: u8) -> Res<Perms> {
    let bad = |code| SyscallError::new(code, argument);
    let perms = u8::try_from(bits).ok().and_then(Perms::from_bits).ok_or(bad(ErrorCode::InvalidArgument))?;
    if !perms.contains(Perms::READ) {
        return Err(bad(ErrorCode::InvalidArgument));
    }
    if perms.contains(Perms::WRITE | Perms::EXECUTE) {
        return Err(bad(ErrorCode::WriteExecute));
    }
    if perms.contains(Perms::EXECUTE) && cap.flags.contains(Flags::DEVICE) {
        return Err(bad(ErrorCode::InvalidArgument));
    }
    // The bits of Perms and of a Frame's rights are the same.
    if !cap.rights.contains(Rights::from_bits_truncate(perms.bits())) {
        return Err(bad(ErrorCode::MissingRight));
    }
    Ok(perms)
}

impl Kernel {
    /// Puts a slot into its address space's list.
    pub(super) fn link_mapping(&mut self, slot: Ref<Slot>, space: Ref<AddressSpace>) {
        let next = self.mem[space].maps.replace(slot);
        if let Some(next) = next {
            self.mem[next].links.map_prev = Some(slot);
        }
        let entry = &mut self.mem[slot];
        entry.cap.space = Some(space);
        (entry.links.map_prev, entry.links.map_next) = (None, next);
    }

    /// Takes a slot out of its address space's list: it is not mapped, no Reserve, or not page table memory, any more.
    pub(super) fn unlink_mapping(&mut self, slot: Ref<Slot>) {
        let Some(space) = self.mem[slot].cap.space.take() else { return };
        let (prev, next) = (self.mem[slot].links.map_prev.take(), self.mem[slot].links.map_next.take());
        match prev {
            Some(prev) => self.mem[prev].links.map_next = next,
            None => self.mem[space].maps = next,
        }
        if let Some(next) = next {
            self.mem[next].links.map_prev = prev;
        }
        let cap = &mut self.mem[slot].cap;
        match cap.kind {
            Kind::Frame => {
                (cap.word, cap.holder) = (0, 0);
                cap.set_mapped(0, Work::None, 0);
            }
            // Whole again, and dirty.
            Kind::Reserve => (cap.kind, cap.word) = (Kind::Untyped, 0),
            _ => {}
        }
    }

    /// A mapped capability moved to another slot.
    pub(crate) fn relink_mapping(&mut self, to: Ref<Slot>) {
        let entry = self.mem[to];
        let Some(space) = entry.cap.space else { return };
        match entry.links.map_prev {
            Some(prev) => self.mem[prev].links.map_next = Some(to),
            None => self.mem[space].maps = Some(to),
        }
        if let Some(next) = entry.links.map_next {
            self.mem[next].links.map_prev = Some(to);
        }
    }
}
