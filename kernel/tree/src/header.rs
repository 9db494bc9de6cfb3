//! The header: ten big-endian words that say where the blocks are.

use core::ops;

use crate::{Fault, TreeError};

/// Bytes of the header: all that [`crate::Tree::total_size`] looks at.
pub const HEADER_BYTES: usize = 40;
/// Largest tree that is accepted, in bytes. The largest of 577 trees of arm64 boards has 121 KiB; QEMU pads
/// its own to 1 MiB.
pub const MAX_TREE_BYTES: usize = 16 << 20;

const MAGIC: u32 = 0xd00d_feed;
/// The version this reader is written for; a newer one says in `last_comp_version` that it can be read as this one.
const VERSION: u32 = 17;
const RESERVATION_BYTES: usize = 16;

/// Where the blocks are, checked to lie within the tree.
pub(crate) struct Header {
    pub structs: ops::Range<usize>,
    pub strings: ops::Range<usize>,
}

/// The `totalsize` of the tree that begins with these bytes.
pub(crate) fn total_size(header: &[u8]) -> Result<usize, TreeError> {
    let magic = word(header, 0)?;
    if magic != MAGIC {
        return Err(TreeError::outside(0, Fault::Magic(magic)));
    }
    let size = word(header, 4)? as usize;
    if !(HEADER_BYTES..=MAX_TREE_BYTES).contains(&size) {
        return Err(TreeError::outside(4, Fault::Size(size)));
    }
    Ok(size)
}

impl Header {
    /// Reads and checks the header of a whole tree.
    pub fn parse(bytes: &[u8]) -> Result<Self, TreeError> {
        let total = total_size(bytes)?;
        let tree =
            bytes.get(..total).ok_or_else(|| TreeError::outside(4, Fault::Short { have: bytes.len(), need: total }))?;
        let (version, readable_as) = (word(tree, 20)?, word(tree, 24)?);
        if version < VERSION || readable_as > VERSION {
            return Err(TreeError::outside(20, Fault::Version(version.max(readable_as))));
        }
        reservations_end(tree, word(tree, 16)? as usize)?;
        Ok(Self {
            structs: block(tree, "structure", (word(tree, 8)?, word(tree, 36)?), 4)?,
            strings: block(tree, "strings", (word(tree, 12)?, word(tree, 32)?), 1)?,
        })
    }
}

fn block(
    tree: &[u8],
    name: &'static str,
    (offset, size): (u32, u32),
    align: usize,
) -> Result<ops::Range<usize>, TreeError> {
    let (offset, size) = (offset as usize, size as usize);
    let end = offset.checked_add(size).filter(|&end| end <= tree.len());
    match end {
        Some(end) if offset >= HEADER_BYTES && offset.is_multiple_of(align) => Ok(offset..end),
        _ => Err(TreeError::outside(8, Fault::Block { name, offset, size })),
    }
}

/// The list of memory reservations has no length: it must end with an empty entry, and it is never long.
fn reservations_end(tree: &[u8], offset: usize) -> Result<(), TreeError> {
    const MOST: usize = crate::machine::MAX_RESERVED;
    let misplaced = Fault::Block { name: "reservation", offset, size: RESERVATION_BYTES };
    let list = match tree.get(offset..) {
        Some(list) if offset >= HEADER_BYTES && offset.is_multiple_of(8) => list,
        _ => return Err(TreeError::outside(16, misplaced)),
    };
    let mut entries = list.chunks_exact(RESERVATION_BYTES);
    for _ in 0..=MOST {
        match entries.next() {
            Some(entry) if entry.iter().all(|&byte| byte == 0) => return Ok(()),
            Some(_) => {}
            None => return Err(TreeError::outside(16, misplaced)),
        }
    }
    Err(TreeError::outside(offset, Fault::TooMany(MOST)))
}

fn word(bytes: &[u8], at: usize) -> Result<u32, TreeError> {
    match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(word) => Ok(u32::from_be_bytes(*word)),
        None => Err(TreeError::outside(0, Fault::Short { have: bytes.len(), need: HEADER_BYTES })),
    }
}
