//! A host controller: what one may tell it, and what it says (SD Host Controller Simplified Specification 3.00, 3).

use ipc::block::SECTOR;
use kit::dma::{self, Direction, Lent, Piece, Space};
use kit::mmio::*;
use sd::{Command, Data, Events, Failure, Host};

use crate::adma::{MAX_BYTES, Table};
use crate::clock::Source;
use crate::command;
use crate::registers::{BLOCKS, CAPABILITIES, CLOCK, CONTROL, Registers, STATE, VERSION};

/// How often a bit is looked at that changes at once. The specification does not say; this is the driver's own.
const SHORT: usize = 1000;
/// Command Complete.
const ANSWERED: u32 = 1;
/// Transfer Complete.
const MOVED: u32 = 1 << 1;
/// Card Insertion and Card Removal.
const CARD: u32 = 1 << 6 | 1 << 7;
/// What the controller is to tell of: Command Complete, Transfer Complete, the card, and errors.
const TOLD: u32 = ANSWERED | MOVED | CARD | ERRORS;
/// All errors of the specification; the rest of the upper half is reserved or the vendor's.
const ERRORS: u32 = 0x03ff_0000;

/// A host controller.
#[derive(Debug)]
pub struct Sdhci {
    registers: Registers,
    table: Table,
    source: Source,
    /// Of Power Control: the voltage of the card.
    voltage: u32,
    /// It reaches memory above 4 GiB.
    wide: bool,
}

impl Sdhci {
    /// The controller behind these registers, in whatever state, which reaches memory through this space.
    ///
    /// # Errors
    /// It is not there, or cannot be driven; no memory.
    pub fn new(mmio: &Mmio, space: Space) -> Result<Self, Failure> {
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
        let wide = capabilities.is_set(CAPABILITIES::WIDE);
        Ok(Self { registers, table: Table::new(space, wide)?, source, voltage, wide })
    }
}

impl Host for Sdhci {
    type Data = Lent;

    const MAX_BYTES: usize = MAX_BYTES;
    const OFF_TICKS: u32 = 1;
    const POWER_TICKS: u32 = 3;

    fn take_over(data: Piece, way: Data) -> Lent {
        data.lend(if way == Data::Write { Direction::ToDevice } else { Direction::FromDevice })
    }

    fn give_back(data: Lent) {
        data.reclaim();
    }

    /// Resets all of it: it has nothing of anybody's memory then. It has when [`Self::is_resetting`] says no.
    fn reset(&mut self) {
        self.registers.signalled.set(0);
        self.registers.clock.write(CLOCK::RESET_ALL::SET);
    }

    /// It is not done with a reset.
    fn is_resetting(&self) -> bool {
        let resets = CLOCK::RESET_ALL::SET + CLOCK::RESET_COMMAND::SET + CLOCK::RESET_DATA::SET;
        self.registers.clock.any_matching_bits_set(resets)
    }

    /// Resets it at once. `false`: it does not come to rest so soon.
    fn reset_now(&mut self) -> bool {
        self.reset();
        (0..SHORT).any(|_| !self.is_resetting())
    }

    /// Resets what is behind the command and data lines, after an error. (3.10.1) `false`: it does not come to rest so soon.
    fn clear_lines(&mut self) -> bool {
        self.registers.clock.modify(CLOCK::RESET_COMMAND::SET + CLOCK::RESET_DATA::SET);
        let rests = (0..SHORT).any(|_| !self.is_resetting());
        self.registers.events.set(TOLD & !CARD);
        rests
    }

    /// It tells of what happens.
    fn listen(&mut self) {
        self.registers.enabled.set(TOLD);
        self.registers.signalled.set(TOLD);
    }

    /// Starts its internal clock, of which the card's has at most so many Hz; that stands still. (3.2.1)
    fn start_clock(&mut self, most: u32) {
        let divider = self.source.divider(most);
        let high = if self.source.any { CLOCK::DIVIDER_HIGH.val(divider >> 8) } else { CLOCK::DIVIDER_HIGH.val(0) };
        let divider = CLOCK::DIVIDER.val(divider & 0xff) + high;
        self.registers.clock.write(divider + CLOCK::INTERNAL::SET + CLOCK::TIMEOUT.val(14));
    }

    /// The internal clock is stable.
    fn is_stable(&self) -> bool {
        self.registers.clock.is_set(CLOCK::STABLE)
    }

    /// The card has its clock. (3.2.2)
    fn clock_card(&mut self) {
        self.registers.clock.modify(CLOCK::CARD::SET);
    }

    /// The card has power, and so many data lines. (3.3, 3.4)
    fn power(&mut self, four_bits: bool) {
        let dma = if self.wide { CONTROL::DMA::Adma64 } else { CONTROL::DMA::Adma32 };
        let lines = CONTROL::FOUR_BITS.val(four_bits.into());
        self.registers.control.write(CONTROL::POWER::SET + CONTROL::VOLTAGE.val(self.voltage) + dma + lines);
    }

    /// Card Inserted is what it is for good. (2.2.9)
    fn is_settled(&self) -> bool {
        self.registers.state.is_set(STATE::SETTLED)
    }

    /// There is a card in the slot.
    fn has_card(&self) -> bool {
        self.registers.state.is_set(STATE::CARD)
    }

    /// The card's switch lets it be written.
    fn is_writable(&self) -> bool {
        self.registers.state.is_set(STATE::WRITABLE)
    }

    /// Takes what has happened.
    ///
    /// # Errors
    /// It is not there any more.
    fn take(&mut self) -> Result<Events, Failure> {
        let events = self.registers.events.get();
        if events == u32::MAX && self.registers.state.get() == u32::MAX {
            return Err(Failure::Gone);
        }
        if events & TOLD != 0 {
            self.registers.events.set(events & TOLD);
        }
        Ok(Events {
            answered: events & ANSWERED != 0,
            moved: events & MOVED != 0,
            card: events & CARD != 0,
            progress: false,
            errors: events & ERRORS,
        })
    }

    /// Blocks of 512 bytes, and the list that says where they are.
    fn describe(&mut self, data: &Lent, offset: usize, bytes: usize) -> bool {
        if !self.table.describe(data.bus() + offset as u64, bytes) {
            return false;
        }
        let (blocks, table) = ((bytes / SECTOR) as u32, self.table.bus());
        self.registers.blocks.write(BLOCKS::SIZE.val(SECTOR as u32) + BLOCKS::COUNT.val(blocks));
        self.registers.table_low.set(table as u32);
        if self.wide {
            self.registers.table_high.set((table >> 32) as u32);
        }
        true
    }

    /// Sends a command. (3.7.1.1)
    ///
    /// # Errors
    /// The lines that it needs stay in use.
    fn send(&mut self, command: &Command) -> Result<(), Failure> {
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
        self.registers.command.set(command::bits(command));
        Ok(())
    }

    /// What the card has answered: 32 bits.
    fn answer(&self) -> u32 {
        self.registers.response[0].get()
    }

    /// What the card has answered to the CMD12 that the controller sent by itself. (2.2.7)
    fn answer_at_end(&self) -> u32 {
        self.registers.response[3].get()
    }

    /// What the card has answered: CID or CSD, whose lowest eight bits the controller keeps. (2.2.7)
    fn long_answer(&self) -> u128 {
        let words = self.registers.response.iter().map(|word| u128::from(word.get())).enumerate();
        words.fold(0, |all, (index, word)| all | word << (32 * index)) << 8
    }
}
