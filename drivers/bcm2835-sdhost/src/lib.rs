//! The SD host controller that Broadcom made for the BCM2835 and that its successors up to the BCM2837 have: beside the one that the SD
//! Association specifies, and on a Raspberry Pi in front of the card.
//!
//! It has no DMA of its own; the driver copies between its FIFO and memory. What clock it divides nothing tells yet: the divider is for
//! the fastest that it can be, so that a card is never clocked faster than it may be.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

mod data;
mod registers;

use ipc::block::SECTOR;
use kit::dma::Piece;
use kit::mmio::*;
use sd::{Answer, Command, Data, Events, Failure, Host};

use data::Run;
use registers::{COMMAND, CONFIG, DEBUG, Registers};

/// Hz of the clock that is divided, at most: 250 MHz in a BCM2835, 400 MHz in a BCM2837, and up to this with `core_freq` of the boot
/// loader's configuration.
const CLOCK: u32 = 500_000_000;
/// The divider has 11 bits, and counts two more.
const DIVIDERS: u32 = 0x7ff;
/// How often a bit is looked at that changes soon. This is the driver's own.
const SHORT: usize = 100;
/// Words of which the FIFO tells: it has 16, and fewer are used for the sake of errors in silicon (Linux has these, too).
const LIMIT: u32 = 4;

/// SDHSTS: the card is not busy any more; a block was written; a card of SDIO (QEMU: there is data); there is data, or room for it.
const BUSY: u32 = 1 << 10;
const BLOCK: u32 = 1 << 9;
const SDIO: u32 = 1 << 8;
const DATA: u32 = 1;
/// SDHSTS: data or the end of a block took too long, no answer, a wrong checksum of data or of an answer, too many words or too few.
const ERRORS: u32 = 0xf8;
const ANSWER_CHECKSUM: u32 = 1 << 4;
/// Errors that the controller does not have: a command failed without a reason; the memory of the data is gone.
const NO_REASON: u32 = 1 << 31;
const NO_MEMORY: u32 = 1 << 30;

/// A controller.
#[derive(Debug)]
pub struct SdHost {
    registers: Registers,
    four_bits: bool,
    /// The command under way. The one that ends a transfer is the controller's own while `ends` is set.
    sent: Option<Command>,
    ends: bool,
    /// The data of the command under way, or of the next one.
    run: Option<Run>,
    /// Of SDHSTS, since the command under way was sent.
    seen: u32,
    answer: u32,
    answer_at_end: u32,
    long_answer: u128,
}

impl SdHost {
    /// The controller behind these registers, in whatever state.
    ///
    /// # Errors
    /// It is not there.
    pub fn new(mmio: &Mmio) -> Result<Self, Failure> {
        let registers = Registers::new(mmio)?;
        let host = Self {
            registers,
            four_bits: false,
            sent: None,
            ends: false,
            run: None,
            seen: 0,
            answer: 0,
            answer_at_end: 0,
            long_answer: 0,
        };
        if host.is_gone() { Err(Failure::Gone) } else { Ok(host) }
    }

    fn is_gone(&self) -> bool {
        self.registers.status.get() == u32::MAX && self.registers.command.get() == u32::MAX
    }

    /// Tells of the card, and if `data` of what the FIFO has or has room for.
    fn configure(&self, data: bool) {
        let ways = CONFIG::WIDE::SET + CONFIG::SLOW::SET + CONFIG::FOUR_BITS.val(self.four_bits.into());
        let data = CONFIG::DATA.val(data.into()) + CONFIG::BLOCK.val(data.into());
        self.registers.config.write(ways + data + CONFIG::BUSY::SET);
    }

    /// It forgets the command and the data that it has.
    fn forget(&mut self) {
        (self.sent, self.ends, self.run, self.seen) = (None, false, None, 0);
        self.registers.block_bytes.set(0);
        self.registers.blocks.set(0);
    }

