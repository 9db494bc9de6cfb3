//! A virtqueue whose requests name attached memory.

use alloc::boxed::Box;
use core::mem::ManuallyDrop;

use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, Transport};
use virtio_drivers::{Error, Result};

use super::hal::{self, DmaHal};
use crate::dma::{self, Direction, Piece};

/// Most pieces of a request in one direction.
pub const MAX_PIECES: usize = 2;

/// How often a device is asked whether its reset is over (virtio 1.2, 4.2.3.1).
const RESET_LOOKS: u32 = 100_000;

/// The piece as the slice `virtio-drivers` takes: it looks at address and length and passes them to the [`DmaHal`], which
/// finds the memory attached and looks no further.
///
/// # Safety
/// For such use only: what lies there belongs to a device, and to a client as well.
unsafe fn slice<'a>(piece: &Piece) -> &'a [u8] {
    // SAFETY: in range (checked by `Piece::new`), mapped while the piece lives and its client has not taken it away; never
    // read through this reference, so that it does not matter if it was, nor that a client's pieces overlap.
    unsafe { core::slice::from_raw_parts(piece.start(), piece.bytes()) }
}

/// As [`slice`].
///
/// # Safety
/// As [`slice`].
unsafe fn slice_mut<'a>(piece: &Piece) -> &'a mut [u8] {
    // SAFETY: as in `slice`; never accessed through this reference.
    unsafe { core::slice::from_raw_parts_mut(piece.start(), piece.bytes()) }
}

/// What a request consists of.
type Pieces = [Option<Piece>; MAX_PIECES];

#[derive(Debug)]
struct Request {
    /// For the device to read.
    input: Pieces,
    /// For the device to write.
    output: Pieces,
    cookie: u32,
}

impl Request {
    /// Calls `with` with the request as slices.
    ///
    /// # Safety
    /// `with` passes the slices on to `virtio-drivers` and does not look into them.
    unsafe fn slices<R>(&self, with: impl for<'a> FnOnce(&'a [&'a [u8]], &'a mut [&'a mut [u8]]) -> R) -> R {
        let (mut input, mut output) = ([&[] as &[u8]; MAX_PIECES], [&mut [] as &mut [u8], &mut []]);
        let (mut inputs, mut outputs) = (0, 0);
        for (place, piece) in input.iter_mut().zip(self.input.iter().flatten()) {
            // SAFETY: the caller's promise.
            *place = unsafe { slice(piece) };
            inputs += 1;
        }
        for (place, piece) in output.iter_mut().zip(self.output.iter().flatten()) {
            // SAFETY: the caller's promise.
            *place = unsafe { slice_mut(piece) };
            outputs += 1;
        }
        with(&input[..inputs], &mut output[..outputs])
    }

    /// The device has it from now on.
    #[cold]
    fn hand_over(&self) {
        self.input.iter().flatten().for_each(|piece| piece.hand_over(Direction::ToDevice));
        self.output.iter().flatten().for_each(|piece| piece.hand_over(Direction::FromDevice));
    }

    /// The device has it no longer.
    #[cold]
    fn take_back(&self) {
        self.input.iter().flatten().for_each(|piece| piece.take_back(Direction::ToDevice));
        self.output.iter().flatten().for_each(|piece| piece.take_back(Direction::FromDevice));
    }

    fn output_bytes(&self) -> usize {
        self.output.iter().flatten().map(Piece::bytes).sum()
    }
}

/// A request the device is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// What was given to [`Queue::submit`].
    pub cookie: u32,
    /// Bytes the device says it wrote, never more than there was room for.
    pub written: usize,
}

/// The device claims to have done what was never asked: it is to be reset and not used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie;

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// Too many are under way.
    Full,
    /// A request without pieces.
    Empty,
}

/// A queue of a device, with `SIZE` descriptors: one is used for each piece.
///
/// Dropping it leaks its memory, and that of the requests under way: the device may still write there.
#[derive(Debug)]
pub struct Queue<const SIZE: usize> {
    /// In a box: it is as long as its descriptors are, and drivers are moved about while they start.
    queue: ManuallyDrop<Box<VirtQueue<DmaHal, SIZE>>>,
    index: u16,
    /// By the descriptor that heads them.
    requests: ManuallyDrop<Box<[Option<Request>]>>,
    /// The device does not see the caches.
    maintained: bool,
}

