//! The device: bytes go out through a FIFO of 16 or 32 with a ring in front of it, and come in the same way.

use kit::mmio::Mmio;
use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};

use crate::registers::{CR, DR, FR, IFLS, INT, LCR_H, Registers};
use crate::ring::Ring;

/// Bytes that wait to be sent, beyond the FIFO's.
const OUTPUT: usize = 4096;
/// Bytes that have arrived and wait to be read.
const INPUT: usize = 1024;
/// Most bytes taken from the FIFO in one go: a device that never runs empty must not hold up everything else.
const BURST: usize = 64;
/// How often the device is asked whether it is still sending, before its setting is changed all the same. The FIFO of 32
/// takes 3 ms at 115,200 baud.
const DRAIN: usize = 100_000;

/// What an interrupt brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Bytes arrived.
    pub input: bool,
    /// Half of the output ring has become free.
    pub room: bool,
}

/// A PL011.
#[derive(Debug)]
pub struct Line {
    registers: Registers,
    output: Ring,
    input: Ring,
    lost: u64,
}

impl Line {
    /// Takes over a UART: FIFOs and interrupts on. Baud rate and frame stay as the boot loader left them, as the clock is
    /// not known here; a UART that was never enabled gets 8N1.
    ///
    /// # Errors
    /// The register block is too short.
    pub fn new(mmio: &Mmio) -> Result<Self, kit::Error> {
        let registers = Registers::new(mmio)?;
        let mut line = Self { registers, output: Ring::new(OUTPUT), input: Ring::new(INPUT), lost: 0 };
        line.set_up();
        Ok(line)
    }

    /// DDI 0183, 3.3.8: LCR_H changes only while the UART is off and has stopped sending. Writing it also takes over the
    /// divisor, which nobody changed. Switching the FIFO empties it, so what has arrived is taken before.
    fn set_up(&mut self) {
        self.receive();
        let registers = &self.registers;
        registers.interrupt_mask.set(0);
        registers.dma_control.set(0);
        for _ in 0..DRAIN {
            if !registers.flags.is_set(FR::BUSY) {
                break;
            }
        }
        let was_on = registers.control.is_set(CR::UARTEN);
        registers.control.modify(CR::UARTEN::CLEAR);
        match was_on {
            true => registers.line_control.modify(LCR_H::FEN::SET),
            false => registers.line_control.write(LCR_H::FEN::SET + LCR_H::WLEN::Eight),
        }
        registers.fifo_levels.write(IFLS::TXIFLSEL::Eighth + IFLS::RXIFLSEL::Half);
        registers.interrupt_clear.write(INT::ALL.val(0x7ff));
        registers.control.modify(CR::UARTEN::SET + CR::TXE::SET + CR::RXE::SET + CR::DTR::SET + CR::RTS::SET);
        registers.interrupt_mask.write(INT::RX::SET + INT::RT::SET);
        // What arrived meanwhile, and whose interrupt was just cleared.
        self.receive();
    }

