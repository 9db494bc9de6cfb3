//! UARTs like the 16550 (National Semiconductor PC16550D, 1995): also the DesignWare APB UART (Synopsys DW_apb_uart Databook), and the
//! BCM2835's mini UART.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

mod registers;

use kit::class::serial::{Received, Uart};
use kit::mmio::Mmio;
use kit::tock_registers::LocalRegisterCopy;

use registers::{FCR, IER, IIR, LCR, LSR, MCR, Registers};
pub use registers::{Layout, Model};

/// How often a DesignWare UART that is busy is made idle before its setting is left as it is.
const TRIES: usize = 1000;
/// Bytes of the FIFO: the 16550A's; chips with more say so in ways of their own.
const FIFO: usize = 16;

/// A 16550.
#[derive(Debug)]
pub struct Ns16550 {
    registers: Registers,
    /// Bytes that can be sent without a look.
    room: usize,
    /// Bytes that can be sent when all are gone: 1 without FIFO.
    depth: usize,
    /// A look at the line's status takes its errors away: they belong to the next byte.
    errors: LocalRegisterCopy<u32, LSR::Register>,
    /// What had arrived before the FIFO was switched on, which empties it.
    early: Option<Received>,
    /// It is the BCM2835's.
    is_mini: bool,
}

impl Ns16550 {
    /// Takes over a UART: FIFOs and interrupts on. Baud rate and frame stay as the boot loader left them, as the clock is not
    /// known here; a UART whose frame was never set gets 8N1.
    ///
    /// # Errors
    /// The register block is too short.
    pub fn new(mmio: &Mmio, layout: Layout) -> kit::Result<Self> {
        let registers = Registers::new(mmio, layout)?;
        let is_mini = layout.model == Model::Mini;
        let mut uart = Self { registers, room: 0, depth: 1, errors: LocalRegisterCopy::new(0), early: None, is_mini };
        uart.set_frame();
        uart.registers.interrupt_enable.set(0);
        if !uart.has_fifos() {
            uart.early = uart.receive();
        }
        uart.registers.fifo_control.write(FCR::ENABLE::SET + FCR::TRIGGER::Half);
        if uart.has_fifos() && !is_mini {
            uart.depth = FIFO;
        }
        // On a PC OUT2 lets the interrupt through.
        uart.registers.modem_control.write(MCR::DTR::SET + MCR::RTS::SET + MCR::OUT2::SET);
        uart.interrupt_for_room(false);
        Ok(uart)
    }

    fn has_fifos(&self) -> bool {
        self.registers.interrupt_identification.get().matches_all(IIR::FIFOS::Enabled)
    }

    /// No break, and the data where the divisor may have been.
    fn set_frame(&self) {
        let control = &self.registers.line_control;
        let found = control.get();
        let frame = match found.read(LCR::FRAME) {
            0 => LCR::FRAME::EightBits.value,
            frame => frame,
        };
        if found.get() == frame {
            return;
        }
        for _ in 0..TRIES {
            control.set(frame);
            if control.get().get() == frame {
                break;
            }
            // A DesignWare UART takes none while it is busy, which bytes in its FIFOs make it.
            let clear = FCR::ENABLE::SET + FCR::CLEAR_RECEIVED::SET + FCR::CLEAR_SENDING::SET;
            self.registers.fifo_control.write(clear);
        }
    }

    fn status(&mut self) -> LocalRegisterCopy<u32, LSR::Register> {
        let status = self.registers.line_status.get();
        self.errors.set(self.errors.get() | LSR::ERRORS.val(status.read(LSR::ERRORS)).value);
        status
    }
}

impl Uart for Ns16550 {
    fn receive(&mut self) -> Option<Received> {
        if self.early.is_some() || !self.status().is_set(LSR::DATA_READY) {
            return self.early.take();
        }
        let byte = self.registers.data.get().get() as u8;
        let errors = core::mem::replace(&mut self.errors, LocalRegisterCopy::new(0));
        Some(match errors.is_set(LSR::PARITY) || errors.is_set(LSR::FRAMING) || errors.is_set(LSR::BREAK) {
            true => Received::Broken,
            false if errors.is_set(LSR::OVERRUN) => Received::Overrun(byte),
            false => Received::Byte(byte),
        })
    }

    fn send(&mut self, byte: u8) -> bool {
        if self.room == 0 && self.status().is_set(LSR::THRE) {
            self.room = self.depth;
        }
        let has_room = self.room > 0;
        if has_room {
            self.registers.data.set(byte.into());
            self.room -= 1;
        }
        has_room
    }

    /// It comes when all bytes are gone; of the mini UART when there is room.
    fn interrupt_for_room(&mut self, wanted: bool) {
        let always = IER::MINI.val(if self.is_mini { 0b11 } else { 0 });
        self.registers.interrupt_enable.write(always + IER::ERBFI::SET + IER::ETBEI.val(wanted.into()));
    }

    /// A look at what interrupts takes "all are gone" back. A DesignWare UART interrupts when a setting came while it was busy, and
    /// sometimes for bytes that wait too long and are not there, until one is read.
    fn acknowledge(&mut self) {
        let what = self.registers.interrupt_identification.get();
        let Some(uart_status) = &self.registers.uart_status else { return };
        if what.matches_all(IIR::ID::BusyDetected) {
            uart_status.get();
        } else if what.matches_all(IIR::ID::CharacterTimeout) && !self.status().is_set(LSR::DATA_READY) {
            self.registers.data.get();
        }
    }
}

#[cfg(test)]
mod tests;
