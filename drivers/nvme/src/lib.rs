//! NVM Express controllers on PCI Express (NVM Express Base Specification 1.4): their first namespace, through one pair of I/O
//! queues.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod command;
mod controller;
mod failure;
mod identity;
mod prp;
mod queue;
mod registers;
mod transfer;

use alloc::boxed::Box;
use core::time::Duration;

use ipc::block::{Info, Operation, SECTOR, outcome};
use kit::class::block::Disk;
use kit::dma::{Piece, Space};
use kit::mmio::Mmio;
use kit::time::Block;

use controller::{Controller, TICK};
pub use failure::Failure;
use prp::Lists;
use queue::{Completion, Lie};
use transfer::Transfer;

/// How often the controller is looked at while it has commands.
const PERIOD: Duration = Duration::from_secs(1);
/// How often a command is looked at before it has taken too long. The specification does not say; this is the driver's own.
const LOOKS: u32 = 10;
/// How often it is reset before one command has succeeded.
const RESETS: u32 = 3;

/// Namespace Is Write Protected. (4.6.1.2.1)
const WRITE_PROTECTED: u16 = 0x20;

/// What becomes of the requests that were under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The controller has them.
    UnderWay,
    /// It came to rest: they fail, and their memory is the clients' again.
    Over,
    /// It did not come to rest: they fail, and their memory is kept for ever, as it may still write there.
    Lost,
}

/// A controller whose first namespace is a disk.
#[derive(Debug)]
pub struct Nvme {
    controller: Controller,
    lists: Lists,
    requests: Box<[Option<Transfer>]>,
    under_way: usize,
    fate: Fate,
    /// Resets since a command succeeded.
    resets: u32,
}

impl Nvme {
    /// Switches the controller off, if it is on, and on, and asks it what it is. In between, when it has nothing of a predecessor's
    /// memory, `master` lets it reach memory. This waits, for as long as the controller says that it may take.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn new(
        mmio: &Mmio,
        space: Space,
        clock: &mut impl Block,
        master: impl FnOnce() -> Result<(), kit::Error>,
    ) -> Result<Self, Failure> {
        let mut controller = Controller::new(mmio, space)?;
        wait(&mut controller, clock, Controller::is_resting)?;
        master()?;
        controller.set_master();
        wait(&mut controller, clock, Controller::is_ready)?;
        if controller.identity().shift > 0 {
            let bytes = SECTOR << controller.identity().shift;
            log::warn!("blocks of {bytes} bytes: what does not begin and end with one is refused");
        }
        let places = usize::from(controller.io.entries() - 1);
        let lists = Lists::new(space, places)?;
        let requests = (0..places).map(|_| None).collect();
        Ok(Self { controller, lists, requests, under_way: 0, fate: Fate::UnderWay, resets: 0 })
    }

    /// Takes note of how far the controller has come.
    fn advanced(&mut self, rested: bool) {
        if rested {
            self.fate = Fate::Over;
        } else if self.controller.is_off() && self.fate == Fate::UnderWay {
            self.fate = Fate::Lost;
        }
    }

    /// The next request that the controller will not complete any more.
    fn next_failed(&mut self) -> Option<(usize, u32)> {
        let id = self.requests.iter().position(Option::is_some).filter(|_| self.fate != Fate::UnderWay);
        let Some(id) = id else {
            if self.controller.is_ready() {
                self.fate = Fate::UnderWay;
            }
            return None;
        };
        let transfer = self.requests[id].take()?;
        self.under_way -= 1;
        if self.fate == Fate::Over {
            transfer.end();
        }
        Some((id, outcome::DEVICE_FAILED))
    }

    /// The next request that the controller has completed.
    fn next_done(&mut self) -> Result<Option<(usize, u32)>, Lie> {
        while let Some(completion) = self.controller.io.take()? {
            if let Some(status) = self.done(completion)? {
                return Ok(Some((completion.id.into(), status)));
            }
        }
        self.controller.io.release();
        self.controller.io.ring();
        Ok(None)
    }

    /// A command is done: what became of its request, if it was the last one.
    fn done(&mut self, completion: Completion) -> Result<Option<u32>, Lie> {
        let id = usize::from(completion.id);
        let place = self.requests.get_mut(id).ok_or(Lie)?;
        let transfer = place.as_mut().ok_or(Lie)?;
        if completion.status == 0 {
            self.resets = 0;
            if transfer.goes_on(self.controller.identity()) {
                let command = transfer.command(id, self.controller.identity(), &self.lists);
                self.controller.io.push(completion.id, &command);
                return Ok(None);
            }
        }
        if let Some(transfer) = place.take() {
            transfer.end();
        }
        self.under_way -= 1;
        Ok(Some(status(completion.status)))
    }

    /// Whether a command has taken too long: all of them are a look older.
    fn is_late(&mut self) -> bool {
        self.requests.iter_mut().flatten().for_each(|transfer| transfer.looks += 1);
        self.requests.iter().flatten().any(|transfer| transfer.looks > LOOKS)
    }

    /// Looks at a controller that takes commands.
    fn examine(&mut self) -> Result<(), Failure> {
        self.controller.check()?;
        if self.is_late() {
            self.resets += 1;
            if self.resets > RESETS {
                return Err(Failure::Silent);
            }
            log::warn!("a command took more than {} s; the controller is reset", PERIOD.as_secs() * u64::from(LOOKS));
            self.controller.reset();
        }
        Ok(())
    }
}

