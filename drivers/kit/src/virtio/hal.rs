//! What `virtio-drivers` asks of its surroundings: DMA memory, and bus addresses of buffers.

use alloc::rc::Rc;
use core::ptr::NonNull;

use abi::layout::PAGE;
use spin::Mutex;
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

use crate::dma::{self, Coherence, Direction, Lent, Memory, Piece, Space};

/// The [`Hal`] of a process with one DmaSpace. Queues are consistent memory of the process. A buffer in attached memory is
/// used where it lies, and whoever names it has handed it over; one from elsewhere (a stack) is bounced.
#[derive(Debug)]
pub struct DmaHal;

/// The space of the one device: `Hal` has no `self`.
static SPACE: Mutex<Option<Space>> = Mutex::new(None);

/// Memory that `virtio-drivers` holds: queues and bounced buffers of the one device.
static HELD: Mutex<[Option<Held>; HELD_LIMIT]> = Mutex::new([const { None }; HELD_LIMIT]);
const HELD_LIMIT: usize = if cfg!(target_os = "none") { 16 } else { 256 };

enum Held {
    Queue(Memory),
    Bounced(Lent),
}

// SAFETY: what is held is made, kept and given back under the lock, and the `Rc` of a piece has one owner, which is here.
unsafe impl Send for Held {}

impl Held {
    fn bus(&self) -> u64 {
        match self {
            Self::Queue(memory) => memory.bus(),
            Self::Bounced(lent) => lent.bus(),
        }
    }
}

pub(super) fn set_space(space: Space) {
    *SPACE.lock() = Some(space);
}

fn space() -> Option<Space> {
    #[cfg(not(target_os = "none"))]
    return Some(dma::fake::space());
    #[cfg(target_os = "none")]
    *SPACE.lock()
}

/// Whether what is handed over to the device is to be cleaned and invalidated.
pub(super) fn is_maintained() -> bool {
    space().is_none_or(|space| space.coherence() == Coherence::NotCoherent)
}

fn hold(what: Held) -> Option<()> {
    let mut held = HELD.lock();
    *held.iter_mut().find(|entry| entry.is_none())? = Some(what);
    Some(())
}

fn release(bus: PhysAddr) -> Option<Held> {
    let mut held = HELD.lock();
    let entry = held.iter_mut().find(|entry| entry.as_ref().is_some_and(|held| held.bus() == bus))?;
    entry.take()
}

/// New memory for a queue.
fn queue(pages: usize) -> Option<(PhysAddr, NonNull<u8>)> {
    let memory = Memory::consistent(space()?, pages as u64).ok()?;
    let place = (memory.bus(), NonNull::new(memory.buffer().as_ptr())?);
    hold(Held::Queue(memory)).map(|()| place)
}

/// New memory that the device reaches in place of a buffer; `content` is what it reads.
fn bounce(bytes: usize, content: Option<&[u8]>, direction: Direction) -> Option<PhysAddr> {
    let memory = Memory::new(space()?, bytes.div_ceil(PAGE as usize) as u64).ok()?;
    let piece = Piece::new(&Rc::new(memory), 0, bytes)?;
    content.map_or(Ok(()), |content| piece.write(0, content)).ok()?;
    let lent = piece.lend(direction);
    let bus = lent.bus();
    hold(Held::Bounced(lent)).map(|()| bus)
}

fn address(buffer: NonNull<[u8]>) -> usize {
    buffer.as_ptr().cast::<u8>().addr()
}

const fn direction(of: BufferDirection) -> Direction {
    match of {
        BufferDirection::DriverToDevice => Direction::ToDevice,
        BufferDirection::DeviceToDriver => Direction::FromDevice,
        BufferDirection::Both => Direction::Both,
    }
}

// SAFETY: `dma_alloc` hands out zeroed, page-aligned frames that are mapped nowhere else and referenced by nothing until
// `dma_dealloc`.
unsafe impl Hal for DmaHal {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        // Bus address 0 is how the crate is told that there is no memory.
        queue(pages).unwrap_or((0, NonNull::dangling()))
    }

    unsafe fn dma_dealloc(bus: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        if release(bus).is_some() { 0 } else { -1 }
    }

    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        panic!("the PCI transport of virtio-drivers is not used")
    }

    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> PhysAddr {
        if let Some(bus) = dma::bus_address(address(buffer), buffer.len()) {
            return bus;
        }
        let content = match direction {
            BufferDirection::DeviceToDriver => None,
            // SAFETY: the caller promises a valid buffer that nobody writes meanwhile.
            _ => Some(unsafe { buffer.as_ref() }),
        };
        let Some(bus) = bounce(buffer.len(), content, self::direction(direction)) else {
            panic!("no memory to bounce a buffer of {} bytes", buffer.len())
        };
        bus
    }

    unsafe fn unshare(bus: PhysAddr, buffer: NonNull<[u8]>, direction: BufferDirection) {
        if dma::bus_address(address(buffer), buffer.len()) == Some(bus) {
            return;
        }
        let Some(Held::Bounced(lent)) = release(bus) else { return };
        let piece = lent.reclaim();
        if direction != BufferDirection::DriverToDevice {
            let mut buffer = buffer;
            // SAFETY: the caller promises that this is the buffer `share` was given: valid, and nobody uses it meanwhile.
            let _ = piece.read(0, unsafe { buffer.as_mut() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attached_memory_is_used_where_it_lies() {
        let memory = Memory::new(dma::fake::space(), 1).unwrap();
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
        let mut seen = [0; 4];
        dma::fake::device_read(bus, &mut seen);
        assert_eq!(&seen, b"ping");
        // SAFETY: the same buffer.
        unsafe { DmaHal::unshare(bus, buffer, BufferDirection::DriverToDevice) };

        // SAFETY: as above.
        let bus = unsafe { DmaHal::share(buffer, BufferDirection::DeviceToDriver) };
        dma::fake::device_write(bus, b"pong");
        // SAFETY: as above.
        unsafe { DmaHal::unshare(bus, buffer, BufferDirection::DeviceToDriver) };
        assert_eq!(&out, b"pong");
        assert!(release(bus).is_none());
    }
}
