//! The registers, by the names of AMD UG1087, module UART.

// The macro's types carry the manual's descriptions of their fields or speak for themselves.
#![allow(missing_docs)]

use kit::mmio::*;

register_bitfields![u32,
    pub CONTROL [
        RXEN OFFSET(2) NUMBITS(1) [],
        RXDIS OFFSET(3) NUMBITS(1) [],
        TXEN OFFSET(4) NUMBITS(1) [],
        TXDIS OFFSET(5) NUMBITS(1) [],
        TORST OFFSET(6) NUMBITS(1) [],
    ],
    pub MODE [
        PAR OFFSET(3) NUMBITS(3) [None = 4],
    ],
    pub INTERRUPT [
        RTRIG OFFSET(0) NUMBITS(1) [],
        TEMPTY OFFSET(3) NUMBITS(1) [],
        ROVR OFFSET(5) NUMBITS(1) [],
        FRAME OFFSET(6) NUMBITS(1) [],
        PARE OFFSET(7) NUMBITS(1) [],
        TIMEOUT OFFSET(8) NUMBITS(1) [],
        ALL OFFSET(0) NUMBITS(14) [],
    ],
    pub STATUS [
        REMPTY OFFSET(1) NUMBITS(1) [],
        TFUL OFFSET(4) NUMBITS(1) [],
    ],
    pub BYTE_STATUS [
        PARITY OFFSET(0) NUMBITS(1) [],
        FRAMING OFFSET(1) NUMBITS(1) [],
        BREAK OFFSET(2) NUMBITS(1) [],
    ],
];

kit::registers! {
    /// The registers in use.
    pub struct Registers {
        0x00 => control: ReadWrite<u32, CONTROL::Register>,
        0x04 => mode: ReadWrite<u32, MODE::Register>,
        0x08 => interrupt_enable: WriteOnly<u32, INTERRUPT::Register>,
        0x0c => interrupt_disable: WriteOnly<u32, INTERRUPT::Register>,
        0x14 => interrupt_status: ReadWrite<u32, INTERRUPT::Register>,
        0x1c => receiver_timeout: ReadWrite<u32>,
        0x20 => receiver_trigger: ReadWrite<u32>,
        0x2c => status: ReadOnly<u32, STATUS::Register>,
        0x30 => fifo: ReadWrite<u32>,
        0x48 => byte_status: ReadOnly<u32, BYTE_STATUS::Register>,
    }
}
