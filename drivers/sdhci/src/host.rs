//! A host controller: what one may tell it, and what it says (SD Host Controller Simplified Specification 3.00, 3).

use kit::dma;
use kit::mmio::*;

use crate::clock::Source;
use crate::command::Command;
use crate::failure::Failure;
use crate::registers::{BLOCKS, CAPABILITIES, CLOCK, CONTROL, Registers, STATE, VERSION};

/// How often a bit is looked at that changes at once. The specification does not say; this is the driver's own.
const SHORT: usize = 1000;
/// Card Insertion and Card Removal.
const CARD: u32 = 1 << 6 | 1 << 7;
/// What the controller is to tell of: Command Complete, Transfer Complete, the card, and errors.
const TOLD: u32 = 1 | 1 << 1 | CARD | ERRORS;
/// All errors of the specification; the rest of the upper half is reserved or the vendor's.
const ERRORS: u32 = 0x03ff_0000;

/// What has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events(u32);

impl Events {
    /// Beside what happened before.
    pub const fn add(&mut self, more: Self) {
        self.0 |= more.0;
    }

    /// Nothing has.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The errors, by their bits.
    pub const fn errors(self) -> u32 {
        self.0 & ERRORS
    }

    /// The card has answered, and if `data` the data lines are done.
    pub const fn is_done(self, data: bool) -> bool {
        let wanted = if data { 0b11 } else { 0b01 };
        self.0 & wanted == wanted
    }
}

/// A host controller.
#[derive(Debug)]
pub struct Host {
    registers: Registers,
    source: Source,
    /// Of Power Control: the voltage of the card.
    voltage: u32,
    /// It reaches memory above 4 GiB.
    pub wide: bool,
}

impl Host {
    /// The controller behind these registers, in whatever state.
    ///
    /// # Errors
    /// It is not there, or cannot be driven.
    pub fn new(mmio: &Mmio) -> Result<Self, Failure> {
        let registers = Registers::new(mmio)?;
        if registers.state.get() == u32::MAX {
            return Err(Failure::Gone);
        }
        let capabilities = registers.capabilities.extract();
        if !capabilities.is_set(CAPABILITIES::ADMA2) {
            return Err(Failure::Dma);
        }
        let any = registers.version.read(VERSION::VERSION) >= 2;
        let mhz = capabilities.read(CAPABILITIES::BASE) & if any { 0xff } else { 0x3f };
        let clock = registers.clock.extract();
        let high = if any { clock.read(CLOCK::DIVIDER_HIGH) << 8 } else { 0 };
        let found = clock.read(CLOCK::DIVIDER) | high;
        let voltage = [(CAPABILITIES::V33, 7), (CAPABILITIES::V30, 6), (CAPABILITIES::V18, 5)];
        let voltage = voltage.into_iter().find(|(has, _)| capabilities.is_set(*has));
        let (_, voltage) = voltage.ok_or(Failure::Voltage)?;
        let source = Source { base: mhz * 1_000_000, any, found };
        Ok(Self { registers, source, voltage, wide: capabilities.is_set(CAPABILITIES::WIDE) })
    }

    /// Resets all of it: it has nothing of anybody's memory then. It has when [`Self::is_resetting`] says no.
    pub fn reset(&self) {
        self.registers.signalled.set(0);
        self.registers.clock.write(CLOCK::RESET_ALL::SET);
    }

    /// It is not done with a reset.
    pub fn is_resetting(&self) -> bool {
        let resets = CLOCK::RESET_ALL::SET + CLOCK::RESET_COMMAND::SET + CLOCK::RESET_DATA::SET;
        self.registers.clock.any_matching_bits_set(resets)
    }

    /// Resets it at once. `false`: it does not come to rest so soon.
    pub fn reset_now(&self) -> bool {
        self.reset();
        (0..SHORT).any(|_| !self.is_resetting())
    }

    /// Resets what is behind the command and data lines, after an error. (3.10.1) `false`: it does not come to rest so soon.
    pub fn clear_lines(&self) -> bool {
        self.registers.clock.modify(CLOCK::RESET_COMMAND::SET + CLOCK::RESET_DATA::SET);
        let rests = (0..SHORT).any(|_| !self.is_resetting());
        self.registers.events.set(TOLD & !CARD);
        rests
    }

