//! The registers of the controller. Broadcom's manual leaves it out: names and meanings are those of Linux'
//! `drivers/mmc/host/bcm2835.c`, and QEMU's `hw/sd/bcm2835_sdhost.c` has them alike.

use kit::mmio::*;

register_bitfields![u32,
    /// SDCMD: writing NEW sends the command; it is 0 when that is done.
    pub COMMAND [
        INDEX OFFSET(0) NUMBITS(6) [],
        READ OFFSET(6) NUMBITS(1) [],
        WRITE OFFSET(7) NUMBITS(1) [],
        LONG OFFSET(9) NUMBITS(1) [],
        SILENT OFFSET(10) NUMBITS(1) [],
        /// It ends when the card is not busy any more.
        BUSY OFFSET(11) NUMBITS(1) [],
        FAILED OFFSET(14) NUMBITS(1) [],
        NEW OFFSET(15) NUMBITS(1) [],
    ],
    /// SDEDM, "emergency debug mode".
    pub DEBUG [
        /// What it is doing.
        PHASE OFFSET(0) NUMBITS(4) [Identify = 0, Data = 1, ReadWait = 4, WriteStart = 10],
        /// Words in the FIFO.
        LEVEL OFFSET(4) NUMBITS(5) [],
        /// Words from which on it is told of.
        WRITE_LIMIT OFFSET(9) NUMBITS(5) [],
        READ_LIMIT OFFSET(14) NUMBITS(5) [],
        /// Ends a wait for blocks that do not come.
        FORCE_DATA OFFSET(19) NUMBITS(1) [],
    ],
    /// SDHCFG.
    pub CONFIG [
        /// Words of 32 bits in the FIFO.
        WIDE OFFSET(1) NUMBITS(1) [],
        FOUR_BITS OFFSET(2) NUMBITS(1) [],
        /// The divider counts in data mode as it does while the card is identified.
        SLOW OFFSET(3) NUMBITS(1) [],
        /// It interrupts for data, for the end of a block that is written, and for a card that is not busy any more.
        DATA OFFSET(4) NUMBITS(1) [],
        BLOCK OFFSET(8) NUMBITS(1) [],
        BUSY OFFSET(10) NUMBITS(1) [],
    ],
];

kit::registers! {
    /// By their use; the names in Linux are behind.
    pub struct Registers {
        /// SDCMD.
        0x00 => command: ReadWrite<u32, COMMAND::Register>,
        /// SDARG.
        0x04 => argument: WriteOnly<u32>,
        /// SDTOUT: clocks of the card that data may take.
        0x08 => timeout: WriteOnly<u32>,
        /// SDCDIV: the divider of the card's clock less 2, of 11 bits.
        0x0c => divider: WriteOnly<u32>,
        /// SDRSP0 to 3: the lowest word first.
        0x10 => response: [ReadOnly<u32>; 4],
        /// SDHSTS: a 1 clears its bit.
        0x20 => status: ReadWrite<u32>,
        /// SDVDD.
        0x30 => power: WriteOnly<u32>,
        /// SDEDM.
        0x34 => debug: ReadWrite<u32, DEBUG::Register>,
        /// SDHCFG.
        0x38 => config: WriteOnly<u32, CONFIG::Register>,
        /// SDHBCT: bytes of a block.
        0x3c => block_bytes: WriteOnly<u32>,
        /// SDDATA: the FIFO.
        0x40 => data: ReadWrite<u32>,
        /// SDHBLC: blocks.
        0x50 => blocks: WriteOnly<u32>,
    }
}
