//! The Cadence UART of Zynq and ZynqMP (AMD UG1085, chapter UART Controller; UG1087, module UART).
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

mod registers;

use kit::class::serial::{Received, Uart};
use kit::mmio::*;

use registers::{BYTE_STATUS, CONTROL, INTERRUPT, MODE, Registers, STATUS};

/// Bytes in the receiver's FIFO, of 64, at which it interrupts.
const TRIGGER: u32 = 32;
/// For fewer it interrupts when nothing came for four times as many bits: two bytes and a half.
const TIMEOUT: u32 = 6;

/// A Cadence UART.
#[derive(Debug)]
pub struct CadenceUart {
    registers: Registers,
}

impl CadenceUart {
    /// Takes over a UART. Baud rate and frame stay as the boot loader left them, as the clock is not known here; a UART that was
    /// never enabled gets 8N1.
    ///
    /// # Errors
    /// The register block is too short.
    pub fn new(mmio: &Mmio) -> kit::Result<Self> {
        let uart = Self { registers: Registers::new(mmio)? };
        uart.set_up();
        Ok(uart)
    }

    fn set_up(&self) {
        let registers = &self.registers;
        registers.interrupt_disable.write(INTERRUPT::ALL.val(0x3fff));
        if !registers.control.is_set(CONTROL::TXEN) {
            registers.mode.write(MODE::PAR::None);
        }
        registers.receiver_trigger.set(TRIGGER);
        registers.receiver_timeout.set(TIMEOUT);
        registers.control.write(CONTROL::RXEN::SET + CONTROL::TXEN::SET + CONTROL::TORST::SET);
        registers.interrupt_enable.write(INTERRUPT::RTRIG::SET + INTERRUPT::TIMEOUT::SET);
    }

    fn is_empty(&self) -> bool {
        self.registers.status.is_set(STATUS::REMPTY)
    }
}

impl Uart for CadenceUart {
    /// What says that something is there stays until it is cleared, and is again if it is cleared while something is there.
    fn receive(&mut self) -> Option<Received> {
        if self.is_empty() {
            self.registers.interrupt_status.write(INTERRUPT::RTRIG::SET + INTERRUPT::TIMEOUT::SET);
            if self.is_empty() {
                return None;
            }
        }
        // Of the byte that is read next; the older r1p8 has no such register, and 0 there.
        let errors = self.registers.byte_status.extract();
        let overrun = self.registers.interrupt_status.is_set(INTERRUPT::ROVR);
        let byte = self.registers.fifo.get() as u8;
        if overrun {
            self.registers.interrupt_status.write(INTERRUPT::ROVR::SET);
        }
        let broken = errors.is_set(BYTE_STATUS::PARITY)
            || errors.is_set(BYTE_STATUS::FRAMING)
            || errors.is_set(BYTE_STATUS::BREAK);
        Some(match (broken, overrun) {
            (true, _) => Received::Broken,
            (false, true) => Received::Overrun(byte),
            (false, false) => Received::Byte(byte),
        })
    }

    fn send(&mut self, byte: u8) -> bool {
        let room = !self.registers.status.is_set(STATUS::TFUL);
        if room {
            self.registers.fifo.set(byte.into());
        }
        room
    }

    /// It comes when the FIFO is empty.
    fn interrupt_for_room(&mut self, wanted: bool) {
        let empty = INTERRUPT::TEMPTY::SET;
        match wanted {
            true => self.registers.interrupt_enable.write(empty),
            false => self.registers.interrupt_disable.write(empty),
        }
    }

    /// The timeout counts anew: without that it comes once.
    fn acknowledge(&mut self) {
        self.registers.interrupt_status.write(INTERRUPT::TEMPTY::SET + INTERRUPT::FRAME::SET + INTERRUPT::PARE::SET);
        self.registers.control.write(CONTROL::RXEN::SET + CONTROL::TXEN::SET + CONTROL::TORST::SET);
    }
}

#[cfg(test)]
mod tests;
