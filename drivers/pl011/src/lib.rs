//! The PL011 UART (ARM DDI 0183).
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

#[cfg(test)]
mod fake;
mod registers;

extern crate alloc;

use alloc::collections::VecDeque;

use kit::class::serial::{Received, Uart};
use kit::mmio::*;

use registers::{CR, DR, FR, IFLS, INT, LCR_H, Registers};

/// How often the device is asked whether it is still sending, before its setting is changed all the same. The FIFO of 32
/// takes 3 ms at 115,200 baud.
const DRAIN: usize = 100_000;

/// Looks without a byte after which none is expected right away; less one for each that came, so that an endless line ends.
const QUIET: usize = 5000;

/// A PL011.
#[derive(Debug)]
pub struct Pl011 {
    registers: Registers,
    /// What had arrived before the FIFO was switched on, which empties it.
    early: VecDeque<Received>,
}

impl Pl011 {
    /// Takes over a UART: FIFOs and interrupts on. Baud rate and frame stay as the boot loader left them, as the clock is
    /// not known here; a UART that was never enabled gets 8N1.
    ///
    /// # Errors
    /// The register block is too short.
    pub fn new(mmio: &Mmio) -> Result<Self, kit::Error> {
        let mut uart = Self { registers: Registers::new(mmio)?, early: VecDeque::new() };
        uart.set_up();
        Ok(uart)
    }

    /// DDI 0183, 3.3.8: LCR_H changes only while the UART is off and has stopped sending. Writing it also takes over the
    /// divisor, which nobody changed.
    fn set_up(&mut self) {
        self.registers.interrupt_mask.set(0);
        self.registers.dma_control.set(0);
        let _ = (0..DRAIN).find(|_| !self.registers.flags.is_set(FR::BUSY));
        let was_on = self.registers.control.is_set(CR::UARTEN);
        if !was_on || !self.registers.line_control.is_set(LCR_H::FEN) {
            self.registers.control.modify(CR::UARTEN::CLEAR);
            let found = self.registers.line_control.get();
            // Right before: what comes in between is lost, or comes twice. QEMU has the next one wait behind each, also while the UART
            // is off: until none has come for a while.
            while let Some(byte) = (0..QUIET.saturating_sub(self.early.len())).find_map(|_| self.next()) {
                self.early.push_back(byte);
            }
            let frame = if was_on { found } else { LCR_H::WLEN::Eight.value };
            self.registers.line_control.set(frame | LCR_H::FEN::SET.value);
        }
        self.registers.fifo_levels.write(IFLS::TXIFLSEL::Eighth + IFLS::RXIFLSEL::Half);
        self.registers.interrupt_clear.write(INT::ALL.val(0x7ff));
        self.registers.control.modify(CR::UARTEN::SET + CR::TXE::SET + CR::RXE::SET + CR::DTR::SET + CR::RTS::SET);
        self.registers.interrupt_mask.write(INT::RX::SET + INT::RT::SET);
    }

    fn next(&mut self) -> Option<Received> {
        let word = (!self.registers.flags.is_set(FR::RXFE)).then(|| self.registers.data.extract())?;
        let byte = word.read(DR::DATA) as u8;
        Some(match word.is_set(DR::FRAMING) || word.is_set(DR::PARITY) || word.is_set(DR::BREAK) {
            true => Received::Broken,
            false if word.is_set(DR::OVERRUN) => Received::Overrun(byte),
            false => Received::Byte(byte),
        })
    }
}

impl Uart for Pl011 {
    /// The receive interrupt clears itself when the FIFO empties.
    fn receive(&mut self) -> Option<Received> {
        self.early.pop_front().or_else(|| self.next())
    }

    fn send(&mut self, byte: u8) -> bool {
        let room = !self.registers.flags.is_set(FR::TXFF);
        if room {
            self.registers.data.write(DR::DATA.val(byte.into()));
        }
        room
    }

    /// It comes when the FIFO falls to an eighth, so it is never cleared by hand: it would not come again.
    fn interrupt_for_room(&mut self, wanted: bool) {
        self.registers.interrupt_mask.write(INT::RX::SET + INT::RT::SET + INT::TX.val(wanted.into()));
    }

    fn acknowledge(&mut self) {
        self.registers.interrupt_clear.write(INT::RT::SET + INT::FE::SET + INT::PE::SET + INT::BE::SET + INT::OE::SET);
    }
}

#[cfg(test)]
mod tests;
