//! Intel's 82574 network interface (82574 GbE Controller Family Datasheet, revision 3.4): one queue for frames that come, one for
//! frames that go. No checksum and no segment is left to the device.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod failure;
mod registers;
mod ring;

use alloc::rc::Rc;

use ipc::net::{HEADER, Info, LONGEST, Mac};
use kit::class::net::{Nic, Received};
use kit::dma::{Direction, Memory, Piece, Space};
use kit::mmio::*;

pub use failure::Failure;
use registers::{CAUSE, CTRL, CTRL_EXT, IVAR, RAH, RCTL, Registers, STATUS, TCTL};
use ring::{Done, PLACES, Ring};

/// Bytes of the room for a frame that comes: RCTL.BSIZE.
const ROOM: usize = 2048;
const PAGES: u64 = (PLACES * ROOM).div_ceil(4096) as u64;

/// Of a frame that came: it ends in this descriptor. (7.1.4.1)
const WHOLE: u32 = 1 << 1;
/// Any error. (7.1.4.2)
const ERRORS: u32 = 0xff << 8;
/// Of a frame that goes: it ends in this descriptor, the device adds its check sequence, and says when it is done. (7.2.10.1)
const COMMAND: u32 = 0b1011 << 24;

/// How often a reset is looked at before it counts as stuck. It takes a microsecond.
const PATIENCE: usize = 100_000;

/// An 82574.
#[derive(Debug)]
pub struct E1000e {
    registers: Registers,
    receive: Ring,
    transmit: Ring,
    rooms: Rc<Memory>,
    info: Info,
    failed: bool,
}

impl E1000e {
    /// Resets the device, sets it up and lets it receive. In between, when it has nothing of a predecessor's memory, `master` lets it
    /// reach memory.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn new(mmio: &Mmio, space: Space, master: impl FnOnce() -> Result<(), kit::Error>) -> Result<Self, Failure> {
        let registers = Registers::new(mmio)?;
        reset(&registers)?;
        let mac = address(&registers)?;
        let info = Info { mac, mtu: (LONGEST - HEADER) as u16, link: true };
        let (receive, transmit) = (Ring::new(space)?, Ring::new(space)?);
        let rooms = Rc::new(Memory::new(space, PAGES)?);
        let mut new = Self { registers, receive, transmit, rooms, info, failed: false };
        master()?;
        new.set_up();
        (0..PLACES).for_each(|id| new.recycle(id));
        new.start();
        new.look_at_link();
        Ok(new)
    }

    /// As in 4.6: rings, then the units, then the link, then interrupts.
    fn set_up(&self) {
        let registers = &self.registers;
        let (receive, transmit) = (self.receive.bus(), self.transmit.bus());
        registers.rdbal.set(receive as u32);
        registers.rdbah.set((receive >> 32) as u32);
        registers.rdlen.set(ring::BYTES);
        registers.rdh.set(0);
        registers.rdt.set(0);
        registers.tdbal.set(transmit as u32);
        registers.tdbah.set((transmit >> 32) as u32);
        registers.tdlen.set(ring::BYTES);
        registers.tdh.set(0);
        registers.tdt.set(0);
        registers.rctl.write(RCTL::EN::SET + RCTL::BAM::SET + RCTL::MPE::SET + RCTL::SECRC::SET);
        registers.tctl.write(TCTL::EN::SET + TCTL::PSP::SET + TCTL::CT.val(15) + TCTL::COLD::FullDuplex);
        registers.ctrl_ext.modify(CTRL_EXT::DRV_LOAD::SET);
        registers.ctrl.modify(CTRL::SLU::SET + CTRL::ASDE::SET);
        registers.ivar.write(IVAR::RXQ0::First + IVAR::TXQ0::First + IVAR::OTHER::First);
        let arrivals = CAUSE::RXDMT0::SET + CAUSE::RXO::SET + CAUSE::RXT0::SET + CAUSE::RXQ0::SET;
        let others = CAUSE::TXDW::SET + CAUSE::TXQ0::SET + CAUSE::LSC::SET + CAUSE::OTHER::SET;
        registers.ims.write(arrivals + others);
    }

    fn look_at_link(&mut self) {
        self.info.link = !self.failed && self.registers.status.is_set(STATUS::LU);
    }

    /// It is not used any more; what it had comes back, as far as it can be stopped.
    fn fail(&mut self, why: Failure) {
        log::error!("{why}; it is not used any more");
        self.failed = true;
        self.info.link = false;
        // What is gone writes nothing any more; what is stuck is stopped by its stream when this driver ends.
        let _ = reset(&self.registers);
        while self.receive.abandon().is_some() {}
    }

    /// The frame in a room, if it is one.
    fn frame(done: Done) -> Option<Piece> {
        let sound = done.status & WHOLE != 0 && done.status & ERRORS == 0;
        let fits = (HEADER..=LONGEST).contains(&done.length);
        done.piece.part(0, done.length).filter(|_| sound && fits)
    }
}

