//! The registers of a host controller (SD Host Controller Simplified Specification 3.00, 2.1 and 2.2).
//!
//! All are reached with 32 bits, which every controller takes, whatever the width of what is in them.

use kit::mmio::*;

register_bitfields![u32,
    /// Block Size and Block Count. (2.2.2, 2.2.3)
    pub BLOCKS [
        SIZE OFFSET(0) NUMBITS(12) [],
        COUNT OFFSET(16) NUMBITS(16) [],
    ],
    /// Present State. (2.2.9)
    pub STATE [
        /// A command is under way.
        COMMAND OFFSET(0) NUMBITS(1) [],
        /// The data lines are in use, or the card is busy.
        DATA OFFSET(1) NUMBITS(1) [],
        CARD OFFSET(16) NUMBITS(1) [],
        /// CARD is what it is for good: it was found out with some patience.
        SETTLED OFFSET(17) NUMBITS(1) [],
        /// The card's switch lets it be written.
        WRITABLE OFFSET(19) NUMBITS(1) [],
    ],
    /// Host Control 1, Power Control, Block Gap Control and Wakeup Control. (2.2.10 to 2.2.13)
    pub CONTROL [
        FOUR_BITS OFFSET(1) NUMBITS(1) [],
        DMA OFFSET(3) NUMBITS(2) [Adma32 = 2, Adma64 = 3],
        POWER OFFSET(8) NUMBITS(1) [],
        VOLTAGE OFFSET(9) NUMBITS(3) [V18 = 5, V30 = 6, V33 = 7],
    ],
    /// Clock Control, Timeout Control and Software Reset. (2.2.14 to 2.2.16)
    pub CLOCK [
        INTERNAL OFFSET(0) NUMBITS(1) [],
        STABLE OFFSET(1) NUMBITS(1) [],
        CARD OFFSET(2) NUMBITS(1) [],
        /// The two upper bits of the divider of version 3, and the eight lower ones, which are all of earlier ones'.
        DIVIDER_HIGH OFFSET(6) NUMBITS(2) [],
        DIVIDER OFFSET(8) NUMBITS(8) [],
        /// How long data may take: 2^(13 + TIMEOUT) of the timeout clock; 14 is the longest.
        TIMEOUT OFFSET(16) NUMBITS(4) [],
        RESET_ALL OFFSET(24) NUMBITS(1) [],
        RESET_COMMAND OFFSET(25) NUMBITS(1) [],
        RESET_DATA OFFSET(26) NUMBITS(1) [],
    ],
    /// Capabilities. (2.2.25)
    pub CAPABILITIES [
        /// MHz of the base clock. Eight bits from version 3 on, six before.
        BASE OFFSET(8) NUMBITS(8) [],
        ADMA2 OFFSET(19) NUMBITS(1) [],
        V33 OFFSET(24) NUMBITS(1) [],
        V30 OFFSET(25) NUMBITS(1) [],
        V18 OFFSET(26) NUMBITS(1) [],
        /// It reaches memory above 4 GiB.
        WIDE OFFSET(28) NUMBITS(1) [],
    ],
    /// Slot Interrupt Status and Host Controller Version. (2.2.33, 2.2.34)
    pub VERSION [
        /// 0: 1.00, 1: 2.00, 2: 3.00 and so on.
        VERSION OFFSET(16) NUMBITS(8) [],
    ],
];

kit::registers! {
    /// By the names of the specification.
    pub struct Registers {
        0x04 => blocks: WriteOnly<u32, BLOCKS::Register>,
        0x08 => argument: WriteOnly<u32>,
        /// Transfer Mode and Command. (2.2.5, 2.2.6) Writing the upper half sends the command.
        0x0c => command: WriteOnly<u32>,
        0x10 => response: [ReadOnly<u32>; 4],
        0x24 => state: ReadOnly<u32, STATE::Register>,
        0x28 => control: WriteOnly<u32, CONTROL::Register>,
        0x2c => clock: ReadWrite<u32, CLOCK::Register>,
        /// Normal and Error Interrupt Status; a 1 clears its bit. (2.2.17, 2.2.18)
        0x30 => events: ReadWrite<u32>,
        /// Normal and Error Interrupt Status Enable. (2.2.19, 2.2.20)
        0x34 => enabled: WriteOnly<u32>,
        /// Normal and Error Interrupt Signal Enable. (2.2.21, 2.2.22)
        0x38 => signalled: WriteOnly<u32>,
        0x40 => capabilities: ReadOnly<u32, CAPABILITIES::Register>,
        /// ADMA System Address. (2.2.30)
        0x58 => table_low: WriteOnly<u32>,
        0x5c => table_high: WriteOnly<u32>,
        0xfc => version: ReadOnly<u32, VERSION::Register>,
    }
}
