//! A virtio device on the host, at the other end of a real queue. It can also lie.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;

use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{Error, PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::dma::fake::{device_read, device_write};

const NEXT: u16 = 1;
const WRITE: u16 = 2;

#[derive(Debug, Default)]
struct State {
    kind: u32,
    offered: u64,
    accepted: u64,
    config: Vec<u8>,
    answer: Option<Answer>,
    /// Read again and again, it never stays the same.
    unsteady: bool,
    generation: u32,
    status: DeviceStatus,
    queues: [Ring; QUEUES],
    /// Bits of [`InterruptStatus`].
    interrupt: u32,
}

/// What the device makes of its configuration when the driver has written to it.
type Change = dyn FnMut(&mut [u8]);

struct Answer(Box<Change>);

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("answer")
    }
}

/// Most queues of a device.
const QUEUES: usize = 4;

#[derive(Clone, Copy, Debug, Default)]
struct Ring {
    size: u64,
    descriptors: PhysAddr,
    available: PhysAddr,
    used: PhysAddr,
    taken: u16,
    given: u16,
    notified: usize,
}

/// The device's side: what a test does. It looks at one queue, the first unless another was chosen with [`Self::queue`].
#[derive(Clone, Debug)]
pub struct Device(Rc<RefCell<State>>, usize);

/// The driver's side.
#[derive(Debug)]
pub struct FakeTransport(Rc<RefCell<State>>);

/// A descriptor as it lies in memory.
#[derive(Clone, Copy, FromBytes)]
#[repr(C)]
struct Descriptor {
    address: u64,
    len: u32,
    flags: u16,
    next: u16,
}

/// Reads a `T` as the device does.
fn load<T: FromBytes>(bus: u64) -> T {
    let mut bytes = vec![0; size_of::<T>()];
    device_read(bus, &mut bytes);
    T::read_from_bytes(&bytes).expect("as many bytes")
}

fn store<T: IntoBytes + Immutable>(bus: u64, value: T) {
    device_write(bus, value.as_bytes());
}

impl Device {
    /// A device of this kind (2: block) that offers features, and its driver's end.
    pub fn new(kind: u32, offered: u64, config: &[u8]) -> (Self, FakeTransport) {
        let state = State { kind, offered, config: config.to_vec(), ..State::default() };
        let state = Rc::new(RefCell::new(state));
        (Self(state.clone(), 0), FakeTransport(state))
    }

    /// The device at its queue number `index`, below 4.
    #[must_use]
    pub fn queue(&self, index: usize) -> Self {
        assert!(index < QUEUES, "a fake has {QUEUES} queues");
        Self(self.0.clone(), index)
    }

    /// Changes its configuration, and tells the driver.
    pub fn configure(&self, offset: usize, bytes: &[u8]) {
        let mut state = self.0.borrow_mut();
        state.config[offset..offset + bytes.len()].copy_from_slice(bytes);
        state.generation += 1;
        state.interrupt |= InterruptStatus::DEVICE_CONFIGURATION_INTERRUPT.bits();
    }

    /// From now on the driver may write to the configuration, and `answer` changes it after each time.
    pub fn answer_config(&self, answer: impl FnMut(&mut [u8]) + 'static) {
        self.0.borrow_mut().answer = Some(Answer(Box::new(answer)));
    }

    /// From now on the configuration changes whenever it is read.
    pub fn be_unsteady(&self) {
        self.0.borrow_mut().unsteady = true;
    }

    /// How often the driver notified the queue.
    pub fn notified(&self) -> usize {
        self.ring().notified
    }

    /// The features the driver took.
    pub fn accepted(&self) -> u64 {
        self.0.borrow().accepted
    }

    /// Whether the driver has reset the device.
    pub fn is_reset(&self) -> bool {
        self.0.borrow().status == DeviceStatus::empty()
    }

    /// Takes the next request without serving it: its first descriptor.
    pub fn take(&self) -> Option<u16> {
        let mut state = self.0.borrow_mut();
        let ring = &mut state.queues[self.1];
        if ring.available == 0 || ring.taken == load::<u16>(ring.available + 2) {
            return None;
        }
        let head = load(ring.available + 4 + 2 * (u64::from(ring.taken) % ring.size));
        ring.taken = ring.taken.wrapping_add(1);
        Some(head)
    }

    /// Says that the request headed by `id` is done, whether there is one or not.
    pub fn complete(&self, id: u32, written: u32) {
        let mut state = self.0.borrow_mut();
        let ring = &mut state.queues[self.1];
        if ring.size == 0 {
            // A device that was reset reaches no memory.
            return;
        }
        let place = ring.used + 4 + 8 * (u64::from(ring.given) % ring.size);
        store(place, id);
        store(place + 4, written);
        ring.given = ring.given.wrapping_add(1);
        store(ring.used + 2, ring.given);
        state.interrupt |= InterruptStatus::QUEUE_INTERRUPT.bits();
    }