/// Stops everything and brings the device to where it is after power-on. (4.6.1, 5.2.5.3.2)
fn reset(registers: &Registers) -> Result<(), Failure> {
    registers.imc.write(CAUSE::ALL.val(u32::MAX));
    registers.rctl.set(0);
    registers.tctl.set(0);
    registers.ctrl.modify(CTRL::GIO_MASTER_DISABLE::SET);
    registers.ctrl.modify(CTRL::RST::SET);
    let done = (0..PATIENCE).any(|_| !registers.ctrl.is_set(CTRL::RST));
    if registers.status.get() == u32::MAX {
        return Err(Failure::Gone);
    }
    registers.imc.write(CAUSE::ALL.val(u32::MAX));
    let pending = registers.icr.get();
    registers.icr.set(pending);
    if done { Ok(()) } else { Err(Failure::NotReset) }
}

/// What the EEPROM gave it.
fn address(registers: &Registers) -> Result<Mac, Failure> {
    let found = (0..PATIENCE).find_map(|_| {
        let high = registers.rah0.extract();
        high.is_set(RAH::AV).then(|| (registers.ral0.get(), high.read(RAH::ADDRESS)))
    });
    let (low, high) = found.ok_or(Failure::NoAddress)?;
    let [a, b, c, d] = low.to_le_bytes();
    let [e, f, ..] = high.to_le_bytes();
    Ok(Mac([a, b, c, d, e, f]))
}

impl Nic for E1000e {
    fn info(&self) -> Info {
        self.info
    }

    fn places(&self) -> usize {
        PLACES
    }

    fn send(&mut self, frame: Piece, id: usize) -> bool {
        let word = frame.bytes() as u32 | COMMAND;
        !self.failed && self.transmit.give(id, frame, Direction::ToDevice, word)
    }

    fn sent(&mut self) -> Option<(usize, bool)> {
        if self.failed {
            return self.transmit.abandon().map(|id| (id, false));
        }
        self.transmit.take().map(|done| (done.id, true))
    }

    fn received(&mut self) -> Option<Received> {
        if self.failed {
            return None;
        }
        let done = self.receive.take()?;
        Some(Received { id: done.id, frame: Self::frame(done) })
    }

    fn recycle(&mut self, id: usize) {
        if let Some(room) = Piece::new(&self.rooms, id * ROOM, ROOM).filter(|_| !self.failed) {
            // It was just taken out of the ring, which therefore has a place for it.
            let _ = self.receive.give(id, room, Direction::FromDevice, 0);
        }
    }

    fn start(&mut self) {
        if let Some(tail) = self.receive.tell().filter(|_| !self.failed) {
            self.registers.rdt.set(tail);
        }
        if let Some(tail) = self.transmit.tell().filter(|_| !self.failed) {
            self.registers.tdt.set(tail);
        }
    }

    /// Written back, the causes are gone; what comes from here on raises them again. (10.2.4.1)
    fn acknowledge(&mut self) -> bool {
        if self.failed {
            return false;
        }
        let causes = self.registers.icr.extract();
        let before = self.info.link;
        if causes.get() == u32::MAX && self.registers.status.get() == u32::MAX {
            self.fail(Failure::Gone);
        } else {
            self.registers.icr.set(causes.get());
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
