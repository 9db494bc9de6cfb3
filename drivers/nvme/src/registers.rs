//! The registers of a controller (NVM Express 1.4, 3.1).

use kit::mmio::*;

register_bitfields![u64,
    /// Controller capabilities. (3.1.1)
    pub CAP [
        /// Entries that a queue can have, less one.
        MQES OFFSET(0) NUMBITS(16) [],
        /// The longest time in which it becomes ready, or ceases to be, in units of 500 ms.
        TO OFFSET(24) NUMBITS(8) [],
        /// From one doorbell to the next are 4 << DSTRD bytes.
        DSTRD OFFSET(32) NUMBITS(4) [],
        /// It knows the NVM command set.
        NVM OFFSET(37) NUMBITS(1) [],
        /// Its pages have at least 4096 << MPSMIN bytes.
        MPSMIN OFFSET(48) NUMBITS(4) [],
    ],
];

register_bitfields![u32,
    /// Controller configuration. (3.1.5) Pages of 4 KiB, the NVM command set and round robin are 0.
    pub CC [
        EN OFFSET(0) NUMBITS(1) [],
        /// An entry of an I/O submission queue has 1 << IOSQES bytes.
        IOSQES OFFSET(16) NUMBITS(4) [],
        /// An entry of an I/O completion queue has 1 << IOCQES bytes.
        IOCQES OFFSET(20) NUMBITS(4) [],
    ],
    /// Controller status. (3.1.6)
    pub CSTS [
        RDY OFFSET(0) NUMBITS(1) [],
        /// It cannot go on, and says so nowhere else. (9.5)
        CFS OFFSET(1) NUMBITS(1) [],
    ],
    /// Admin queue attributes: entries, less one. (3.1.8)
    pub AQA [
        ASQS OFFSET(0) NUMBITS(12) [],
        ACQS OFFSET(16) NUMBITS(12) [],
    ],
];

kit::registers! {
    /// By the names of the specification. The interrupt masks (0x0c, 0x10) stay as a reset leaves them: open.
    pub struct Registers {
        0x00 => cap: ReadOnly<u64, CAP::Register>,
        0x14 => cc: ReadWrite<u32, CC::Register>,
        0x1c => csts: ReadOnly<u32, CSTS::Register>,
        0x24 => aqa: WriteOnly<u32, AQA::Register>,
        0x28 => asq: WriteOnly<u64>,
        0x30 => acq: WriteOnly<u64>,
    }
}

/// Where the doorbells begin. (3.1.24)
const DOORBELLS: usize = 0x1000;

/// The doorbells of a pair of queues: the tail of its submission queue, the head of its completion queue. (3.1.24, 3.1.25)
pub fn doorbells(mmio: &Mmio, pair: u16, stride: usize) -> Result<(WriteOnly<u32>, WriteOnly<u32>), kit::Error> {
    let at = |index| mmio.register(DOORBELLS + index * stride);
    Ok((at(2 * usize::from(pair))?, at(2 * usize::from(pair) + 1)?))
}