    /// Takes as many of these bytes as there is room for, and says how many. Never waits.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.iter().take_while(|&&byte| self.output.push(byte)).count();
        self.send();
        taken
    }

    /// Takes what has arrived, at most as many bytes as `out` has; says how many.
    pub fn read(&mut self, out: &mut [u8]) -> usize {
        let mut count = 0;
        for (place, byte) in out.iter_mut().zip(core::iter::from_fn(|| self.input.pop())) {
            *place = byte;
            count += 1;
        }
        count
    }

    /// Bytes lost since the last time this was asked, because nobody read or the device was not served in time.
    pub fn take_lost(&mut self) -> u64 {
        core::mem::take(&mut self.lost)
    }

    /// Whether bytes wait to be read.
    pub const fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// The device wants attention.
    pub fn interrupt(&mut self) -> News {
        let input = self.receive();
        let waited = self.output.len();
        self.send();
        News {
            input,
            room: waited > OUTPUT / 2 && self.output.len() <= OUTPUT / 2 || waited > 0 && self.output.is_empty(),
        }
    }

    /// Moves bytes from the FIFO to the ring. The timeout is cleared before: a byte that arrives behind the last look
    /// raises it again. (The receive interrupt clears itself when the FIFO empties.)
    fn receive(&mut self) -> bool {
        let registers = &self.registers;
        registers.interrupt_clear.write(INT::RT::SET + INT::FE::SET + INT::PE::SET + INT::BE::SET + INT::OE::SET);
        let before = self.input.len();
        for _ in 0..BURST {
            if registers.flags.is_set(FR::RXFE) {
                break;
            }
            let word = registers.data.extract();
            let good = !word.is_set(DR::FRAMING) && !word.is_set(DR::PARITY) && !word.is_set(DR::BREAK);
            // Where the ring is full the newest bytes go: what was typed first is what the reader waits for.
            let kept = good && self.input.push(word.read(DR::DATA) as u8);
            self.lost += u64::from(good && !kept) + u64::from(word.is_set(DR::OVERRUN));
        }
        self.input.len() > before
    }

    /// Fills the FIFO from the ring, and asks for an interrupt if some stay. The transmit interrupt comes when the FIFO
    /// falls to an eighth, so it is never cleared by hand: it would not come again.
    fn send(&mut self) {
        let registers = &self.registers;
        while !registers.flags.is_set(FR::TXFF) {
            let Some(byte) = self.output.pop() else { break };
            registers.data.write(DR::DATA.val(byte.into()));
        }
        let mask = INT::RX::SET + INT::RT::SET;
        match self.output.is_empty() {
            true => registers.interrupt_mask.write(mask),
            false => registers.interrupt_mask.write(mask + INT::TX::SET),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Uart;

    #[test]
    fn a_line_in_use_keeps_its_frame_and_divisor() {
        let uart = Uart::new();
        uart.poke(0x24, 39);
        uart.poke(0x28, 5);
        uart.poke(0x2c, 0x60 | 0x08);
        uart.poke(0x30, 0x301);
        Line::new(&uart.mmio()).unwrap();
        assert_eq!((uart.peek(0x24), uart.peek(0x28)), (39, 5));
        assert_eq!(uart.peek(0x2c), 0x60 | 0x08 | 0x10);
        assert_eq!(uart.peek(0x30), 0xf01);
        assert_eq!(uart.peek(0x38), 0x50);
        assert!(!uart.changed_frame_while_on());
    }

    #[test]
    fn what_was_typed_before_is_kept() {
        let uart = Uart::new();
        b"ls".iter().for_each(|&byte| uart.receive(byte.into()));
        let mut line = Line::new(&uart.mmio()).unwrap();
        let mut out = [0; 4];
        assert_eq!((line.read(&mut out), &out), (2, b"ls\0\0"));
    }

    #[test]
    fn a_line_that_was_off_gets_8n1() {
        let uart = Uart::new();
        Line::new(&uart.mmio()).unwrap();
        assert_eq!(uart.peek(0x2c), 0x70);
    }

    #[test]
    fn output_passes_through_fifo_and_ring_in_order() {
        let uart = Uart::new();
        let mut line = Line::new(&uart.mmio()).unwrap();
        let text: Vec<u8> = (0..5000u32).map(|byte| byte as u8).collect();
        let taken = line.write(&text);
        assert_eq!(taken, OUTPUT, "more than the ring takes is refused; the FIFO is filled from it");
        assert!(uart.asserted() || uart.fifo() == 32);
        let mut sent = taken;
        let mut out = Vec::new();
        while out.len() < text.len() {
            out.extend(uart.transmit(32));
            if uart.asserted() {
                line.interrupt();
            }
            sent += line.write(&text[sent..]);
        }
        assert_eq!(out, text);
        assert_eq!(uart.peek(0x38), 0x50, "no transmit interrupts while there is nothing to send");
    }

    #[test]
    fn room_is_news_once() {
        let uart = Uart::new();
        let mut line = Line::new(&uart.mmio()).unwrap();
        line.write(&[1; OUTPUT]);
        let mut rooms = 0;
        while uart.fifo() > 0 {
            uart.transmit(32);
            rooms += usize::from(line.interrupt().room);
        }
        assert_eq!(rooms, 2, "at the half and at the end");
    }

    #[test]
    fn input_arrives_and_overflow_drops_the_newest() {
        let uart = Uart::new();
        let mut line = Line::new(&uart.mmio()).unwrap();
        for byte in 0..INPUT + 10 {
            uart.receive(byte as u32 & 0xff);
            assert!(uart.asserted());
            assert_eq!(line.interrupt().input, byte < INPUT);
            assert!(!uart.asserted());
        }
        assert_eq!(line.take_lost(), 10);
        let mut out = [0; INPUT + 10];
        assert_eq!(line.read(&mut out), INPUT);
        assert!(out[..INPUT].iter().enumerate().all(|(index, &byte)| byte == index as u8));
        assert_eq!(line.read(&mut out), 0);
    }

    #[test]
    fn broken_bytes_are_dropped() {
        let uart = Uart::new();
        let mut line = Line::new(&uart.mmio()).unwrap();
        uart.receive(0x100 | 1);
        uart.receive(0x400);
        assert!(!line.interrupt().input);
        uart.receive(0x800 | 65);
        assert!(line.interrupt().input);
        assert_eq!(line.take_lost(), 1);
    }

    #[test]
    fn a_device_that_never_runs_empty_does_not_hold_us() {
        let uart = Uart::new();
        let mut line = Line::new(&uart.mmio()).unwrap();
        uart.chatter();
        line.interrupt();
        uart.be_busy();
        Line::new(&uart.mmio()).unwrap();
    }
}
