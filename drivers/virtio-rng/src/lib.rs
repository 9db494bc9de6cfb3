//! virtio entropy devices (virtio 1.2, 5.4): an empty buffer goes in, and comes back with random bytes.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::rc::Rc;

use kit::class::entropy::{BLOCK, Generator};
use kit::dma::{Memory, Piece, Space};
use kit::virtio::{self, DeviceType, Queue, Transport};

pub use kit::virtio::Failure;

/// Descriptors of the queue: one buffer is under way.
const DESCRIPTORS: usize = 1;

/// An entropy device behind a virtio transport.
#[derive(Debug)]
pub struct VirtioRng<T> {
    transport: T,
    queue: Queue<DESCRIPTORS>,
    /// The buffer.
    block: Piece,
    under_way: bool,
    failed: bool,
}

impl<T: Transport> VirtioRng<T> {
    /// Resets the device and sets it up.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn new(mut transport: T, space: Space) -> Result<Self, Failure> {
        virtio::begin(&mut transport, DeviceType::EntropySource, 0)?;
        let queue = Queue::new(&mut transport, 0)?;
        let memory = Rc::new(Memory::new(space, 1)?);
        let block = Piece::new(&memory, 0, BLOCK).ok_or(Failure::Config)?;
        transport.finish_init();
        Ok(Self { transport, queue, block, under_way: false, failed: false })
    }

    fn fail(&mut self, why: &str) {
        log::error!("{why}; the device was reset and is not used any more");
        self.failed = true;
        self.queue.abandon(&mut self.transport).for_each(drop);
    }
}

impl<T: Transport> Generator for VirtioRng<T> {
    fn request(&mut self) {
        if self.under_way || self.failed {
            return;
        }
        // The queue has room for it: it is the only one.
        self.under_way = self.queue.submit([None, None], [Some(self.block.clone()), None], 0).is_ok();
        self.queue.notify(&mut self.transport);
    }

    fn acknowledge(&mut self) {
        self.transport.ack_interrupt();
    }

    fn take(&mut self, block: &mut [u8; BLOCK]) -> Option<usize> {
        if self.failed {
            return None;
        }
        match self.queue.pop() {
            Ok(None) => return None,
            // virtio 1.2, 5.4.6.2: it must have written at least one.
            Ok(Some(done)) if done.written == 0 => self.fail("the device brought nothing"),
            Err(_) => self.fail("the device claims to have done what was never asked"),
            Ok(Some(done)) => {
                self.under_way = false;
                let filled = block.get_mut(..done.written)?;
                self.block.read(0, filled).ok()?;
                self.block.write(0, &[0; BLOCK]).ok()?;
                return Some(done.written);
            }
        }
        None
    }

    fn has_failed(&self) -> bool {
        self.failed
    }
}

#[cfg(test)]
mod tests;
