//! Frames of the kernel.

use core::sync::atomic::{AtomicU32, Ordering};

use abi::layout::{MemoryType, PAGE};
use rt::{Badge, Cap, DmaSpace, ErrorCode, Frame, Kind, MEMORY, Perms, Retype, Rights, SPACE, SharedBuffer, TABLE};

use super::{Coherence, Direction, Space, cache};
use crate::error::Cause;

/// Memory of clients is mapped in ranges of this size, which are used again: no client can use up the addresses or the
/// page tables of a driver by attaching often.
const RANGE: u64 = 32 * 1024 * 1024;
const FIRST_RANGE: u64 = 0x8000_0000;
static RANGES: AtomicU32 = AtomicU32::new(0);

/// A mapped and attached Frame.
#[derive(Debug)]
pub(super) struct Backing {
    buffer: SharedBuffer,
    /// `None`: no device reaches it.
    space: Option<Cap<DmaSpace>>,
    /// The copy of the capability through which the device reaches the memory.
    attached: Option<Cap<Frame>>,
    /// Where memory of a client is mapped.
    range: Option<u32>,
    /// The device does not see the caches, and they may have of this memory.
    maintained: bool,
}

impl Backing {
    pub(super) fn own(space: Space, pages: u64) -> Result<(Self, u64), Cause> {
        Self::of_own(space, pages, rt::new_frame(pages)?, space.coherence() == Coherence::NotCoherent)
    }

    pub(super) fn consistent(space: Space, pages: u64) -> Result<(Self, u64), Cause> {
        let frame = match space.coherence() {
            Coherence::Coherent => rt::new_frame(pages)?,
            Coherence::NotCoherent => uncached_frame(pages)?,
        };
        Self::of_own(space, pages, frame, false)
    }

    fn of_own(space: Space, pages: u64, frame: Cap<Frame>, maintained: bool) -> Result<(Self, u64), Cause> {
        let buffer = SharedBuffer::map(frame, pages).inspect_err(|_| ipc::discard(frame))?;
        Self { buffer, space: space.cap(), attached: None, range: None, maintained }.attach(pages)
    }

    /// The caller deletes the capability when this fails.
    pub(super) fn of_client(space: Space, frame: Cap<Frame>, pages: u64) -> Result<(Self, u64), Cause> {
        let range = take_range().ok_or(Cause::Limit)?;
        let address = FIRST_RANGE + u64::from(range) * RANGE;
        let buffer = SharedBuffer::map_at(frame, address, pages).inspect_err(|_| free_range(range))?;
        let maintained = space.coherence() == Coherence::NotCoherent;
        Self { buffer, space: space.cap(), attached: None, range: Some(range), maintained }.attach(pages)
    }

    /// The device finds it where the driver has it, if there is an IOMMU.
    fn attach(mut self, pages: u64) -> Result<(Self, u64), Cause> {
        let Some(space) = self.space else { return Ok((self, 0)) };
        let address = self.buffer.as_ptr().addr() as u64;
        let copy = copy(self.buffer.frame());
        let attached = copy.and_then(|copy| {
            self.attached = Some(copy);
            Ok(space.attach(copy, address, pages, Perms::READ | Perms::WRITE)?)
        });
        match attached {
            Ok(bus) => Ok((self, bus)),
            Err(cause) => {
                self.release();
                Err(cause)
            }
        }
    }

    /// What the device reads is in memory, and no line that is written back later covers what it writes.
    #[inline(always)]
    pub(super) fn lend(&self, offset: usize, bytes: usize, direction: Direction) {
        if self.maintained && self.may_be_touched() {
            let start = self.buffer.as_ptr().addr() + offset;
            match direction {
                Direction::ToDevice => cache::clean(start, bytes),
                Direction::FromDevice | Direction::Both => cache::clean_invalidate(start, bytes),
            }
        }
    }

    /// No line has what was there before the device wrote. All of them are clean: nobody wrote meanwhile.
    #[inline(always)]
    pub(super) fn reclaim(&self, offset: usize, bytes: usize, direction: Direction) {
        if self.maintained && direction.is_written() && self.may_be_touched() {
            cache::clean_invalidate(self.buffer.as_ptr().addr() + offset, bytes);
        }
    }

    /// The process's own memory stays.
    fn may_be_touched(&self) -> bool {
        self.range.is_none() || self.is_present()
    }

    pub(super) fn buffer(&self) -> &SharedBuffer {
        &self.buffer
    }

    /// Mapping a capability again is refused and changes nothing: with `AlreadyMapped` only while it is mapped.
    pub(super) fn is_present(&self) -> bool {
        let address = self.buffer.as_ptr().addr() as u64;
        let again = SPACE.map(self.buffer.frame(), address, 0, 1, Perms::READ | Perms::WRITE);
        again.is_err_and(|error| error.code == ErrorCode::AlreadyMapped)
    }

    /// Takes the Frame from the device, unmaps it and deletes the capability; what fails is gone already.
    pub(super) fn release(&mut self) {
        let frame = self.buffer.frame();
        if let Some(copy) = self.attached.take() {
            // A client may be taking its memory away just now: what is gone already is the space's drain.
            if self.space.is_none_or(|space| space.detach(copy).is_err()) || self.range.is_some() {
                self.clear();
            }
            ipc::discard(copy);
        }
        let _ = SPACE.unmap(frame);
        ipc::discard(frame);
        if let Some(range) = self.range.take() {
            free_range(range);
        }
    }
}

impl Backing {
    /// What its client took away, all of it or a part: the device is through with it, so that nothing has to be there any more.
    fn clear(&self) {
        let Some(space) = self.space else { return };
        let (mut address, mut left) = (self.buffer.as_ptr().addr() as u64, self.buffer.pages());
        while left > 0 {
            let Ok(done @ 1..) = space.clear(address, left) else { return };
            (address, left) = (address + done * PAGE, left.saturating_sub(done));
        }
    }
}

/// A capability that is attached cannot be mapped.
fn copy(frame: Cap<Frame>) -> Result<Cap<Frame>, Cause> {
    let slot = rt::alloc_slot()?;
    let rights = Rights::READ | Rights::WRITE | Rights::DMA;
    TABLE.copy(slot, TABLE, frame.slot(), rights, Badge(0)).inspect_err(|_| rt::free_slot(slot))?;
    Ok(Cap::from_slot(slot))
}

/// A Frame that no cache keeps.
fn uncached_frame(pages: u64) -> Result<Cap<Frame>, Cause> {
    let slot = rt::alloc_slot()?;
    let what = Retype { size: pages, memory: Some(MemoryType::NonCacheable), ..Retype::default() };
    MEMORY.retype(Kind::Frame, what, TABLE, slot).inspect_err(|_| rt::free_slot(slot))?;
    Ok(Cap::from_slot(slot))
}

fn take_range() -> Option<u32> {
    let free = (!RANGES.load(Ordering::Relaxed)).trailing_zeros();
    (free < u32::BITS).then(|| {
        RANGES.fetch_or(1 << free, Ordering::Relaxed);
        free
    })
}

fn free_range(range: u32) {
    RANGES.fetch_and(!(1 << range), Ordering::Relaxed);
}
