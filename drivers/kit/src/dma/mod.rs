//! Memory that a device reaches: frames that are mapped here and attached to the driver's [`Space`].
//!
//! The other end may change such memory at any time, so it is never borrowed: it is copied in and out. A Frame of several
//! pages is contiguous for the device as well.
//!
//! Between the driver and a device stand caches, which not every bus master sees (the tree says `dma-coherent` of those
//! that do). So a part of the memory belongs to one side at a time. A [`Piece`] is the driver's: it reads and writes it.
//! [`Piece::lend`] hands it over to the device and returns where the device finds it; [`Lent::reclaim`] takes it back. In
//! between the caches are cleaned and invalidated if the space needs it, and nothing is done if it does not. Lists that
//! driver and device both use all the time (rings, descriptors) lie in [`Memory::consistent`], which belongs to both.
//!
//! On the host every device is one that does not see the caches: [`fake`] keeps two copies, and the test of a driver that
//! forgets to hand over ends with a message that says so.
//!
//! ```
//! # extern crate alloc;
//! # use tutti_kit as kit;
//! use alloc::rc::Rc;
//! use kit::dma::{Direction, Memory, Piece, fake};
//!
//! # fn main() -> Result<(), kit::Error> {
//! let memory = Rc::new(Memory::new(fake::space(), 1)?);
//! let request = Piece::new(&memory, 0, 8).unwrap();
//! request.write(0, b"question").unwrap();
//! let request = request.lend(Direction::ToDevice);
//! let answer = Piece::new(&memory, 512, 6).unwrap().lend(Direction::FromDevice);
//!
//! // What the device does, when the driver has told it where.
//! let mut seen = [0; 8];
//! fake::device_read(request.bus(), &mut seen);
//! fake::device_write(answer.bus(), b"answer");
//!
//! let mut text = [0; 6];
//! answer.reclaim().read(0, &mut text).unwrap();
//! request.reclaim();
//! assert_eq!((&seen, &text), (b"question", b"answer"));
//! # Ok(())
//! # }
//! ```

#[cfg(target_os = "none")]
mod bare;
#[cfg(target_os = "none")]
mod cache;
#[cfg(not(target_os = "none"))]
pub mod fake;
mod piece;
mod space;
#[cfg(feature = "virtio")]
mod table;

use abi::layout::PAGE;
use rt::{Cap, Frame, SharedBuffer};

#[cfg(target_os = "none")]
use bare::Backing;
#[cfg(not(target_os = "none"))]
use fake::Backing;
pub use piece::{Direction, Lent, Piece};
pub use space::{Coherence, Space};

use crate::error::{Cause, Error};

/// Most pages of one Frame: 16 MiB.
pub const MAX_PAGES: u64 = 4096;

/// Bytes of the longest cache line of the cores that Tutti runs on (Kryo's L2; most have 64). Caches are cleaned by the
/// line: what the driver writes while the device has its neighbour lies in another line.
pub const LINE: usize = 128;

/// A Frame that this process and its device both reach. Dropping it takes it away from both.
#[derive(Debug)]
pub struct Memory {
    backing: Backing,
    bus: u64,
}

impl Memory {
    /// Zeroed memory of this process's own, for data that goes back and forth in [`Piece`]s.
    ///
    /// # Errors
    /// No memory or no slot left; more than [`MAX_PAGES`].
    pub fn new(space: Space, pages: u64) -> Result<Self, Error> {
        Self::reach("DMA buffer", pages, || Backing::own(space, pages))
    }

    /// Zeroed memory of this process's own that driver and device see alike at any time: rings and descriptors. Where
    /// the device does not see the caches it is not cached, and slow.
    ///
    /// # Errors
    /// No memory or no slot left; more than [`MAX_PAGES`].
    pub fn consistent(space: Space, pages: u64) -> Result<Self, Error> {
        Self::reach("consistent DMA memory", pages, || Backing::consistent(space, pages))
    }

    /// Memory that a client handed over and claims to have `pages` pages. The client can write it at any time. The
    /// capability is deleted with the memory, or when this fails.
    ///
    /// # Errors
    /// The Frame is smaller, lacks a right (read, write, DMA), or is out of limits.
    pub fn attach(space: Space, frame: Cap<Frame>, pages: u64) -> Result<Self, Error> {
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
        if note(&backing, (pages * PAGE) as usize, bus) {
            return Ok(Self { backing, bus });
        }
        backing.release();
        Err(Error::new(what, Cause::Limit))
    }

    /// All of the memory, as seen from here. What lies in a [`Piece`] is reached through it: a piece that the device has
    /// is not touched.
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
        #[cfg(feature = "virtio")]
        table::remove(self.buffer().as_ptr().addr());
        self.backing.release();
    }
}

/// Notes where memory is, for those who have only its address. `false`: there is too much of it.
#[cfg_attr(not(feature = "virtio"), expect(unused_variables, reason = "who has only addresses is virtio"))]
fn note(backing: &Backing, bytes: usize, bus: u64) -> bool {
    #[cfg(feature = "virtio")]
    return table::insert(backing.buffer().as_ptr().addr(), bytes, bus);
    #[cfg(not(feature = "virtio"))]
    true
}

/// Where the device sees this range of the process, if it lies in attached memory.
#[cfg(feature = "virtio")]
pub(crate) fn bus_address(address: usize, bytes: usize) -> Option<u64> {
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

/// What is read of memory after is no older than what was read of it before: between the mark by which a device says that it
/// has written, and what it wrote.
#[inline(always)]
pub fn observe() {
    #[cfg(target_os = "none")]
    // SAFETY: a barrier.
    unsafe {
        core::arch::asm!("dmb oshld", options(nostack, preserves_flags))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "virtio")]
    #[test]
    fn bus_addresses_follow_the_memory() {
        let memory = Memory::new(fake::space(), 2).unwrap();
        let start = memory.buffer().as_ptr().addr();
        assert_eq!(bus_address(start + 5000, 3192), Some(memory.bus() + 5000));
        assert_eq!(bus_address(start + 5000, 3193), None);
        assert_eq!(bus_address(start.wrapping_sub(1), 4), None);
        drop(memory);
        assert_eq!(bus_address(start, 4), None);
    }

    #[test]
    fn ranges_are_checked() {
        let memory = Memory::new(fake::space(), 1).unwrap();
        assert!(memory.contains(4090, 6) && memory.contains(0, 4096));
        assert!(!memory.contains(4090, 7) && !memory.contains(0, 0) && !memory.contains(usize::MAX, 2));
    }

    #[test]
    fn a_client_cannot_claim_more_than_it_has() {
        let theirs = SharedBuffer::fake(2 * PAGE as usize);
        let frame = theirs.frame();
        assert!(Memory::attach(fake::space(), frame, 3).is_err());
        assert!(Memory::attach(fake::space(), frame, 0).is_err());
        assert!(Memory::attach(fake::space(), frame, u64::MAX).is_err());
        let mine = Memory::attach(fake::space(), frame, 2).unwrap();
        theirs.store_u32(8, 5).unwrap();
        assert_eq!(mine.buffer().load_u32(8), Ok(5));
        assert!(mine.is_present());
        rt::fake_frames::revoke(frame);
        assert!(!mine.is_present());
    }
}
