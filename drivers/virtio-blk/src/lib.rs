//! virtio block devices (virtio 1.2, 5.2): requests go in, and come back done, in whatever order the device likes.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::rc::Rc;

use ipc::block::{Info, Operation, SECTOR, outcome};
use kit::class::block::Disk;
use kit::dma::{Memory, Piece, Space};
use kit::virtio::{self, DeviceType, Lie, Queue, Transport};

pub use kit::virtio::Failure;

/// VIRTIO_BLK_F_RO.
const READ_ONLY: u64 = 1 << 5;
/// VIRTIO_BLK_F_FLUSH. Who does not take it is told that a write is done when it is on the medium.
const FLUSH: u64 = 1 << 9;
/// VIRTIO_BLK_T_FLUSH. (5.2.6)
const FLUSH_REQUEST: u32 = 4;

/// Descriptors of the queue; a request takes three: header, data, status.
const DESCRIPTORS: usize = 128;
/// Requests that can be under way.
const REQUESTS: usize = DESCRIPTORS / 3;
/// Bytes that the device is asked for at a time; a larger request is carried out in parts. Behind an IOMMU the device may have
/// to look up each page: QEMU gives up at 1024, and takes no request of anybody any more.
const MOST: usize = 1 << 20;

/// Header and status of request n lie at n times this in the control page.
const CONTROL: usize = 32;
const HEADER: usize = 16;
/// A status that no device gives.
const UNSET: u8 = 0xff;

/// What of a request is not done.
#[derive(Debug)]
struct Rest {
    operation: Operation,
    sector: u64,
    /// None of a flush.
    data: Option<Piece>,
}

impl Rest {
    /// Bytes that the device has.
    fn part(&self) -> usize {
        self.data.as_ref().map_or(0, |data| data.bytes().min(MOST))
    }

    /// What is not done when the device is done with what it has.
    fn behind(&self) -> Option<Self> {
        let (part, data) = (self.part(), self.data.as_ref()?);
        let data = data.part(part, data.bytes() - part)?;
        Some(Self { sector: self.sector + (part / SECTOR) as u64, data: Some(data), ..*self })
    }
}

/// A block device behind a virtio transport.
#[derive(Debug)]
pub struct VirtioBlk<T> {
    transport: T,
    queue: Queue<DESCRIPTORS>,
    control: Rc<Memory>,
    under_way: [Option<Rest>; REQUESTS],
    info: Info,
    has_cache: bool,
    failed: bool,
}

impl<T: Transport> VirtioBlk<T> {
    /// Resets the device and sets it up.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn new(mut transport: T, space: Space) -> Result<Self, Failure> {
        let features = virtio::begin(&mut transport, DeviceType::Block, READ_ONLY | FLUSH)?;
        let [low, high] = virtio::config::<[u32; 2]>(&transport, 0)?;
        // Not more sectors than bytes can count.
        let sectors = (u64::from(high) << 32 | u64::from(low)).min(u64::MAX / SECTOR as u64);
        let info = Info { sectors, read_only: features & READ_ONLY != 0 };
        let queue = Queue::new(&mut transport, 0)?;
        let control = Rc::new(Memory::consistent(space, 1)?);
        transport.finish_init();
        let has_cache = features & FLUSH != 0;
        let under_way = [const { None }; REQUESTS];
        Ok(Self { transport, queue, control, under_way, info, has_cache, failed: false })
    }

    /// Writes the header of request number `id`: type, reserved, sector. (virtio 1.2, 5.2.6)
    fn prepare(&self, id: usize, operation: Operation, sector: u64) -> Option<(Piece, Piece)> {
        let mut header = [0; HEADER + 1];
        let kind = if operation == Operation::Flush { FLUSH_REQUEST } else { operation as u32 };
        header[..4].copy_from_slice(&kind.to_le_bytes());
        header[8..HEADER].copy_from_slice(&sector.to_le_bytes());
        header[HEADER] = UNSET;
        self.control.buffer().write(id * CONTROL, &header).ok()?;
        let status = Piece::new(&self.control, id * CONTROL + HEADER, 1)?;
        Some((Piece::new(&self.control, id * CONTROL, HEADER)?, status))
    }

    /// The device is done with a part of a request: what becomes of it, unless another part follows.
    fn part_done(&mut self, id: usize, written: usize) -> Option<u32> {
        let rest = self.under_way.get_mut(id)?.take()?;
        let expected = if rest.operation == Operation::Read { rest.part() + 1 } else { 1 };
        let status = self.status(id, written >= expected);
        let Some(rest) = rest.behind().filter(|_| status == outcome::DONE) else { return Some(status) };
        let submitted = self.submit(rest.operation, rest.sector, rest.data, id);
        self.start();
        submitted.err()
    }

    fn fail(&mut self) {
        log::error!("the device claims to have done what was never asked; it was reset and is not used any more");
        self.failed = true;
        self.queue.abandon(&mut self.transport).for_each(drop);
    }

    /// What the device said of request number `id`; one that wrote less than it says it did has failed at it.
    fn status(&self, id: usize, complete: bool) -> u32 {
        let mut status = [UNSET];
        match (self.control.buffer().read(id * CONTROL + HEADER, &mut status), status[0]) {
            (Ok(()), 0) if complete => outcome::DONE,
            (Ok(()), error) if error != 0 => error.into(),
            _ => outcome::DEVICE_FAILED,
        }
    }
}

impl<T: Transport> Disk for VirtioBlk<T> {
    fn info(&self) -> Info {
        self.info
    }

    fn places(&self) -> usize {
        REQUESTS
    }

    fn has_cache(&self) -> bool {
        self.has_cache
    }

    fn submit(&mut self, operation: Operation, sector: u64, data: Option<Piece>, id: usize) -> Result<(), u32> {
        let prepared = self.prepare(id, operation, sector).filter(|_| !self.failed);
        let (header, status) = prepared.ok_or(outcome::DEVICE_FAILED)?;
        let rest = Rest { operation, sector, data };
        let part = rest.data.as_ref().and_then(|data| data.part(0, rest.part()));
        let (input, output) = match operation {
            Operation::Read => ([Some(header), None], [part, Some(status)]),
            Operation::Write | Operation::Flush => ([Some(header), part], [Some(status), None]),
        };
        self.queue.submit(input, output, id as u32).map_err(|_| outcome::DEVICE_FAILED)?;
        self.under_way[id] = Some(rest);
        Ok(())
    }

    fn start(&mut self) {
        self.queue.notify(&mut self.transport);
    }

    fn acknowledge(&mut self) {
        self.transport.ack_interrupt();
    }

    fn finished(&mut self) -> Option<(usize, u32)> {
        while !self.failed {
            match self.queue.pop() {
                Ok(None) => return None,
                Ok(Some(done)) => {
                    let id = done.cookie as usize;
                    if let Some(status) = self.part_done(id, done.written) {
                        return Some((id, status));
                    }
                }
                Err(Lie) => self.fail(),
            }
        }
        // What a device that failed had.
        let id = self.under_way.iter_mut().position(|rest| rest.take().is_some())?;
        Some((id, outcome::DEVICE_FAILED))
    }

    fn has_failed(&self) -> bool {
        self.failed
    }
}

#[cfg(test)]
mod tests;
