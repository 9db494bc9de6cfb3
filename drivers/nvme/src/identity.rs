//! What controller and namespace say that they are (NVM Express 1.4, 5.15.2).

use ipc::block::{Info, SECTOR};
use rt::SharedBuffer;

use crate::failure::Failure;
use crate::prp::{MAX_BYTES, PAGE};

/// What is known of the device. It stays the same while the driver runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Most bytes of a command: a multiple of a page.
    pub most: usize,
    /// It may keep what was written until a flush.
    pub has_cache: bool,
    /// Blocks of the namespace.
    blocks: u64,
    /// A block has `SECTOR << shift` bytes.
    pub shift: u32,
    read_only: bool,
}

impl Identity {
    /// What the controller says of itself. (5.15.2.2)
    pub fn of_controller(page: &SharedBuffer) -> Self {
        // MDTS: a power of two, in pages; 0 is none.
        let limit = match byte(page, 77) {
            0 => None,
            power => PAGE.checked_shl(power.into()).filter(|&bytes| bytes >= PAGE),
        };
        let most = limit.map_or(MAX_BYTES, |limit| limit.min(MAX_BYTES));
        // VWC, bit 0.
        Self { most, has_cache: byte(page, 525) & 1 != 0, ..Self::default() }
    }

    /// Takes in what the controller says of its first namespace. (5.15.2.1)
    ///
    /// # Errors
    /// It is not there, or has a format that is not driven.
    pub fn add_namespace(&mut self, page: &SharedBuffer) -> Result<(), Failure> {
        // NSZE; of the format in use (FLBAS) MS and LBADS, a power of two.
        self.blocks = u64::from_le_bytes(bytes(page, 0));
        let format = usize::from(byte(page, 26) & 0xf);
        let [low, high, power, _] = bytes(page, 128 + 4 * format);
        let metadata = u16::from_le_bytes([low, high]);
        if self.blocks == 0 {
            return Err(Failure::NoNamespace);
        }
        if metadata != 0 {
            return Err(Failure::Metadata(metadata));
        }
        let shift = u32::from(power).checked_sub(SECTOR.ilog2()).filter(|&shift| shift <= (PAGE / SECTOR).ilog2());
        self.shift = shift.ok_or(Failure::BlockSize(power))?;
        // NSATTR, bit 0.
        self.read_only = byte(page, 99) & 1 != 0;
        Ok(())
    }

    /// What clients are told. Not more sectors than bytes can count.
    pub fn info(&self) -> Info {
        let most = u64::MAX / SECTOR as u64;
        let sectors = self.blocks.checked_mul(1 << self.shift).unwrap_or(most).min(most);
        Info { sectors, read_only: self.read_only }
    }

    /// The block with which a sector begins, if one begins there.
    pub const fn block(&self, sector: u64) -> Option<u64> {
        let block = sector >> self.shift;
        if block << self.shift == sector { Some(block) } else { None }
    }
}

fn byte(page: &SharedBuffer, offset: usize) -> u8 {
    let [byte] = bytes(page, offset);
    byte
}

fn bytes<const N: usize>(page: &SharedBuffer, offset: usize) -> [u8; N] {
    let mut bytes = [0; N];
    // All of them lie inside.
    let _ = page.read(offset, &mut bytes);
    bytes
}
