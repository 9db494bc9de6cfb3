//! The registers, by the names of Intel's 82574 GbE Controller Family Datasheet (revision 3.4, chapter 10).

// The macro's types carry the manual's descriptions of their fields or speak for themselves.
#![allow(missing_docs)]

use kit::mmio::*;

register_bitfields![u32,
    /// 10.2.2.1
    pub CTRL [
        /// No more requests to the bus are begun.
        GIO_MASTER_DISABLE OFFSET(2) NUMBITS(1) [],
        ASDE OFFSET(5) NUMBITS(1) [],
        /// The link comes up.
        SLU OFFSET(6) NUMBITS(1) [],
        RST OFFSET(26) NUMBITS(1) [],
    ],
    /// 10.2.2.2
    pub STATUS [
        LU OFFSET(1) NUMBITS(1) [],
    ],
    /// 10.2.2.5
    pub CTRL_EXT [
        DRV_LOAD OFFSET(28) NUMBITS(1) [],
    ],
    /// 10.2.4: causes of interrupts, and their mask. With MSI-X those of the queues have bits of their own.
    pub CAUSE [
        TXDW OFFSET(0) NUMBITS(1) [],
        LSC OFFSET(2) NUMBITS(1) [],
        RXDMT0 OFFSET(4) NUMBITS(1) [],
        RXO OFFSET(6) NUMBITS(1) [],
        RXT0 OFFSET(7) NUMBITS(1) [],
        RXQ0 OFFSET(20) NUMBITS(1) [],
        TXQ0 OFFSET(22) NUMBITS(1) [],
        OTHER OFFSET(24) NUMBITS(1) [],
        ALL OFFSET(0) NUMBITS(32) [],
    ],
    /// 10.2.4.9: which message stands for what; all are the first.
    pub IVAR [
        RXQ0 OFFSET(0) NUMBITS(4) [First = 8],
        TXQ0 OFFSET(8) NUMBITS(4) [First = 8],
        OTHER OFFSET(16) NUMBITS(4) [First = 8],
    ],
    /// 10.2.5.1: buffers of 2048 bytes and no long frames are 0.
    pub RCTL [
        EN OFFSET(1) NUMBITS(1) [],
        /// Frames to everybody.
        BAM OFFSET(15) NUMBITS(1) [],
        /// Frames come without their check sequence.
        SECRC OFFSET(26) NUMBITS(1) [],
        MPE OFFSET(4) NUMBITS(1) [],
    ],
    /// 10.2.6.1
    pub TCTL [
        EN OFFSET(1) NUMBITS(1) [],
        /// Short frames are padded.
        PSP OFFSET(3) NUMBITS(1) [],
        CT OFFSET(4) NUMBITS(8) [],
        COLD OFFSET(12) NUMBITS(10) [FullDuplex = 0x3f],
    ],
    /// 10.2.5.22
    pub RAH [
        ADDRESS OFFSET(0) NUMBITS(16) [],
        AV OFFSET(31) NUMBITS(1) [],
    ],
];

kit::registers! {
    /// The registers in use.
    pub struct Registers {
        0x0000 => ctrl: ReadWrite<u32, CTRL::Register>,
        0x0008 => status: ReadOnly<u32, STATUS::Register>,
        0x0018 => ctrl_ext: ReadWrite<u32, CTRL_EXT::Register>,
        0x00c0 => icr: ReadWrite<u32, CAUSE::Register>,
        0x00d0 => ims: WriteOnly<u32, CAUSE::Register>,
        0x00d8 => imc: WriteOnly<u32, CAUSE::Register>,
        0x00e4 => ivar: WriteOnly<u32, IVAR::Register>,
        0x0100 => rctl: ReadWrite<u32, RCTL::Register>,
        0x0400 => tctl: ReadWrite<u32, TCTL::Register>,
        0x2800 => rdbal: WriteOnly<u32>,
        0x2804 => rdbah: WriteOnly<u32>,
        0x2808 => rdlen: WriteOnly<u32>,
        0x2810 => rdh: WriteOnly<u32>,
        0x2818 => rdt: WriteOnly<u32>,
        0x3800 => tdbal: WriteOnly<u32>,
        0x3804 => tdbah: WriteOnly<u32>,
        0x3808 => tdlen: WriteOnly<u32>,
        0x3810 => tdh: WriteOnly<u32>,
        0x3818 => tdt: WriteOnly<u32>,
        0x5400 => ral0: ReadOnly<u32>,
        0x5404 => rah0: ReadOnly<u32, RAH::Register>,
    }
}
