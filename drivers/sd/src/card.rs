//! What a card says that it is (SD Physical Layer Simplified Specification 6.00, 5).

use ipc::block::SECTOR;

use crate::failure::Failure;

/// Errors of the card status in R1. (4.10.1) Those of the command before (illegal, checksum) are not among them.
const ERRORS: u32 = 0xfd38_0008 | 1 << 16;
/// OUT_OF_RANGE: a card that was stopped behind its last block may say so. (4.3.3)
const OUT_OF_RANGE: u32 = 1 << 31;
/// CARD_IS_LOCKED.
const LOCKED: u32 = 1 << 25;
/// READY_FOR_DATA, and CURRENT_STATE of `tran`.
const READY: (u32, u32) = (1 << 8 | 0xf << 9, 1 << 8 | 4 << 9);

/// The card status of R1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u32);

impl Status {
    /// What went wrong, if anything did.
    pub const fn errors(self) -> u32 {
        self.0 & ERRORS
    }

    /// The same of the answer to the command that ends a transfer.
    pub const fn errors_at_end(self) -> u32 {
        self.errors() & !OUT_OF_RANGE
    }

    /// It has a password.
    pub const fn is_locked(self) -> bool {
        self.0 & LOCKED != 0
    }

    /// It takes a transfer.
    pub const fn is_ready(self) -> bool {
        self.0 & READY.0 == READY.1
    }
}

/// A card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// Its number, which no other card has. (5.2)
    pub cid: u128,
    /// It is addressed by blocks and not by bytes. (5.1, CCS)
    pub by_blocks: bool,
    /// Sectors of [`SECTOR`] bytes.
    pub sectors: u64,
    /// It says of itself that it is not to be written. (5.3.2, PERM_ and TMP_WRITE_PROTECT)
    pub protected: bool,
}

impl Card {
    /// Takes in the CSD. (5.3.2, 5.3.3)
    ///
    /// # Errors
    /// It is of another structure than the card's, or cannot be.
    pub fn add_csd(&mut self, csd: u128) -> Result<(), Failure> {
        let structure = field(csd, 126, 2) as u8;
        self.sectors = match (structure, self.by_blocks) {
            (0, false) => of_bytes(csd).ok_or(Failure::Capacity)?,
            (1, true) => (field(csd, 48, 22) + 1) * 1024,
            _ => return Err(Failure::Csd { structure, by_blocks: self.by_blocks }),
        };
        self.protected = field(csd, 12, 2) != 0;
        Ok(())
    }

    /// The argument of a transfer that begins with this sector of the card's. (4.3.14)
    pub const fn place(&self, sector: u64) -> u32 {
        (if self.by_blocks { sector } else { sector * SECTOR as u64 }) as u32
    }
}

/// Sectors of a card of up to 2 GB: READ_BL_LEN, C_SIZE, C_SIZE_MULT. The product is at most 4 GiB.
fn of_bytes(csd: u128) -> Option<u64> {
    let block = Some(field(csd, 80, 4)).filter(|block| (9..=11).contains(block))?;
    Some((field(csd, 62, 12) + 1) << (field(csd, 47, 3) + 2 + block - u64::from(SECTOR.ilog2())))
}

/// A field of so many bits, the lowest of which has this number.
const fn field(register: u128, low: u32, bits: u32) -> u64 {
    (register >> low) as u64 & ((1 << bits) - 1)
}
