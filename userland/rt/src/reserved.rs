//! Memory of the own process that is there when it is touched, and that can be given back page by page.

use abi::{Kind, SyscallError, layout::PAGE};

use crate::cap::{Cap, MEMORY, Reserve, Retype, SPACE, TABLE, Untyped};
use crate::slots::{alloc_slot, free_slot};
use crate::vm::{self, VmError};

/// A range of addresses with memory of its own, which may be less than the range is long. When more pages are touched than
/// there are, the process faults.
#[derive(Debug)]
pub struct Reserved {
    cap: Cap<Reserve>,
    address: u64,
    pages: u64,
}

impl Reserved {
    /// `pages` pages of addresses and `memory` pages of memory out of the process's own.
    ///
    /// # Errors
    /// [`VmError`].
    pub fn new(memory: u64, pages: u64) -> Result<Self, VmError> {
        let slot = alloc_slot()?;
        if let Err(error) = MEMORY.retype(Kind::Untyped, Retype { size: memory, ..Retype::default() }, TABLE, slot) {
            free_slot(slot);
            return Err(error.into());
        }
        let untyped = Cap::<Untyped>::from_slot(slot);
        let address = vm::addresses(pages);
        match SPACE.reserve(untyped, address, pages) {
            Ok((cap, _)) => Ok(Self { cap, address, pages }),
            Err(error) => {
                vm::discard(untyped);
                Err(error.into())
            }
        }
    }

    /// The capability.
    pub const fn cap(&self) -> Cap<Reserve> {
        self.cap
    }

    /// First address.
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// Reads the word at a multiple of 8 bytes; `None` outside the range.
    #[inline]
    pub fn read(&self, offset: u64) -> Option<u64> {
        let place = self.at(offset)?;
        // SAFETY: inside the range, which is this value's alone and stays its until `end`; aligned.
        Some(unsafe { place.read_volatile() })
    }

    /// Writes the word at a multiple of 8 bytes; `None` outside the range.
    #[inline]
    pub fn write(&self, offset: u64, value: u64) -> Option<()> {
        let place = self.at(offset)?;
        // SAFETY: as in `read`; no reference to it exists.
        unsafe { place.write_volatile(value) };
        Some(())
    }

    fn at(&self, offset: u64) -> Option<*mut u64> {
        let inside = offset.is_multiple_of(8) && offset < self.pages * PAGE;
        inside.then(|| (self.address + offset) as *mut u64)
    }

    /// Gives `pages` pages from page `first` on back: they read as zero again. Returns how many pages of memory are free.
    ///
    /// # Errors
    /// `InvalidArgument`: not in the range.
    pub fn release(&self, first: u64, pages: u64) -> Result<u64, SyscallError> {
        self.cap.release(self.address.saturating_add(first.saturating_mul(PAGE)), pages)
    }

    /// Ends it; its memory belongs to the process's Untyped again.
    pub fn end(self) {
        vm::discard(self.cap);
    }
}
