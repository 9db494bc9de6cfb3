//! SD cards as disks (SD Physical Layer Simplified Specification 6.00): SDSC, SDHC and SDXC, in default speed mode. What differs
//! between controllers is behind [`Host`].
//!
//! Supplies, and the clocks in front of the controller, stay as the boot loader left them; voltages are not switched.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

mod card;
mod command;
mod failure;
#[cfg(not(target_os = "none"))]
pub mod fake;
mod host;
mod identify;
mod slot;
mod transfer;
mod wiring;

use core::time::Duration;

use ipc::block::{Info, Operation, outcome};
use kit::class::block::Disk;
use kit::dma::Piece;
use kit::time::Block;

pub use card::{Card, Status};
pub use command::{Answer, Command, Data};
pub use failure::Failure;
pub use host::{Events, FAST, Host, SLOW};
use slot::{Slot, Step, TICK};
use transfer::Transfer;
pub use wiring::Wiring;

/// How often a command is tried before its request fails.
const TRIES: u32 = 3;

/// A slot whose card is a disk.
#[derive(Debug)]
pub struct SlotDisk<H: Host> {
    slot: Slot<H>,
    read_only: bool,
    transfer: Option<Transfer<H::Data>>,
    /// The request that is done, and what its completion says.
    done: Option<(usize, u32)>,
}

impl<H: Host> SlotDisk<H> {
    /// Resets the controller and identifies the card. This waits, for two seconds at most.
    ///
    /// # Errors
    /// [`Failure`]: there is no card, too.
    pub fn new(host: H, wiring: Wiring, clock: &mut impl Block) -> Result<Self, Failure> {
        let mut disk = Self { slot: Slot::new(host, wiring), read_only: false, transfer: None, done: None };
        disk.advance();
        while !disk.slot.is_ready() {
            if disk.slot.is_empty() || disk.slot.is_off() {
                return Err(disk.slot.failure().unwrap_or(Failure::NoCard));
            }
            clock.wait_until(clock.now().saturating_add(TICK.as_nanos() as u64));
            disk.slot.wait();
            disk.advance();
        }
        disk.read_only = disk.slot.is_protected();
        Ok(disk)
    }

    /// The card.
    pub fn card(&self) -> Card {
        self.slot.card()
    }

    /// Goes on as far as slot and card have come.
    fn advance(&mut self) {
        loop {
            match self.slot.step() {
                Step::Waits => break,
                Step::Goes => {}
                Step::Moved => self.moved(),
                Step::Ready => self.try_again(),
            }
        }
        if (self.slot.is_empty() || self.slot.is_off()) && self.transfer.is_some() {
            self.finish(outcome::DEVICE_FAILED);
        }
    }

    fn moved(&mut self) {
        if self.transfer.as_mut().is_some_and(|transfer| transfer.goes_on(H::MAX_BYTES)) {
            self.move_on();
        } else {
            self.finish(outcome::DONE);
        }
    }

    /// The card takes a transfer, and the one under way was not done.
    fn try_again(&mut self) {
        match &self.transfer {
            Some(transfer) if transfer.tries < TRIES => self.move_on(),
            _ => self.finish(outcome::DEVICE_FAILED),
        }
    }

    /// Begins the next command of the transfer.
    fn move_on(&mut self) {
        let Some(transfer) = &mut self.transfer else { return };
        transfer.tries += 1;
        let (offset, bytes) = transfer.part(H::MAX_BYTES);
        if transfer.way == Data::Write && self.slot.is_protected() {
            self.finish(outcome::READ_ONLY);
        } else if !self.slot.move_data(transfer.way, transfer.sector, &transfer.data, offset, bytes) {
            log::warn!("the controller does not reach the memory: it may lie above 4 GiB");
            self.finish(outcome::DEVICE_FAILED);
        }
    }

    /// Ends the transfer. Its memory is kept for ever if the controller may still use it.
    fn finish(&mut self, status: u32) {
        if let Some(transfer) = self.transfer.take() {
            self.done = Some((transfer.id, status));
            if self.slot.rests() {
                H::give_back(transfer.data);
            }
        }
    }
}

impl<H: Host> Disk for SlotDisk<H> {
    fn info(&self) -> Info {
        Info { sectors: self.slot.card().sectors, read_only: self.read_only }
    }

    /// A card does one thing at a time.
    fn places(&self) -> usize {
        1
    }

    fn has_cache(&self) -> bool {
        false
    }

    fn is_ready(&self) -> bool {
        self.slot.is_ready() || self.slot.is_empty() || self.slot.is_off()
    }

    fn submit(&mut self, operation: Operation, sector: u64, data: Option<Piece>, id: usize) -> Result<(), u32> {
        let data = data.filter(|_| self.slot.is_ready() && self.transfer.is_none()).ok_or(outcome::DEVICE_FAILED)?;
        if operation == Operation::Write && self.slot.is_protected() {
            return Err(outcome::READ_ONLY);
        }
        let way = if operation == Operation::Write { Data::Write } else { Data::Read };
        let bytes = data.bytes();
        self.transfer = Some(Transfer::new(id, way, sector, H::take_over(data, way), bytes));
        Ok(())
    }

    fn start(&mut self) {
        if self.slot.is_ready() {
            self.move_on();
        }
    }

    fn acknowledge(&mut self) {
        self.slot.interrupted();
    }

    fn finished(&mut self) -> Option<(usize, u32)> {
        self.advance();
        self.done.take()
    }

    fn has_failed(&self) -> bool {
        self.slot.is_off()
    }

    fn patience(&self) -> Option<Duration> {
        // What was done without an interrupt is told of at the next tick.
        if self.done.is_some() { Some(TICK) } else { self.slot.patience() }
    }

    fn look(&mut self) {
        self.slot.wait();
    }
}
