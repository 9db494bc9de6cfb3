//! The file as a whole.

use crate::bytes::{array, slice, u16_at, u32_at, u64_at};
use crate::component::Component;
use crate::error::BundleError;
use crate::format::{FORMAT_MAJOR, MAGIC, header, record};

/// A bundle whose header and table are whole. Its components are checked one by one, so that a broken one does not
/// take the others with it.
#[derive(Clone, Copy, Debug)]
pub struct Bundle<'a> {
    bytes: &'a [u8],
    table: &'a [u8],
    stride: usize,
    minor: u16,
}

impl<'a> Bundle<'a> {
    /// Checks magic, version, size, the table's place and the header's CRC. Bytes behind the bundle are ignored: a boot
    /// loader may pad the ramdisk.
    ///
    /// # Errors
    /// [`BundleError`], never the variant of a component.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BundleError> {
        let short = BundleError::TooShort { bytes: bytes.len() };
        let head = bytes.get(..header::BYTES).ok_or(short)?;
        if array(head, 0) != Some(MAGIC) {
            return Err(BundleError::NotABundle);
        }
        let major = u16_at(head, header::MAJOR).ok_or(short)?;
        let minor = u16_at(head, header::MINOR).ok_or(short)?;
        if major != FORMAT_MAJOR {
            return Err(BundleError::Version { major, minor });
        }
        let stated = u64_at(head, header::TOTAL).ok_or(short)?;
        let bytes = slice(bytes, 0, stated).ok_or(BundleError::Truncated { stated, bytes: bytes.len() })?;
        let (table, stride) = table(bytes).ok_or(BundleError::Table)?;
        check_crc(head, table)?;
        Ok(Self { bytes, table, stride, minor })
    }

    /// The components, in the order of their numbers from 1 on.
    pub fn components(&self) -> impl Iterator<Item = Result<Component<'a>, BundleError>> + use<'a> {
        let bytes = self.bytes;
        let records = self.table.chunks_exact(self.stride);
        (1..).zip(records).map(move |(number, record)| Component::parse(bytes, number, record))
    }

    /// How many components there are, broken ones included.
    pub fn len(&self) -> usize {
        self.table.len() / self.stride
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Bytes of the whole file.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The minor version of the format it was written in.
    pub fn minor(&self) -> u16 {
        self.minor
    }
}

/// The table and the size of a record, which is never 0.
fn table(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let count = u32_at(bytes, header::COUNT)?;
    let offset = u32_at(bytes, header::TABLE)?;
    let stride = u32_at(bytes, header::STRIDE)?;
    if (offset as usize) < header::BYTES || (stride as usize) < record::BYTES {
        return None;
    }
    let table = slice(bytes, offset.into(), u64::from(count).checked_mul(stride.into())?)?;
    Some((table, stride as usize))
}

fn check_crc(head: &[u8], table: &[u8]) -> Result<(), BundleError> {
    let short = BundleError::TooShort { bytes: head.len() };
    let stated = u32_at(head, header::CRC).ok_or(short)?;
    let computed = header_crc(head.get(..header::CRC).ok_or(short)?, table);
    if stated == computed { Ok(()) } else { Err(BundleError::HeaderCrc { stated, computed }) }
}

/// CRC-32 of the header up to its CRC, and of the table.
pub fn header_crc(head: &[u8], table: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(table);
    hasher.finalize()
}
