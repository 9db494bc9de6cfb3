//! Frames on the host: heap memory behind made-up slot numbers. A device sees it at its address.

use alloc::sync::Arc;
use core::cell::{Cell, RefCell};
use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::HashMap;

use abi::layout::PAGE;
use rt::{Cap, DmaSpace, ErrorCode, Frame, SharedBuffer, SyscallError};

use crate::error::Cause;

#[derive(Debug)]
struct Pages {
    buffer: SharedBuffer,
    revoked: AtomicBool,
}

// SAFETY: the buffer is reached with volatile accesses only, and a test keeps its frames to one thread; the statics of
// the virtio module merely have room for memory of any thread.
unsafe impl Sync for Pages {}

std::thread_local! {
    static FRAMES: RefCell<HashMap<u32, Arc<Pages>>> = RefCell::default();
    static NEXT: Cell<u32> = const { Cell::new(1000) };
}

fn pages(count: u64) -> Arc<Pages> {
    Arc::new(Pages { buffer: SharedBuffer::fake((count * PAGE) as usize), revoked: AtomicBool::new(false) })
}

/// A new Frame of at least one page.
pub fn frame(count: u64) -> Cap<Frame> {
    let slot = NEXT.replace(NEXT.get() + 1);
    FRAMES.with_borrow_mut(|frames| frames.insert(slot, pages(count.max(1))));
    Cap::from_slot(slot)
}

/// The client's own look at a Frame.
#[derive(Debug)]
pub struct View(Arc<Pages>);

impl core::ops::Deref for View {
    type Target = SharedBuffer;

    fn deref(&self) -> &SharedBuffer {
        &self.0.buffer
    }
}

/// The client's own look at a Frame.
///
/// # Panics
/// There is no such Frame.
pub fn view(frame: Cap<Frame>) -> View {
    View(FRAMES.with_borrow(|frames| frames[&frame.slot()].clone()))
}

/// The client takes its Frame away.
pub fn revoke(frame: Cap<Frame>) {
    if let Some(pages) = FRAMES.with_borrow_mut(|frames| frames.remove(&frame.slot())) {
        pages.revoked.store(true, Ordering::Relaxed);
    }
}

/// A Frame in use.
#[derive(Debug)]
pub(super) struct Backing(Arc<Pages>);

impl Backing {
    pub(super) fn own(_: Cap<DmaSpace>, count: u64) -> Result<(Self, u64), Cause> {
        Ok(Self(pages(count)).attached())
    }

    pub(super) fn of_client(_: Cap<DmaSpace>, frame: Cap<Frame>, count: u64) -> Result<(Self, u64), Cause> {
        let found = FRAMES.with_borrow(|frames| frames.get(&frame.slot()).cloned());
        let found = found.ok_or(Cause::Kernel(SyscallError::new(ErrorCode::EmptySlot, 1)))?;
        if count > found.buffer.pages() {
            return Err(Cause::Kernel(SyscallError::new(ErrorCode::InvalidArgument, 4)));
        }
        Ok(Self(found).attached())
    }

    fn attached(self) -> (Self, u64) {
        let bus = self.0.buffer.as_ptr().addr() as u64;
        (self, bus)
    }

    pub(super) fn buffer(&self) -> &SharedBuffer {
        &self.0.buffer
    }

    pub(super) fn is_present(&self) -> bool {
        !self.0.revoked.load(Ordering::Relaxed)
    }

    pub(super) fn release(&mut self) {}
}