    /// Serves the request headed by `head`: `with` sees what the driver wrote and fills what it wants to read; it returns
    /// the bytes it says it wrote.
    pub fn serve_one(&self, head: u16, with: impl FnOnce(&[u8], &mut [u8]) -> u32) {
        let chain = self.chain(head);
        if chain.iter().any(|piece| piece.address == 0) {
            // The driver has it back: the device has said before that it was done, which was a lie.
            return;
        }
        let bytes = |writable: bool| chain.iter().filter(move |piece| (piece.flags & WRITE != 0) == writable);
        let mut input = Vec::new();
        for piece in bytes(false) {
            let start = input.len();
            input.resize(start + piece.len as usize, 0);
            device_read(piece.address, &mut input[start..]);
        }
        let mut output = vec![0; bytes(true).map(|piece| piece.len as usize).sum()];
        let written = with(&input, &mut output);
        let mut rest = output.as_slice();
        for piece in bytes(true) {
            let (mine, others) = rest.split_at(piece.len as usize);
            device_write(piece.address, mine);
            rest = others;
        }
        self.complete(head.into(), written);
    }

    /// Serves everything that waits, in order.
    pub fn serve(&self, mut with: impl FnMut(&[u8], &mut [u8]) -> u32) {
        while let Some(head) = self.take() {
            self.serve_one(head, &mut with);
        }
    }

    fn ring(&self) -> Ring {
        self.0.borrow().queues[self.1]
    }

    fn chain(&self, head: u16) -> Vec<Descriptor> {
        let descriptors = self.ring().descriptors;
        let mut chain: Vec<Descriptor> = vec![load(descriptors + 16 * u64::from(head))];
        while let Some(last) = chain.last().filter(|last| last.flags & NEXT != 0) {
            chain.push(load(descriptors + 16 * u64::from(last.next)));
        }
        chain
    }
}

impl Transport for FakeTransport {
    fn device_type(&self) -> DeviceType {
        DeviceType::try_from(self.0.borrow().kind).unwrap_or(DeviceType::Block)
    }
    fn read_device_features(&mut self) -> u64 {
        self.0.borrow().offered
    }
    fn write_driver_features(&mut self, features: u64) {
        self.0.borrow_mut().accepted = features;
    }
    fn max_queue_size(&mut self, _: u16) -> u32 {
        256
    }
    fn notify(&mut self, queue: u16) {
        self.0.borrow_mut().queues[usize::from(queue)].notified += 1;
    }
    fn get_status(&self) -> DeviceStatus {
        self.0.borrow().status
    }
    fn set_status(&mut self, status: DeviceStatus) {
        let mut state = self.0.borrow_mut();
        state.status = status;
        if status.is_empty() {
            for ring in &mut state.queues {
                *ring = Ring { notified: ring.notified, ..Ring::default() };
            }
        }
    }
    fn set_guest_page_size(&mut self, _: u32) {}
    fn requires_legacy_layout(&self) -> bool {
        false
    }
    fn queue_set(&mut self, queue: u16, size: u32, descriptors: PhysAddr, available: PhysAddr, used: PhysAddr) {
        let ring = &mut self.0.borrow_mut().queues[usize::from(queue)];
        (ring.size, ring.descriptors, ring.available, ring.used) = (size.into(), descriptors, available, used);
    }
    fn queue_unset(&mut self, queue: u16) {
        self.0.borrow_mut().queues[usize::from(queue)].size = 0;
    }
    fn queue_used(&mut self, queue: u16) -> bool {
        self.0.borrow().queues[usize::from(queue)].size != 0
    }
    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::from_bits_truncate(core::mem::take(&mut self.0.borrow_mut().interrupt))
    }
    fn read_config_generation(&self) -> u32 {
        let mut state = self.0.borrow_mut();
        state.generation += u32::from(state.unsteady);
        state.generation
    }
    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        let state = self.0.borrow();
        let bytes = state.config.get(offset..).and_then(|rest| rest.get(..size_of::<T>()));
        bytes.and_then(|bytes| T::read_from_bytes(bytes).ok()).ok_or(Error::ConfigSpaceTooSmall)
    }
    fn write_config_space<T: IntoBytes + Immutable>(&mut self, offset: usize, value: T) -> Result<()> {
        let state = &mut *self.0.borrow_mut();
        let answer = state.answer.as_mut().ok_or(Error::Unsupported)?;
        let place = state.config.get_mut(offset..).and_then(|rest| rest.get_mut(..size_of::<T>()));
        place.ok_or(Error::ConfigSpaceTooSmall)?.copy_from_slice(value.as_bytes());
        (answer.0)(&mut state.config);
        Ok(())
    }
}
