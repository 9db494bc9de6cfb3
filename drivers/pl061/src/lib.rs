//! The PL061, eight lines of general purpose input and output (ARM DDI 0190).
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use kit::class::gpio::Bank;
use kit::mmio::*;
use kit::pin::{Level, Trigger};

/// Lines of a bank.
const LINES: u32 = 8;

kit::registers! {
    /// Registers with a bit for each line (DDI 0190, 3.3), with their names there.
    struct Registers {
        /// GPIODIR: a 1 makes the line an output.
        0x400 => direction: ReadWrite<u32>,
        /// GPIOIS: a 1 makes the interrupt follow the level, a 0 the edges.
        0x404 => sense: ReadWrite<u32>,
        /// GPIOIBE: a 1 makes both edges count.
        0x408 => both_edges: ReadWrite<u32>,
        /// GPIOIEV: a 1 makes the high level or the rising edge count, a 0 the other.
        0x40c => event: ReadWrite<u32>,
        /// GPIOIE: a 1 lets the interrupt through.
        0x410 => mask: ReadWrite<u32>,
        /// GPIOMIS: a 1 says that the line interrupts.
        0x418 => masked_status: ReadOnly<u32>,
        /// GPIOIC: a 1 forgets an edge.
        0x41c => clear: WriteOnly<u32>,
        /// GPIOAFSEL: a 1 hands the line to the hardware.
        0x420 => mode: ReadWrite<u32>,
    }
}

/// A PL061.
#[derive(Debug)]
pub struct Pl061 {
    registers: Registers,
    /// GPIODATA, once for each line: the address says which bits of it are read and written (DDI 0190, 2.2.2).
    data: [ReadWrite<u32>; LINES as usize],
}

impl Pl061 {
    /// Takes over a bank. Lines stay inputs or outputs, as they are; none interrupts.
    ///
    /// # Errors
    /// The register block is too short.
    pub fn new(mmio: &Mmio) -> kit::Result<Self> {
        let data = |line: usize| mmio.register(4 << line);
        let data = [data(0)?, data(1)?, data(2)?, data(3)?, data(4)?, data(5)?, data(6)?, data(7)?];
        let registers = Registers::new(mmio)?;
        registers.mask.set(0);
        registers.mode.set(0);
        Ok(Self { registers, data })
    }
}

impl Bank for Pl061 {
    fn lines(&self) -> u32 {
        LINES
    }

    fn input(&mut self, line: u32) {
        write(&self.registers.direction, line, false);
    }

    /// What an input is written is what it is driven to as soon as it is an output.
    fn drive(&mut self, line: u32, level: Level) {
        let high = level == Level::High;
        self.data[line as usize].set(u32::from(high) << line);
        write(&self.registers.direction, line, true);
        self.data[line as usize].set(u32::from(high) << line);
    }

    fn level(&self, line: u32) -> Level {
        Level::from(self.data[line as usize].get() != 0)
    }

    /// An output reads as what it is driven to.
    fn driven(&self, line: u32) -> Option<Level> {
        let is_output = self.registers.direction.get() >> line & 1 == 1;
        is_output.then(|| self.level(line))
    }

    fn watch(&mut self, line: u32, trigger: Option<Trigger>) {
        let registers = &self.registers;
        write(&registers.mask, line, false);
        if let Some(trigger) = trigger {
            write(&registers.sense, line, matches!(trigger, Trigger::Low | Trigger::High));
            write(&registers.both_edges, line, trigger == Trigger::Both);
            write(&registers.event, line, matches!(trigger, Trigger::High | Trigger::Rising));
        }
        registers.clear.set(1 << line);
        write(&registers.mask, line, trigger.is_some());
    }

    fn pending(&mut self) -> Option<u32> {
        let line = self.registers.masked_status.get().trailing_zeros();
        (line < LINES).then_some(line)
    }
}

/// Writes the bit of one line.
fn write(register: &ReadWrite<u32>, line: u32, bit: bool) {
    register.set(register.get() & !(1 << line) | u32::from(bit) << line);
}

#[cfg(test)]
mod tests;
