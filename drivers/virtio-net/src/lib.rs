//! virtio network interfaces (virtio 1.2, 5.1): one queue for frames that come, one for frames that go.
//!
//! No checksum and no segment is left to the device, so that the header before each frame (5.1.6) says nothing: one of zeros
//! is sent with every frame, in a piece of its own, and what the device writes into those of received frames is not read.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::rc::Rc;

use ipc::net::{HEADER, Info, LONGEST, Mac};
use kit::class::net::{Nic, Received};
use kit::dma::{Memory, Piece, Space};
use kit::virtio::{self, DeviceType, InterruptStatus, Lie, Queue, Transport};

pub use kit::virtio::Failure;

/// VIRTIO_NET_F_MAC: the device has an address.
const HAS_MAC: u64 = 1 << 5;
/// VIRTIO_NET_F_STATUS: it says whether the link is up.
const HAS_STATUS: u64 = 1 << 16;
/// VIRTIO_NET_S_LINK_UP.
const LINK_UP: u8 = 1;

/// Numbers of the queues (5.1.2).
const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;

/// Frames that can come while none is looked at.
const ROOMS: usize = 64;
/// Frames that can be on their way out; each takes two descriptors: header, frame.
const FRAMES: usize = 64;
const DESCRIPTORS: usize = FRAMES * 2;

/// Bytes of the header (struct virtio_net_hdr).
const PREFIX: usize = 12;
/// Room n lies at n times this, and its header so far behind that the frame is aligned to 16 bytes.
const ROOM: usize = 1536;
const SKIPPED: usize = 4;
/// Pages of all rooms.
const PAGES: u64 = (ROOMS * ROOM).div_ceil(4096) as u64;
const _: () = assert!(SKIPPED + PREFIX + LONGEST <= ROOM && ROOM.is_multiple_of(kit::dma::LINE));

/// A network interface behind a virtio transport.
#[derive(Debug)]
pub struct VirtioNet<T> {
    transport: T,
    receive: Queue<ROOMS>,
    transmit: Queue<DESCRIPTORS>,
    rooms: Rc<Memory>,
    /// The header of every frame that is sent.
    header: Piece,
    /// Frames on their way out.
    under_way: [bool; FRAMES],
    has_status: bool,
    info: Info,
    failed: bool,
}

impl<T: Transport> VirtioNet<T> {
    /// Resets the device, sets it up and lets it receive.
    ///
    /// # Errors
    /// [`Failure`]; `Config` among them when the device has no address.
    pub fn new(mut transport: T, space: Space) -> Result<Self, Failure> {
        let features = virtio::begin(&mut transport, DeviceType::Network, HAS_MAC | HAS_STATUS)?;
        if features & HAS_MAC == 0 {
            return Err(Failure::Config);
        }
        let mac = Mac(virtio::config(&transport, 0)?);
        let receive = Queue::new(&mut transport, RECEIVE)?;
        let transmit = Queue::new(&mut transport, TRANSMIT)?;
        let rooms = Rc::new(Memory::new(space, PAGES)?);
        let header = Piece::new(&Rc::new(Memory::consistent(space, 1)?), 0, PREFIX).ok_or(Failure::Config)?;
        let info = Info { mac, mtu: (LONGEST - HEADER) as u16, link: true };
        let has_status = features & HAS_STATUS != 0;
        let under_way = [false; FRAMES];
        let mut new = Self { transport, receive, transmit, rooms, header, under_way, has_status, info, failed: false };
        new.look_at_link();
        new.transport.finish_init();
        (0..ROOMS).for_each(|id| new.recycle(id));
        new.start();
        Ok(new)
    }

    /// Whether the link is up; what cannot be read changes nothing.
    fn look_at_link(&mut self) {
        if self.has_status
            && let Ok([low, _]) = virtio::config::<[u8; 2]>(&self.transport, 6)
        {
            self.info.link = low & LINK_UP != 0;
        }
    }

    fn fail(&mut self) {
        log::error!("the device claims to have done what was never asked; it was reset and is not used any more");
        self.failed = true;
        self.info.link = false;
        self.receive.abandon(&mut self.transport).for_each(drop);
        self.transmit.abandon(&mut self.transport).for_each(drop);
    }
}

impl<T: Transport> Nic for VirtioNet<T> {
    fn info(&self) -> Info {
        self.info
    }

    fn places(&self) -> usize {
        FRAMES
    }

    fn send(&mut self, frame: Piece, id: usize) -> bool {
        let input = [Some(self.header.clone()), Some(frame)];
        let taken = !self.failed && self.transmit.submit(input, [None, None], id as u32).is_ok();
        self.under_way[id] = taken;
        taken
    }

    fn sent(&mut self) -> Option<(usize, bool)> {
        match if self.failed { Err(Lie) } else { self.transmit.pop() } {
            Ok(None) => return None,
            Ok(Some(done)) => {
                let id = done.cookie as usize;
                *self.under_way.get_mut(id)? = false;
                return Some((id, true));
            }
            Err(Lie) if self.failed => {}
            Err(Lie) => self.fail(),
        }
        // What a device that failed had.
        let id = self.under_way.iter().position(|&under_way| under_way)?;
        self.under_way[id] = false;
        Some((id, false))
    }

    fn received(&mut self) -> Option<Received> {
        if self.failed {
            return None;
        }
        let Ok(done) = self.receive.pop() else {
            self.fail();
            return None;
        };
        let done = done?;
        let id = done.cookie as usize;
        let bytes = done.written.checked_sub(PREFIX).filter(|bytes| *bytes >= HEADER);
        let frame = bytes.and_then(|bytes| Piece::new(&self.rooms, id * ROOM + SKIPPED + PREFIX, bytes));
        Some(Received { id, frame })
    }

    fn recycle(&mut self, id: usize) {
        let room = Piece::new(&self.rooms, id * ROOM + SKIPPED, PREFIX + LONGEST);
        if !self.failed {
            // It was just taken out of the queue, which therefore has a place for it.
            let _ = self.receive.submit([None, None], [room, None], id as u32);
        }
    }

    fn start(&mut self) {
        if !self.failed {
            self.receive.notify(&mut self.transport);
            self.transmit.notify(&mut self.transport);
        }
    }

    fn acknowledge(&mut self) -> bool {
        let status = self.transport.ack_interrupt();
        let before = self.info.link;
        if status.contains(InterruptStatus::DEVICE_CONFIGURATION_INTERRUPT) && !self.failed {
            self.look_at_link();
        }
        self.info.link != before
    }

    fn has_failed(&self) -> bool {
        self.failed
    }
}

#[cfg(test)]
mod tests;