    /// It is between commands. One that still waits for blocks is told that none come.
    fn is_idle(&self) -> bool {
        let debug = self.registers.debug.extract();
        match debug.read_as_enum(DEBUG::PHASE) {
            Some(DEBUG::PHASE::Value::Identify | DEBUG::PHASE::Value::Data) => true,
            Some(DEBUG::PHASE::Value::ReadWait | DEBUG::PHASE::Value::WriteStart) => {
                self.registers.debug.set(debug.get() | DEBUG::FORCE_DATA::SET.value);
                false
            }
            None => false,
        }
    }

    fn is_sending(&self) -> bool {
        self.registers.command.is_set(COMMAND::NEW)
    }

    fn issue(&mut self, command: &Command) {
        self.seen = 0;
        self.registers.status.set(ERRORS | BUSY | BLOCK | SDIO | DATA);
        self.registers.argument.set(command.argument);
        let answer = match command.answer {
            Answer::None => COMMAND::SILENT::SET,
            Answer::Long => COMMAND::LONG::SET,
            Answer::Busy => COMMAND::BUSY::SET,
            Answer::Bare | Answer::Short => COMMAND::SILENT::CLEAR,
        };
        let data = match command.data {
            None => COMMAND::READ::CLEAR,
            Some(Data::Read) => COMMAND::READ::SET,
            Some(Data::Write) => COMMAND::WRITE::SET,
        };
        self.registers.command.write(COMMAND::INDEX.val(command.index.into()) + answer + data + COMMAND::NEW::SET);
        self.sent = Some(*command);
    }

    /// Whether the command under way is done, and what came of it.
    fn hear(&mut self, events: &mut Events) {
        let Some(command) = self.sent else { return };
        if !(0..SHORT).any(|_| !self.is_sending()) {
            return;
        }
        self.seen |= self.registers.status.get();
        // An answer without a checksum has a wrong one.
        let forgiven = if command.answer == Answer::Bare { ANSWER_CHECKSUM } else { 0 };
        let errors = self.seen & ERRORS & !forgiven;
        let failed = self.registers.command.is_set(COMMAND::FAILED) && self.seen & forgiven == 0;
        if errors != 0 || failed {
            events.errors |= if errors == 0 { NO_REASON } else { errors };
            self.forget();
            return;
        }
        if command.answer == Answer::Busy && self.seen & BUSY == 0 {
            return;
        }
        self.registers.status.set(ERRORS | BUSY);
        self.sent = None;
        self.keep(command.answer);
        if core::mem::take(&mut self.ends) {
            events.moved = true;
        } else {
            events.answered = true;
            events.moved |= command.answer == Answer::Busy;
        }
    }

    fn keep(&mut self, answer: Answer) {
        let word = |index: usize| self.registers.response[index].get();
        match answer {
            Answer::None => {}
            Answer::Long => {
                let words = (0..4).map(|index| u128::from(word(index)) << (32 * index));
                self.long_answer = words.sum::<u128>() & !0xff;
            }
            _ if self.ends => self.answer_at_end = word(0),
            Answer::Bare | Answer::Short | Answer::Busy => self.answer = word(0),
        }
    }

    /// Moves what can be of the data, and ends the transfer when all of it is.
    fn feed(&mut self, events: &mut Events) {
        let Some(run) = &mut self.run else { return };
        let errors = self.seen & ERRORS;
        // The data's client is below the driver: it does not take its memory away while this goes on.
        if errors != 0 || !run.is_present() {
            events.errors |= if errors == 0 { NO_MEMORY } else { errors };
            self.forget();
            self.configure(false);
            return;
        }
        events.progress |= run.go_on(&self.registers);
        if self.sent.is_none() && run.is_done(&self.registers) {
            self.run = None;
            self.configure(false);
            self.ends = true;
            self.issue(&Command::stop());
        }
    }
}

impl Host for SdHost {
    type Data = Piece;