/// Waits until the controller has come so far.
fn wait(controller: &mut Controller, clock: &mut impl Block, is: fn(&Controller) -> bool) -> Result<(), Failure> {
    controller.advance();
    while !is(controller) {
        if controller.is_off() {
            return Err(controller.failure().unwrap_or(Failure::Gone));
        }
        clock.wait_until(clock.now().saturating_add(TICK.as_nanos() as u64));
        controller.wait();
    }
    Ok(())
}

/// What a completion says: of a status of the controller's its code, without the type. (4.6.1)
fn status(status: u16) -> u32 {
    match (status & 0x7ff, u32::from(status & 0xff)) {
        (0, _) => outcome::DONE,
        (WRITE_PROTECTED, _) => outcome::READ_ONLY,
        (_, 0) => outcome::DEVICE_FAILED,
        (_, code) => code,
    }
}

impl Disk for Nvme {
    fn info(&self) -> Info {
        self.controller.identity().info()
    }

    fn places(&self) -> usize {
        self.requests.len()
    }

    fn has_cache(&self) -> bool {
        self.controller.identity().has_cache
    }

    fn is_ready(&self) -> bool {
        self.controller.is_ready() || self.has_failed()
    }

    fn submit(&mut self, operation: Operation, sector: u64, data: Option<Piece>, id: usize) -> Result<(), u32> {
        let free = self.requests.get_mut(id).filter(|place| place.is_none() && self.controller.is_ready());
        let place = free.ok_or(outcome::DEVICE_FAILED)?;
        let transfer = place.insert(Transfer::new(operation, sector, data, self.controller.identity())?);
        let command = transfer.command(id, self.controller.identity(), &self.lists);
        self.controller.io.push(id as u16, &command);
        self.under_way += 1;
        Ok(())
    }

    fn start(&mut self) {
        self.controller.io.ring();
    }

    /// The line falls when the completions were taken.
    fn acknowledge(&mut self) {}

    fn finished(&mut self) -> Option<(usize, u32)> {
        if self.controller.is_ready() && self.fate == Fate::UnderWay {
            match self.next_done() {
                Ok(next) => return next,
                Err(Lie) => self.controller.fail(Failure::Lie),
            }
        }
        let rested = self.controller.advance();
        self.advanced(rested);
        self.next_failed()
    }

    fn has_failed(&self) -> bool {
        self.controller.failure().is_some()
    }

    fn patience(&self) -> Option<Duration> {
        if self.controller.is_ready() {
            (self.under_way > 0).then_some(PERIOD)
        } else {
            (!self.controller.is_off()).then_some(TICK)
        }
    }

    fn look(&mut self) {
        if self.controller.is_ready() {
            if let Err(failure) = self.examine() {
                self.controller.fail(failure);
            }
        } else {
            let rested = self.controller.wait();
            self.advanced(rested);
        }
    }
}

#[cfg(test)]
mod tests;
