//! The memory of the machine: the Untyped capabilities that the kernel left, and what init makes of them.

use alloc::vec::Vec;

use abi::{StartInfo, layout::PAGE};
use rt::{Cap, Kind, Retype, SyscallError, TABLE, Untyped};

/// Bytes of init's own heap.
const HEAP: u64 = 256 * 1024;

/// All Untyped memory.
pub struct Memory {
    roots: u32,
    /// For small objects of init's own that are never given back.
    small: Option<Cap<Untyped>>,
    /// Quotas that a component gave back, by their pages.
    spare: Vec<(u64, u32)>,
}

impl Memory {
    /// The Untyped capabilities that the kernel left.
    pub fn new(info: &StartInfo) -> Self {
        Self { roots: info.memory_slots, small: None, spare: Vec::new() }
    }

    fn roots(&self) -> impl Iterator<Item = Cap<Untyped>> + use<> {
        (0..self.roots).map(|index| Cap::from_slot(abi::SLOT_INIT_MEMORY + index))
    }

    /// Takes init's own heap; before that nothing may be allocated.
    pub fn own_heap(&mut self) -> Result<(), SyscallError> {
        self.cut(HEAP / PAGE, abi::SLOT_HEAP)
    }

    /// Cuts an Untyped of `pages` pages out of the first memory that has them, into a slot of init's table.
    fn cut(&mut self, pages: u64, slot: u32) -> Result<(), SyscallError> {
        let what = Retype { size: pages, ..Retype::default() };
        let mut result = Err(rt::ErrorCode::OutOfMemory.into());
        for root in self.roots() {
            result = root.retype(Kind::Untyped, what, TABLE, slot);
            if !matches!(result, Err(SyscallError { code: rt::ErrorCode::OutOfMemory, .. })) {
                return result;
            }
        }
        result
    }

    /// A quota of `pages` pages: the Untyped that everything of a component comes out of.
    pub fn quota(&mut self, pages: u64) -> Result<Cap<Untyped>, SyscallError> {
        if let Some(index) = self.spare.iter().position(|&(have, _)| have == pages) {
            return Ok(Cap::from_slot(self.spare.swap_remove(index).1));
        }
        let slot = slot()?;
        self.cut(pages, slot).map(|()| Cap::from_slot(slot)).inspect_err(|_| rt::free_slot(slot))
    }

    /// A quota comes back, whole: everything made of it is gone.
    pub fn give_back(&mut self, quota: Cap<Untyped>, pages: u64) {
        if TABLE.revoke(quota.slot()).is_ok() {
            self.spare.push((pages, quota.slot()));
        }
    }

    /// A small object of init's own.
    pub fn object<K>(&mut self, kind: Kind) -> Result<Cap<K>, SyscallError> {
        let small = match self.small {
            Some(small) => small,
            None => {
                let slot = slot()?;
                self.cut(5, slot)?;
                *self.small.insert(Cap::from_slot(slot))
            }
        };
        let slot = slot()?;
        small.retype(kind, Retype::default(), TABLE, slot).map(|()| Cap::from_slot(slot))
    }

    /// Bytes that are still untyped.
    pub fn left(&self) -> u64 {
        self.roots()
            .filter_map(|root| crate::authority::DEBUG.inspect(TABLE, root.slot()).ok())
            .map(|info| info.bytes - info.used)
            .sum()
    }

    /// Bytes of all the memory that the kernel left.
    pub fn whole(&self) -> u64 {
        self.roots()
            .filter_map(|root| crate::authority::DEBUG.inspect(TABLE, root.slot()).ok())
            .map(|info| info.bytes)
            .sum()
    }
}

/// A free slot, or the kernel's word for a full table.
pub fn slot() -> Result<u32, SyscallError> {
    rt::alloc_slot().map_err(|_| rt::ErrorCode::SlotOutOfRange.into())
}
