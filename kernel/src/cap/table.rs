//! A table: a flat power-of-two array of slots. The first slot's place holds the table's own header, because slot 0 is
//! null in every process.

use abi::{ErrorCode, Kind, Rights, SyscallError};

use super::{Cap, Slot};
use crate::kernel::{Kernel, Res};
use crate::mm::{Direct, Object, Ref};
use crate::object::{Header, Thread};

/// log2 of the least and the most slots of a table.
pub const BITS: core::ops::RangeInclusive<u64> = 4..=16;

/// The header of a table, one granule; the slots follow.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct CapTable {
    /// Counts its capabilities.
    pub header: Header,
    /// log2 of the number of slots of its first part, which follows.
    pub bits: u8,
    /// The last slot that was emptied, once it is being destroyed.
    pub emptied: u16,
    /// The first Untyped whose memory is slots of this.
    pub memory: Option<Ref<Slot>>,
    /// Where the slots behind the first part lie: for each doubling its first.
    pub parts: [Option<Ref<Slot>>; super::grow::PARTS],
}

impl Object for CapTable {
    const KIND: Kind = Kind::CapTable;
}

const _: () = assert!(size_of::<CapTable>() == 64);

impl CapTable {
    /// A table of 2^`bits` slots.
    pub const fn new(bits: u8) -> Self {
        Self { header: Header::new(Kind::CapTable), bits, emptied: 0, memory: None, parts: [None; super::grow::PARTS] }
    }

    /// Slots of the first part, the null slot included.
    pub const fn slots(&self) -> u32 {
        1 << self.bits
    }
}

/// Why a capability does not do.
#[cold]
fn refusal(cap: &Cap, kind: Kind, argument: u8) -> SyscallError {
    let code = if cap.kind == Kind::Null {
        ErrorCode::EmptySlot
    } else if cap.kind != kind {
        ErrorCode::WrongKind
    } else {
        ErrorCode::MissingRight
    };
    SyscallError::new(code, argument)
}

#[cold]
#[inline(never)]
fn occupied(argument: u8) -> SyscallError {
    SyscallError::new(ErrorCode::SlotOccupied, argument)
}

impl Kernel {
    /// The slot at an index of a table; `argument` is named in the error.
    #[inline(always)]
    pub fn slot(&self, table: Ref<CapTable>, index: u64, argument: u8) -> Res<Ref<Slot>> {
        let first = u64::from(self.mem[table].slots());
        if index.wrapping_sub(1) < first - 1 {
            return Ok(table.offset(index as u32));
        }
        self.slot_behind(table, index, argument)
    }

    #[cold]
    fn slot_behind(&self, table: Ref<CapTable>, index: u64, argument: u8) -> Res<Ref<Slot>> {
        self.grown_slot(table, index).ok_or(SyscallError::new(ErrorCode::SlotOutOfRange, argument))
    }

    /// The slot at an index of the caller's table, if it lies in its first part: as the fast paths find it. At index 0 is the
    /// table's header, which is no capability that has rights.
    #[inline(always)]
    fn near_slot(&self, caller: Ref<Thread>, index: u64) -> Option<Ref<Slot>> {
        let thread = &self.mem[caller];
        if index & thread.slot_mask != 0 || index == 0 {
            return None;
        }
        Some(self.mem.at_address(thread.table_at, index as u32))
    }

    /// The slot at an index of a thread's table.
    #[inline(always)]
    pub fn slot_of(&self, thread: Ref<Thread>, index: u64, argument: u8) -> Res<Ref<Slot>> {
        match self.near_slot(thread, index) {
            Some(slot) => Ok(slot),
            None => self.far_slot_of(thread, index, argument),
        }
    }

    #[cold]
    fn far_slot_of(&self, thread: Ref<Thread>, index: u64, argument: u8) -> Res<Ref<Slot>> {
        self.slot(self.table_of(thread)?, index, argument)
    }

    #[cold]
    fn far_slot(&self, caller: Ref<Thread>, index: u64, kind: Kind, rights: Rights, argument: u8) -> Res<Ref<Slot>> {
        let slot = self.slot(self.table_of(caller)?, index, argument)?;
        let cap = &self.mem[slot].cap;
        if cap.allows(kind, rights) { Ok(slot) } else { Err(refusal(cap, kind, argument)) }
    }

    /// The table of a thread.
    pub fn table_of(&self, thread: Ref<Thread>) -> Res<Ref<CapTable>> {
        self.mem[thread].table().ok_or(ErrorCode::InvalidState.into())
    }

    /// The capability at an index of the caller's table, which must have this kind and these rights. This and
    /// [`Self::get`] are the only ways to an object.
    pub fn get_cap(
        &self,
        caller: Ref<Thread>,
        index: u64,
        kind: Kind,
        rights: Rights,
        argument: u8,
    ) -> Res<(Ref<Slot>, Cap)> {
        let slot = self.get_slot(caller, index, kind, rights, argument)?;
        Ok((slot, self.mem[slot].cap))
    }

    /// The slot at an index of the caller's table, whose capability must have this kind and these rights.
    #[inline(always)]
    pub fn get_slot(
        &self,
        caller: Ref<Thread>,
        index: u64,
        kind: Kind,
        rights: Rights,
        argument: u8,
    ) -> Res<Ref<Slot>> {
        if let Some(slot) = self.near_slot(caller, index)
            && self.mem[slot].cap.allows(kind, rights)
        {
            return Ok(slot);
        }
        self.far_slot(caller, index, kind, rights, argument)
    }

    /// The object named at an index of the caller's table.
    #[inline(always)]
    pub fn get<T: Object>(
        &self,
        caller: Ref<Thread>,
        index: u64,
        rights: Rights,
        argument: u8,
    ) -> Res<(Ref<T>, Ref<Slot>)> {
        if let Some(slot) = self.near_slot(caller, index) {
            let cap = &self.mem[slot].cap;
            if cap.allows(T::KIND, rights)
                && let Some(object) = Direct::from_word(cap.object)
            {
                return Ok((object.into(), slot));
            }
        }
        let (object, slot) = self.far_object(caller, index, T::KIND, rights, argument)?;
        Ok((object.offset(0), slot))
    }

    /// As [`Self::far_slot`], of a capability that names an object.
    #[cold]
    #[inline(never)]
    fn far_object(
        &self,
        caller: Ref<Thread>,
        index: u64,
        kind: Kind,
        rights: Rights,
        argument: u8,
    ) -> Res<(Ref<Header>, Ref<Slot>)> {
        let slot = self.far_slot(caller, index, kind, rights, argument)?;
        let cap = &self.mem[slot].cap;
        match Direct::from_word(cap.object) {
            Some(object) => Ok((object.into(), slot)),
            None => Err(refusal(cap, kind, argument)),
        }
    }

    /// An empty slot of a table.
    #[inline(always)]
    pub fn empty_slot(&self, table: Ref<CapTable>, index: u64, argument: u8) -> Res<Ref<Slot>> {
        let slot = self.slot(table, index, argument)?;
        if self.mem[slot].is_empty() { Ok(slot) } else { Err(occupied(argument)) }
    }
}
