//! Memory that a device reaches: frames that are mapped here and attached to the driver's DmaSpace.
//!
//! The other end may change such memory at any time, so it is never borrowed: [`Memory::buffer`] copies in and out. A
//! Frame of several pages is contiguous for the device as well.
//!
//! Frames are cacheable, which fits bus masters that the tree calls `dma-coherent` (all of virtio).

#[cfg(target_os = "none")]
mod bare;
#[cfg(not(target_os = "none"))]
pub mod fake;
mod table;

use abi::layout::PAGE;
use rt::{Cap, DmaSpace, Frame, SharedBuffer};

#[cfg(target_os = "none")]
use bare::Backing;
#[cfg(not(target_os = "none"))]
use fake::Backing;

use crate::error::{Cause, Error};

/// Most pages of one Frame: 16 MiB.
pub const MAX_PAGES: u64 = 4096;

/// A Frame that this process and its device both reach. Dropping it takes it away from both.
#[derive(Debug)]
pub struct Memory {
    backing: Backing,
    bus: u64,
}

impl Memory {
    /// Zeroed memory of this process's own.
    ///
    /// # Errors
    /// No memory or no slot left; more than [`MAX_PAGES`].
    pub fn new(space: Cap<DmaSpace>, pages: u64) -> Result<Self, Error> {
        Self::reach("DMA buffer", pages, || Backing::own(space, pages))
    }

    /// Memory that a client handed over and claims to have `pages` pages. The client can write it at any time. The
    /// capability is deleted with the memory, or when this fails.
    ///
    /// # Errors
    /// The Frame is smaller, lacks a right (read, write, DMA), or is out of limits.
    pub fn attach(space: Cap<DmaSpace>, frame: Cap<Frame>, pages: u64) -> Result<Self, Error> {
        Self::reach("frame of the client", pages, || Backing::of_client(space, frame, pages))
            .inspect_err(|_| ipc::discard(frame))
    }

    fn reach(
        what: &'static str,
        pages: u64,
        make: impl FnOnce() -> Result<(Backing, u64), Cause>,
    ) -> Result<Self, Error> {
        if pages == 0 || pages > MAX_PAGES {
            return Err(Error::new(what, Cause::Limit));
        }
        let (mut backing, bus) = make().map_err(|cause| Error::new(what, cause))?;
        if table::insert(backing.buffer().as_ptr().addr(), (pages * PAGE) as usize, bus) {
            return Ok(Self { backing, bus });
        }
        backing.release();
        Err(Error::new(what, Cause::Limit))
    }

    /// The memory, as seen from here.
    pub fn buffer(&self) -> &SharedBuffer {
        self.backing.buffer()
    }

    /// Bytes.
    pub fn bytes(&self) -> usize {
        self.buffer().len()
    }

    /// Where the device sees the first byte.
    pub const fn bus(&self) -> u64 {
        self.bus
    }

    /// Whether the range lies inside and is not empty.
    pub fn contains(&self, offset: usize, bytes: usize) -> bool {
        bytes != 0 && offset.checked_add(bytes).is_some_and(|end| end <= self.bytes())
    }

    /// Whether the memory is still there. What a client handed over vanishes when the client does: ask before touching
    /// it, in a driver that runs at a higher priority than its clients. Costs a system call.
    pub fn is_present(&self) -> bool {
        self.backing.is_present()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        table::remove(self.buffer().as_ptr().addr());
        self.backing.release();
    }
}

/// Where the device sees this range of the process, if it lies in attached memory.
pub fn bus_address(address: usize, bytes: usize) -> Option<u64> {
    table::find(address, bytes)
}

/// What was written to memory before is seen by the device before what is written to its registers after.
#[inline(always)]
pub fn publish() {
    #[cfg(target_os = "none")]
    // SAFETY: a barrier.
    unsafe {
        core::arch::asm!("dmb oshst", options(nostack, preserves_flags))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: Cap<DmaSpace> = Cap::from_slot(20);

    #[test]
    fn bus_addresses_follow_the_memory() {
        let memory = Memory::new(SPACE, 2).unwrap();
        let start = memory.buffer().as_ptr().addr();
        assert_eq!(bus_address(start + 5000, 3192), Some(memory.bus() + 5000));
        assert_eq!(bus_address(start + 5000, 3193), None);
        assert_eq!(bus_address(start.wrapping_sub(1), 4), None);
        drop(memory);
        assert_eq!(bus_address(start, 4), None);
    }

    #[test]
    fn ranges_are_checked() {
        let memory = Memory::new(SPACE, 1).unwrap();
        assert!(memory.contains(4090, 6) && memory.contains(0, 4096));
        assert!(!memory.contains(4090, 7) && !memory.contains(0, 0) && !memory.contains(usize::MAX, 2));
    }

    #[test]
    fn a_client_cannot_claim_more_than_it_has() {
        let frame = fake::frame(2);
        assert!(Memory::attach(SPACE, frame, 3).is_err());
        assert!(Memory::attach(SPACE, frame, 0).is_err());
        assert!(Memory::attach(SPACE, frame, u64::MAX).is_err());
        let mine = Memory::attach(SPACE, frame, 2).unwrap();
        fake::view(frame).store_u32(8, 5).unwrap();
        assert_eq!(mine.buffer().load_u32(8), Ok(5));
        assert!(mine.is_present());
        fake::revoke(frame);
        assert!(!mine.is_present());
    }
}