    /// It tells of what happens.
    pub fn listen(&self) {
        self.registers.enabled.set(TOLD);
        self.registers.signalled.set(TOLD);
    }

    /// Starts its internal clock, of which the card's has at most so many Hz; that stands still. (3.2.1)
    pub fn start_clock(&self, most: u32) {
        let divider = self.source.divider(most);
        let high = if self.source.any { CLOCK::DIVIDER_HIGH.val(divider >> 8) } else { CLOCK::DIVIDER_HIGH.val(0) };
        let divider = CLOCK::DIVIDER.val(divider & 0xff) + high;
        self.registers.clock.write(divider + CLOCK::INTERNAL::SET + CLOCK::TIMEOUT.val(14));
    }

    /// The internal clock is stable.
    pub fn is_stable(&self) -> bool {
        self.registers.clock.is_set(CLOCK::STABLE)
    }

    /// The card has its clock. (3.2.2)
    pub fn clock_card(&self) {
        self.registers.clock.modify(CLOCK::CARD::SET);
    }

    /// The card has power, and so many data lines. (3.3, 3.4)
    pub fn power(&self, four_bits: bool) {
        let dma = if self.wide { CONTROL::DMA::Adma64 } else { CONTROL::DMA::Adma32 };
        let lines = CONTROL::FOUR_BITS.val(four_bits.into());
        self.registers.control.write(CONTROL::POWER::SET + CONTROL::VOLTAGE.val(self.voltage) + dma + lines);
    }

    /// Card Inserted is what it is for good. (2.2.9)
    pub fn is_settled(&self) -> bool {
        self.registers.state.is_set(STATE::SETTLED)
    }

    /// There is a card in the slot.
    pub fn has_card(&self) -> bool {
        self.registers.state.is_set(STATE::CARD)
    }

    /// The card's switch lets it be written.
    pub fn is_writable(&self) -> bool {
        self.registers.state.is_set(STATE::WRITABLE)
    }

    /// Takes what has happened.
    ///
    /// # Errors
    /// It is not there any more.
    pub fn take(&self) -> Result<Events, Failure> {
        let events = self.registers.events.get();
        if events == u32::MAX && self.registers.state.get() == u32::MAX {
            return Err(Failure::Gone);
        }
        if events & TOLD != 0 {
            self.registers.events.set(events & TOLD);
        }
        Ok(Events(events & TOLD))
    }

    /// Names the data of the next command: blocks of 512 bytes, and the list that says where they are.
    pub fn describe(&self, blocks: u32, table: u64) {
        self.registers.blocks.write(BLOCKS::SIZE.val(512) + BLOCKS::COUNT.val(blocks));
        self.registers.table_low.set(table as u32);
        if self.wide {
            self.registers.table_high.set((table >> 32) as u32);
        }
    }

    /// Sends a command. (3.7.1.1)
    ///
    /// # Errors
    /// The lines that it needs stay in use.
    pub fn send(&self, command: &Command) -> Result<(), Failure> {
        let is_free = |_| {
            let state = self.registers.state.extract();
            let data = command.uses_data() && !command.is_abort() && state.is_set(STATE::DATA);
            !data && !state.is_set(STATE::COMMAND)
        };
        if !(0..SHORT).any(is_free) {
            return Err(Failure::Busy);
        }
        self.registers.argument.set(command.argument);
        dma::publish();
        self.registers.command.set(command.bits());
        Ok(())
    }

    /// What the card has answered: 32 bits.
    pub fn answer(&self) -> u32 {
        self.registers.response[0].get()
    }

    /// What the card has answered to the CMD12 that the controller sent by itself. (2.2.7)
    pub fn answer_at_end(&self) -> u32 {
        self.registers.response[3].get()
    }

    /// What the card has answered: CID or CSD, whose lowest eight bits the controller keeps. (2.2.7)
    pub fn long_answer(&self) -> u128 {
        let words = self.registers.response.iter().map(|word| u128::from(word.get())).enumerate();
        words.fold(0, |all, (index, word)| all | word << (32 * index)) << 8
    }
}
