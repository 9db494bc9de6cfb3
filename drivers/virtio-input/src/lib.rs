//! virtio input devices (virtio 1.2, 5.8): keyboards, mice, tablets. A tablet says where it is touched by `ABS_X`, `ABS_Y` and
//! `BTN_LEFT`, as a touch screen does.
//!
//! The device writes events into buffers that it was given before; the driver writes into the second queue which lights are to
//! be on.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod identity;

use alloc::rc::Rc;

use ipc::input::{Axis, Codes, Event, Info, kind};
use kit::class::input::Device;
use kit::dma::{Memory, Piece, Space};
use kit::virtio::{self, DeviceType, Done, Queue, Transport};

use identity::Identity;

pub use kit::virtio::Failure;

const EVENT_QUEUE: u16 = 0;
const STATUS_QUEUE: u16 = 1;

/// Events that can wait.
const EVENTS: usize = 64;
/// Changes of lights that can be under way.
const LIGHTS: usize = 8;
/// `struct virtio_input_event`: type, code, value.
const EVENT: usize = 8;

/// An input device behind a virtio transport.
#[derive(Debug)]
pub struct VirtioInput<T> {
    transport: T,
    identity: Identity,
    events: Queue<EVENTS>,
    lights: Queue<LIGHTS>,
    /// The events, and behind them the changes of lights.
    memory: Rc<Memory>,
    /// Bit n: change n is under way.
    changing: u8,
    failed: bool,
}

impl<T: Transport> VirtioInput<T> {
    /// Resets the device, asks it what it is, and sets it up.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn new(mut transport: T, space: Space) -> Result<Self, Failure> {
        virtio::begin(&mut transport, DeviceType::Input, 0)?;
        let identity = Identity::read(&mut transport)?;
        let [bus, vendor, product, version] = identity.ids;
        log::info!("{}, bus {bus:#x}, {vendor:04x}:{product:04x} version {version}", identity.info.name);
        let events = Queue::new(&mut transport, EVENT_QUEUE)?;
        let lights = Queue::new(&mut transport, STATUS_QUEUE)?;
        let memory = Rc::new(Memory::consistent(space, 1)?);
        transport.finish_init();
        let mut device = Self { transport, identity, events, lights, memory, changing: 0, failed: false };
        (0..EVENTS).for_each(|place| device.offer(place));
        device.events.notify(&mut device.transport);
        Ok(device)
    }

    /// Gives the device the buffer of an event. There is room: each has a descriptor of its own.
    fn offer(&mut self, place: usize) {
        let piece = Piece::new(&self.memory, place * EVENT, EVENT);
        let taken = piece.is_some() && self.events.submit([None, None], [piece, None], place as u32).is_ok();
        if !taken {
            log::error!("event buffer {place} is lost");
        }
    }

    /// The next buffer that the device has filled, back at the device.
    fn event(&mut self) -> Option<Event> {
        let done = match self.events.pop() {
            Ok(done) => done?,
            Err(_) => return self.fail(),
        };
        let (place, mut bytes) = (done.cookie as usize, [0; EVENT]);
        if done.written < EVENT || self.memory.buffer().read(place * EVENT, &mut bytes).is_err() {
            return self.fail();
        }
        self.offer(place);
        self.events.notify(&mut self.transport);
        let [a, b, c, d, value @ ..] = bytes;
        Some(Event::new(u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]), i32::from_le_bytes(value)))
    }

    fn fail<R>(&mut self) -> Option<R> {
        log::error!("the device claims to have done what was never asked; it was reset and is not used any more");
        self.failed = true;
        // Both, as either of them resets the device.
        self.events.abandon(&mut self.transport).for_each(drop);
        self.lights.abandon(&mut self.transport).for_each(drop);
        None
    }

    /// Takes back what the device has seen of the changes of lights.
    fn changed(&mut self) {
        while !self.failed {
            match self.lights.pop() {
                Ok(Some(Done { cookie, .. })) => self.changing &= !(1 << cookie),
                Ok(None) => break,
                Err(_) => _ = self.fail::<()>(),
            }
        }
    }
}

impl<T: Transport> Device for VirtioInput<T> {
    fn info(&self) -> Info {
        self.identity.info
    }

    fn codes(&self, kind: u16) -> Codes {
        self.identity.codes(kind)
    }

    fn axis(&self, code: u16) -> Option<Axis> {
        self.identity.axis(code)
    }

    /// What the device never said that it has is passed over.
    fn next(&mut self) -> Option<Event> {
        for _ in 0..EVENTS {
            if self.failed {
                return None;
            }
            let event = self.event()?;
            if event.kind == kind::SYN || self.identity.has(event.kind, event.code) {
                return Some(event);
            }
        }
        None
    }

    fn acknowledge(&mut self) {
        self.transport.ack_interrupt();
        self.changed();
    }

    fn light(&mut self, code: u16, on: bool) -> bool {
        self.changed();
        let place = self.changing.trailing_ones() as usize;
        if self.failed || place >= LIGHTS || !self.identity.has(kind::LED, code) {
            return false;
        }
        let mut bytes = [0; EVENT];
        bytes[..2].copy_from_slice(&kind::LED.to_le_bytes());
        bytes[2..4].copy_from_slice(&code.to_le_bytes());
        bytes[4] = on.into();
        let at = (EVENTS + place) * EVENT;
        let written = self.memory.buffer().write(at, &bytes).is_ok();
        let piece = Piece::new(&self.memory, at, EVENT).filter(|_| written);
        let taken = piece.is_some() && self.lights.submit([piece, None], [None, None], place as u32).is_ok();
        self.changing |= u8::from(taken) << place;
        self.lights.notify(&mut self.transport);
        taken
    }
}

#[cfg(test)]
mod tests;
