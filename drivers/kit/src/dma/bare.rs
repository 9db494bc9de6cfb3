//! Frames of the kernel.

use core::sync::atomic::{AtomicU32, Ordering};

use rt::{Cap, DmaSpace, ErrorCode, Frame, Perms, SPACE, SharedBuffer};

use crate::error::Cause;

/// Memory of clients is mapped in ranges of this size, which are used again: no client can use up the addresses or the
/// page tables of a driver by attaching often.
const RANGE: u64 = 32 * 1024 * 1024;
const FIRST_RANGE: u64 = 0x40_0000_0000;
static RANGES: AtomicU32 = AtomicU32::new(0);

/// A mapped and attached Frame.
#[derive(Debug)]
pub(super) struct Backing {
    space: Cap<DmaSpace>,
    buffer: SharedBuffer,
    range: Option<u32>,
}

impl Backing {
    pub(super) fn own(space: Cap<DmaSpace>, pages: u64) -> Result<(Self, u64), Cause> {
        let frame = rt::new_frame(pages)?;
        let buffer = SharedBuffer::map(frame, pages).inspect_err(|_| ipc::discard(frame))?;
        Self { space, buffer, range: None }.attached()
    }

    /// The caller deletes the capability when this fails.
    pub(super) fn of_client(space: Cap<DmaSpace>, frame: Cap<Frame>, pages: u64) -> Result<(Self, u64), Cause> {
        let range = take_range().ok_or(Cause::Limit)?;
        let address = FIRST_RANGE + u64::from(range) * RANGE;
        let buffer = SharedBuffer::map_at(frame, address, pages).inspect_err(|_| free_range(range))?;
        Self { space, buffer, range: Some(range) }.attached()
    }

    fn attached(mut self) -> Result<(Self, u64), Cause> {
        match self.space.attach(self.buffer.frame()) {
            Ok(bus) => Ok((self, bus)),
            Err(error) => {
                self.release();
                Err(error.into())
            }
        }
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
        let _ = self.space.detach(frame);
        let _ = SPACE.unmap(frame);
        ipc::discard(frame);
        if let Some(range) = self.range.take() {
            free_range(range);
        }
    }
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
