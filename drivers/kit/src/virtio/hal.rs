//! What `virtio-drivers` asks of its surroundings: DMA memory, and bus addresses of buffers.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};

use abi::layout::PAGE;
use rt::Cap;
use rt::DmaSpace;
use spin::Mutex;
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

use crate::dma::{self, Memory};

/// The [`Hal`] of a process with one DmaSpace. Queues are cut from the process's memory. A buffer in attached memory is
/// used where it lies; one from elsewhere (a stack) is bounced.
#[derive(Debug)]
pub struct DmaHal;

/// The slot of the DmaSpace: `Hal` has no `self`.
static SPACE: AtomicU32 = AtomicU32::new(abi::SLOT_NULL);

/// Memory that `virtio-drivers` holds: queues and bounced buffers of the one device.
static HELD: Mutex<[Option<Memory>; HELD_LIMIT]> = Mutex::new([const { None }; HELD_LIMIT]);
const HELD_LIMIT: usize = if cfg!(target_os = "none") { 16 } else { 256 };

pub(super) fn set_space(space: Cap<DmaSpace>) {
    SPACE.store(space.slot(), Ordering::Relaxed);
}

fn hold(pages: usize) -> Option<(PhysAddr, NonNull<u8>)> {
    let memory = Memory::new(Cap::from_slot(SPACE.load(Ordering::Relaxed)), pages as u64).ok()?;
    let place = (memory.bus(), NonNull::new(memory.buffer().as_ptr())?);
    let mut held = HELD.lock();
    *held.iter_mut().find(|entry| entry.is_none())? = Some(memory);
    Some(place)
}

fn release(bus: PhysAddr) -> Option<Memory> {
    let mut held = HELD.lock();
    let entry = held.iter_mut().find(|entry| entry.as_ref().is_some_and(|held| held.bus() == bus))?;
    entry.take()
}

fn address(buffer: NonNull<[u8]>) -> usize {
    buffer.as_ptr().cast::<u8>().addr()
}

// SAFETY: `dma_alloc` hands out zeroed, page-aligned frames that are mapped nowhere else and referenced by nothing until
// `dma_dealloc`.
unsafe impl Hal for DmaHal {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        // Bus address 0 is how the crate is told that there is no memory.
        hold(pages).unwrap_or((0, NonNull::dangling()))
    }

    unsafe fn dma_dealloc(bus: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        if release(bus).is_some() { 0 } else { -1 }
    }

    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        panic!("BARs of PCI devices are not mapped here")
    }

    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> PhysAddr {
        if let Some(bus) = dma::bus_address(address(buffer), buffer.len()) {
            return bus;
        }
        let Some((bus, bounce)) = hold(buffer.len().div_ceil(PAGE as usize)) else {
            panic!("no memory to bounce a buffer of {} bytes", buffer.len())
        };
        if direction != BufferDirection::DeviceToDriver {
            // SAFETY: the caller promises a valid buffer; the bounce memory is at least as long and apart from it.
            unsafe { bounce.as_ptr().copy_from_nonoverlapping(buffer.as_ptr().cast(), buffer.len()) };
        }
        bus
    }

    unsafe fn unshare(bus: PhysAddr, buffer: NonNull<[u8]>, direction: BufferDirection) {
        if dma::bus_address(address(buffer), buffer.len()) == Some(bus) {
            return;
        }
        let Some(bounce) = release(bus) else { return };
        if direction != BufferDirection::DriverToDevice {
            // SAFETY: the caller promises that this is the buffer `share` was given: valid, and no longer than the
            // bounce memory made for it.
            unsafe {
                buffer.as_ptr().cast::<u8>().copy_from_nonoverlapping(bounce.buffer().as_ptr(), buffer.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attached_memory_is_used_where_it_lies() {
        let memory = Memory::new(Cap::from_slot(0), 1).unwrap();
        let start = NonNull::new(memory.buffer().as_ptr().wrapping_add(100)).unwrap();
        let buffer = NonNull::slice_from_raw_parts(start, 50);
        // SAFETY: the buffer lies in `memory`.
        let bus = unsafe { DmaHal::share(buffer, BufferDirection::DeviceToDriver) };
        assert_eq!(bus, memory.bus() + 100);
        // SAFETY: as above, with what `share` returned.
        unsafe { DmaHal::unshare(bus, buffer, BufferDirection::DeviceToDriver) };
    }

    #[test]
    fn other_buffers_are_bounced() {
        let mut out = *b"ping";
        let buffer = NonNull::from(&mut out[..]);
        // SAFETY: the buffer lives until `unshare`.
        let bus = unsafe { DmaHal::share(buffer, BufferDirection::DriverToDevice) };
        assert_ne!(bus, buffer.as_ptr().cast::<u8>().addr() as u64);
        // SAFETY: on the host a bus address is an address.
        assert_eq!(unsafe { *(bus as *const [u8; 4]) }, *b"ping");
        // SAFETY: the same buffer.
        unsafe { DmaHal::unshare(bus, buffer, BufferDirection::DriverToDevice) };

        // SAFETY: as above.
        let bus = unsafe { DmaHal::share(buffer, BufferDirection::DeviceToDriver) };
        // SAFETY: as above; the device answers.
        unsafe { *(bus as *mut [u8; 4]) = *b"pong" };
        // SAFETY: as above.
        unsafe { DmaHal::unshare(bus, buffer, BufferDirection::DeviceToDriver) };
        assert_eq!(&out, b"pong");
        assert!(release(bus).is_none());
    }
}