impl<const SIZE: usize> Queue<SIZE> {
    /// Sets up queue number `index`.
    ///
    /// # Errors
    /// The device's queue is smaller or in use; no memory.
    pub fn new(transport: &mut impl Transport, index: u16) -> Result<Self> {
        // Indirect descriptors would be allocated for each request, and the crate compares indices of
        // VIRTIO_F_EVENT_IDX without wrapping: neither is used.
        let queue = Box::new(VirtQueue::new(transport, index, false, false)?);
        let requests = (0..SIZE).map(|_| None).collect();
        let (queue, requests) = (ManuallyDrop::new(queue), ManuallyDrop::new(requests));
        Ok(Self { queue, index, requests, maintained: hal::is_maintained() })
    }

    /// Hands a request to the device, which reads `input` and writes `output`; [`Self::notify`] follows after the last of
    /// several. The pieces must not be of use to this process until [`Self::pop`] returns the cookie.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn submit(&mut self, input: Pieces, output: Pieces, cookie: u32) -> core::result::Result<(), SubmitError> {
        let request = Request { input, output, cookie };
        if self.maintained {
            request.hand_over();
        }
        // SAFETY: the slices go to `add` alone. The memory lives until the request is popped, because `requests` holds
        // it and is never dropped.
        let added = unsafe { request.slices(|input, output| self.queue.add(input, output)) };
        let head = added.map_err(|error| {
            if self.maintained {
                request.take_back();
            }
            match error {
                Error::QueueFull => SubmitError::Full,
                _ => SubmitError::Empty,
            }
        })?;
        if let Some(place) = self.requests.get_mut(usize::from(head)) {
            *place = Some(request);
        }
        Ok(())
    }

    /// Tells the device that there is something for it, unless it said that it looks by itself.
    pub fn notify(&self, transport: &mut impl Transport) {
        if self.queue.should_notify() {
            dma::publish();
            transport.notify(self.index);
        }
    }

    /// The next request that the device is done with.
    ///
    /// # Errors
    /// [`Lie`]: stop using the device.
    pub fn pop(&mut self) -> core::result::Result<Option<Done>, Lie> {
        let Some(head) = self.queue.peek_used() else { return Ok(None) };
        let request = self.requests.get_mut(usize::from(head)).and_then(Option::take).ok_or(Lie)?;
        // SAFETY: these are the slices that were added when `add` returned this descriptor; `pop_used` checks that the
        // device has not changed its mind about which one is next.
        let popped = unsafe { request.slices(|input, output| self.queue.pop_used(head, input, output)) };
        match popped {
            Ok(written) => {
                if self.maintained {
                    request.take_back();
                }
                Ok(Some(Done { cookie: request.cookie, written: (written as usize).min(request.output_bytes()) }))
            }
            Err(_) => {
                // Still the device's.
                if let Some(place) = self.requests.get_mut(usize::from(head)) {
                    *place = Some(request);
                }
                Err(Lie)
            }
        }
    }

    /// Resets the device, which then no longer reaches memory, and returns the cookies of the requests it had. Neither
    /// the device nor the queue is of use afterwards. The memory of a device that does not end its reset is never freed.
    pub fn abandon(&mut self, transport: &mut impl Transport) -> impl Iterator<Item = u32> {
        transport.set_status(DeviceStatus::empty());
        let at_rest = (0..RESET_LOOKS).any(|_| transport.get_status() == DeviceStatus::empty());
        let maintained = self.maintained;
        self.requests.iter_mut().filter_map(move |place| {
            let cookie = place.as_ref().map(|request| request.cookie);
            if at_rest {
                place.take().filter(|_| maintained).inspect(Request::take_back);
            }
            cookie
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dma::{Memory, fake};
    use crate::virtio::fake::Device;
    use alloc::rc::Rc;

    const NONE: Pieces = [None, None];

    fn memory() -> Rc<Memory> {
        Rc::new(Memory::new(fake::space(), 1).unwrap())
    }

    fn one(memory: &Rc<Memory>, offset: usize, bytes: usize) -> Pieces {
        [Piece::new(memory, offset, bytes), None]
    }

    #[test]
    fn requests_reach_the_device_and_come_back() {
        let (device, mut transport) = Device::new(2, 0, &[]);
        let mut queue = Queue::<8>::new(&mut transport, 0).unwrap();
        let memory = memory();
        memory.buffer().write(0, b"question").unwrap();
        let output = [Piece::new(&memory, 100, 4), Piece::new(&memory, 200, 4)];
        queue.submit(one(&memory, 0, 8), output, 77).unwrap();
        assert_eq!((queue.pop(), device.notified()), (Ok(None), 0));
        queue.notify(&mut transport);
        assert_eq!(device.notified(), 1);
        device.serve(|input, output| {
            assert_eq!(input, b"question");
            output.copy_from_slice(b"answered");
            8
        });
        assert_eq!(queue.pop(), Ok(Some(Done { cookie: 77, written: 8 })));
        assert_eq!(queue.pop(), Ok(None));
        let mut back = [0; 4];
        memory.buffer().read(200, &mut back).unwrap();
        assert_eq!(&back, b"ered");
    }

    #[test]
    fn the_queue_holds_as_many_pieces_as_it_has_descriptors() {
        let (device, mut transport) = Device::new(2, 0, &[]);
        let mut queue = Queue::<8>::new(&mut transport, 0).unwrap();
        let memory = memory();
        assert_eq!(queue.submit(NONE, NONE, 0), Err(SubmitError::Empty));
        for round in 0..100 {
            let mut asked = 0;
            while queue.submit(one(&memory, 0, 8), one(&memory, 8, 8), asked).is_ok() {
                asked += 1;
            }
            assert_eq!(asked, 4, "round {round}");
            device.serve(|_, _| 0);
            let mut done = 0;
            while let Ok(Some(answer)) = queue.pop() {
                assert_eq!(answer.cookie, done);
                done += 1;
            }
            assert_eq!(done, 4);
        }
    }

    #[test]
    fn what_the_queue_did_not_take_belongs_to_the_driver() {
        let (_device, mut transport) = Device::new(2, 0, &[]);
        let mut queue = Queue::<8>::new(&mut transport, 0).unwrap();
        let memory = memory();
        (0..8).for_each(|cookie| queue.submit(one(&memory, 0, 8), NONE, cookie).unwrap());
        let refused = queue.submit(NONE, one(&memory, 1024, 8), 9);
        assert_eq!((refused, memory.buffer().load_u32(1024)), (Err(SubmitError::Full), Ok(0)));
        queue.abandon(&mut transport).for_each(drop);
        assert_eq!(memory.buffer().store_u32(0, 1), Ok(()));
    }

    #[test]
    fn a_lying_device_is_found_out() {
        let (device, mut transport) = Device::new(2, 0, &[]);
        let mut queue = Queue::<8>::new(&mut transport, 0).unwrap();
        let memory = memory();
        device.complete(3, 8);
        assert_eq!(queue.pop(), Err(Lie), "a request that was never made");

        let (device, mut transport) = Device::new(2, 0, &[]);
        let mut queue = Queue::<8>::new(&mut transport, 0).unwrap();
        queue.submit(NONE, one(&memory, 0, 8), 5).unwrap();
        device.complete(0, u32::MAX);
        assert_eq!(queue.pop(), Ok(Some(Done { cookie: 5, written: 8 })), "a length that is too large");
        device.complete(0, 8);
        assert_eq!(queue.pop(), Err(Lie), "the same request twice");
        device.complete(40_000, 8);
        assert_eq!(queue.pop(), Err(Lie));
    }

    #[test]
    fn memory_stays_while_a_request_is_under_way() {
        let (_device, mut transport) = Device::new(2, 0, &[]);
        let mut queue = Queue::<8>::new(&mut transport, 0).unwrap();
        let memory = memory();
        queue.submit(NONE, one(&memory, 0, 8), 5).unwrap();
        let weak = Rc::downgrade(&memory);
        drop(memory);
        assert!(weak.upgrade().is_some());
        assert_eq!(queue.abandon(&mut transport).collect::<Vec<_>>(), [5]);
        assert!(weak.upgrade().is_none());
    }
}
