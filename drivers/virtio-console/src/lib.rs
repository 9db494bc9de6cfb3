//! virtio consoles (virtio 1.2, 5.3): one port, bytes in a queue each way. What the device offers beyond that
//! (VIRTIO_CONSOLE_F_SIZE, _MULTIPORT, _EMERG_WRITE) is not taken.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::rc::Rc;
use alloc::vec::Vec;

use kit::class::serial::{Received, Uart};
use kit::dma::{Memory, Piece, Space};
use kit::virtio::{self, DeviceType, Queue, Transport};

pub use kit::virtio::Failure;

const RECEIVE_QUEUE: u16 = 0;
const TRANSMIT_QUEUE: u16 = 1;

/// Buffers each way, and the bytes of one. Those to receive lie in front.
const BUFFERS: usize = 4;
const BYTES: usize = 256;

/// Bytes of a buffer that has arrived.
#[derive(Debug, Default)]
struct Arrived {
    place: usize,
    next: usize,
    end: usize,
}

/// A console behind a virtio transport.
#[derive(Debug)]
pub struct VirtioConsole<T> {
    transport: T,
    receive: Queue<BUFFERS>,
    transmit: Queue<BUFFERS>,
    memory: Rc<Memory>,
    /// What is being read.
    arrived: Arrived,
    /// What is to be sent next.
    line: Vec<u8>,
    /// Bit n: buffer n is being sent.
    sending: u8,
    failed: bool,
}

impl<T: Transport> VirtioConsole<T> {
    /// Resets the device and sets it up.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn new(mut transport: T, space: Space) -> Result<Self, Failure> {
        virtio::begin(&mut transport, DeviceType::Console, 0)?;
        let receive = Queue::new(&mut transport, RECEIVE_QUEUE)?;
        let transmit = Queue::new(&mut transport, TRANSMIT_QUEUE)?;
        let memory = Rc::new(Memory::consistent(space, 1)?);
        transport.finish_init();
        let (arrived, line) = (Arrived::default(), Vec::with_capacity(BYTES));
        let mut console = Self { transport, receive, transmit, memory, arrived, line, sending: 0, failed: false };
        (0..BUFFERS).for_each(|place| console.offer(place));
        console.receive.notify(&mut console.transport);
        Ok(console)
    }

    /// Gives the device a buffer to fill. There is room: each has a descriptor of its own.
    fn offer(&mut self, place: usize) {
        let piece = Piece::new(&self.memory, place * BYTES, BYTES);
        let taken = piece.is_some() && self.receive.submit([None, None], [piece, None], place as u32).is_ok();
        if !taken {
            log::error!("receive buffer {place} is lost");
        }
    }

    /// The next byte of the buffer that is being read, which goes back to the device behind its last.
    fn byte(&mut self) -> Option<u8> {
        let Arrived { place, next, end } = self.arrived;
        if next >= end {
            return None;
        }
        let mut byte = [0];
        let read = self.memory.buffer().read(place * BYTES + next, &mut byte);
        self.arrived.next += 1;
        if self.arrived.next == end {
            self.offer(place);
            self.receive.notify(&mut self.transport);
        }
        read.is_ok().then_some(byte[0])
    }

    /// Takes the next buffer that the device has filled; one without bytes goes back. `false`: there is none.
    fn next_buffer(&mut self) -> bool {
        match self.receive.pop() {
            Ok(Some(done)) => {
                self.arrived = Arrived { place: done.cookie as usize, next: 0, end: done.written };
                if done.written == 0 {
                    self.offer(done.cookie as usize);
                    self.receive.notify(&mut self.transport);
                }
                true
            }
            Ok(None) => false,
            Err(_) => self.fail(),
        }
    }

    /// Takes back what was sent.
    fn sent(&mut self) {
        while !self.failed {
            match self.transmit.pop() {
                Ok(Some(done)) => self.sending &= !(1 << done.cookie),
                Ok(None) => break,
                Err(_) => _ = self.fail(),
            }
        }
    }

    fn fail(&mut self) -> bool {
        log::error!("the device claims to have done what was never asked; it was reset and is not used any more");
        self.failed = true;
        self.arrived = Arrived::default();
        self.receive.abandon(&mut self.transport).for_each(drop);
        self.transmit.abandon(&mut self.transport).for_each(drop);
        false
    }
}

impl<T: Transport> Uart for VirtioConsole<T> {
    fn receive(&mut self) -> Option<Received> {
        // Of a device that brings empty buffers without end, no more are looked at than there are.
        for _ in 0..=BUFFERS {
            if let Some(byte) = self.byte() {
                return Some(Received::Byte(byte));
            }
            if self.failed || !self.next_buffer() {
                return None;
            }
        }
        None
    }

    /// Where the device failed nobody hears it, and nobody is to wait for that.
    fn send(&mut self, byte: u8) -> bool {
        if self.line.len() == BYTES {
            self.flush();
        }
        let room = self.line.len() < BYTES;
        if room {
            self.line.push(byte);
        }
        room
    }

    fn flush(&mut self) {
        self.sent();
        if self.failed {
            self.line.clear();
        }
        let place = self.sending.trailing_ones() as usize;
        if self.line.is_empty() || place >= BUFFERS {
            return;
        }
        let at = (BUFFERS + place) * BYTES;
        let written = self.memory.buffer().write(at, &self.line).is_ok();
        let piece = Piece::new(&self.memory, at, self.line.len()).filter(|_| written);
        if piece.is_some() && self.transmit.submit([piece, None], [None, None], place as u32).is_ok() {
            self.sending |= 1 << place;
            self.line.clear();
            self.transmit.notify(&mut self.transport);
        }
    }

    /// The device interrupts for each buffer that it has sent.
    fn interrupt_for_room(&mut self, _: bool) {}

    fn keeps_input(&self) -> bool {
        true
    }

    fn acknowledge(&mut self) {
        self.transport.ack_interrupt();
    }
}

#[cfg(test)]
mod tests;