    /// The count of blocks has nine bits.
    const MAX_BYTES: usize = 256 * SECTOR;
    const OFF_TICKS: u32 = 20;
    const POWER_TICKS: u32 = 20;

    fn take_over(data: Piece, _: Data) -> Piece {
        data
    }

    fn give_back(_: Piece) {}

    fn reset(&mut self) {
        self.registers.power.set(0);
        self.registers.command.set(0);
        self.registers.argument.set(0);
        self.registers.timeout.set(0xf0_0000);
        self.registers.divider.set(0);
        self.registers.config.set(0);
        self.registers.status.set(ERRORS | BUSY | BLOCK | SDIO);
        self.forget();
        self.registers.debug.modify(DEBUG::WRITE_LIMIT.val(LIMIT) + DEBUG::READ_LIMIT.val(LIMIT));
        self.four_bits = false;
    }

    fn is_resetting(&self) -> bool {
        false
    }

    fn reset_now(&mut self) -> bool {
        self.reset();
        true
    }

    fn clear_lines(&mut self) -> bool {
        self.forget();
        self.configure(false);
        for _ in 0..SHORT {
            if self.registers.debug.read(DEBUG::LEVEL) == 0 {
                break;
            }
            let _ = self.registers.data.get();
        }
        // What it waits for of the card, the end of the transfer ends.
        self.is_idle();
        let rests = (0..SHORT).any(|_| !self.is_sending());
        self.registers.status.set(ERRORS | BUSY | BLOCK | SDIO | DATA);
        rests
    }

    fn listen(&mut self) {
        self.configure(false);
    }

    fn start_clock(&mut self, most: u32) {
        self.registers.divider.set((CLOCK.div_ceil(most) - 2).min(DIVIDERS));
        // Half a second, if the clock is as fast as it can be.
        self.registers.timeout.set(most / 2);
    }

    fn is_stable(&self) -> bool {
        true
    }

    /// It cannot stand still.
    fn clock_card(&mut self) {}

    fn power(&mut self, four_bits: bool) {
        self.four_bits = four_bits;
        self.registers.power.set(1);
        self.configure(false);
    }

    fn is_settled(&self) -> bool {
        true
    }

    /// No line of the card's place leads to it.
    fn has_card(&self) -> bool {
        true
    }

    fn is_writable(&self) -> bool {
        true
    }

    fn take(&mut self) -> Result<Events, Failure> {
        let status = self.registers.status.get();
        if status == u32::MAX && self.is_gone() {
            return Err(Failure::Gone);
        }
        self.registers.status.set(status & (BUSY | BLOCK | SDIO | DATA));
        self.seen |= status;
        let mut events = Events::default();
        self.hear(&mut events);
        // It comes before the answer, too.
        self.feed(&mut events);
        // The end of the transfer, if it was sent.
        self.hear(&mut events);
        Ok(events)
    }

    fn describe(&mut self, data: &Piece, offset: usize, bytes: usize) -> bool {
        self.run = data.part(offset, bytes).map(Run::new);
        self.run.is_some()
    }

    fn send(&mut self, command: &Command) -> Result<(), Failure> {
        if !(0..SHORT).any(|_| !self.is_sending() && (command.is_abort() || self.is_idle())) {
            return Err(Failure::Busy);
        }
        match (command.data, &mut self.run) {
            (Some(way), Some(run)) => {
                run.begin(way);
                self.registers.block_bytes.set(SECTOR as u32);
                self.registers.blocks.set(run.blocks());
                self.configure(true);
            }
            _ => self.run = None,
        }
        self.issue(command);
        Ok(())
    }

    fn answer(&self) -> u32 {
        self.answer
    }

    fn answer_at_end(&self) -> u32 {
        self.answer_at_end
    }

    fn long_answer(&self) -> u128 {
        self.long_answer
    }
}

#[cfg(test)]
mod tests;
