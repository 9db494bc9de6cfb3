//! The registers, by the names of ARM DDI 0183.

// The macro's types carry the manual's descriptions of their fields or speak for themselves.
#![allow(missing_docs)]

use kit::mmio::*;

register_bitfields![u32,
    pub DR [
        DATA OFFSET(0) NUMBITS(8) [],
        FRAMING OFFSET(8) NUMBITS(1) [],
        PARITY OFFSET(9) NUMBITS(1) [],
        BREAK OFFSET(10) NUMBITS(1) [],
        OVERRUN OFFSET(11) NUMBITS(1) [],
    ],
    pub FR [
        BUSY OFFSET(3) NUMBITS(1) [],
        RXFE OFFSET(4) NUMBITS(1) [],
        TXFF OFFSET(5) NUMBITS(1) [],
    ],
    pub LCR_H [
        FEN OFFSET(4) NUMBITS(1) [],
        WLEN OFFSET(5) NUMBITS(2) [Eight = 3],
    ],
    pub CR [
        UARTEN OFFSET(0) NUMBITS(1) [],
        TXE OFFSET(8) NUMBITS(1) [],
        RXE OFFSET(9) NUMBITS(1) [],
        DTR OFFSET(10) NUMBITS(1) [],
        RTS OFFSET(11) NUMBITS(1) [],
    ],
    pub IFLS [
        TXIFLSEL OFFSET(0) NUMBITS(3) [Eighth = 0],
        RXIFLSEL OFFSET(3) NUMBITS(3) [Half = 2],
    ],
    pub INT [
        RX OFFSET(4) NUMBITS(1) [],
        TX OFFSET(5) NUMBITS(1) [],
        RT OFFSET(6) NUMBITS(1) [],
        FE OFFSET(7) NUMBITS(1) [],
        PE OFFSET(8) NUMBITS(1) [],
        BE OFFSET(9) NUMBITS(1) [],
        OE OFFSET(10) NUMBITS(1) [],
        ALL OFFSET(0) NUMBITS(11) [],
    ],
];

kit::registers! {
    /// The registers in use.
    pub struct Registers {
        0x00 => data: ReadWrite<u32, DR::Register>,
        0x18 => flags: ReadOnly<u32, FR::Register>,
        0x2c => line_control: ReadWrite<u32, LCR_H::Register>,
        0x30 => control: ReadWrite<u32, CR::Register>,
        0x34 => fifo_levels: ReadWrite<u32, IFLS::Register>,
        0x38 => interrupt_mask: ReadWrite<u32, INT::Register>,
        0x44 => interrupt_clear: WriteOnly<u32, INT::Register>,
        0x48 => dma_control: WriteOnly<u32>,
    }
}
