//! The list that says where the data of a command is (SD Host Controller Simplified Specification 3.00, 1.13).

use kit::dma::{Memory, Space};

/// Most bytes of a command.
pub const MAX_BYTES: usize = 1 << 20;

/// Bytes that a descriptor names, at most: below the 64 KiB of the specification, for which some controllers want a 0.
const PIECE: usize = 32 * 1024;
/// Valid, and data to be moved (Act 2). (1.13.4)
const MOVES: u32 = 0x21;
/// It is the last one.
const END: u32 = 0x02;

/// A list with room for [`MAX_BYTES`].
#[derive(Debug)]
pub struct Table {
    memory: Memory,
    /// Addresses have 64 bits.
    wide: bool,
}

impl Table {
    /// An empty one.
    ///
    /// # Errors
    /// No memory.
    pub fn new(space: Space, wide: bool) -> Result<Self, kit::Error> {
        Ok(Self { memory: Memory::consistent(space, 1)?, wide })
    }

    /// Where the controller finds it.
    pub const fn bus(&self) -> u64 {
        self.memory.bus()
    }

    /// Describes `bytes` bytes, 1 to [`MAX_BYTES`], from `bus` on. `false`: the controller does not reach them.
    pub fn describe(&self, bus: u64, bytes: usize) -> bool {
        let reaches = |end: u64| self.wide || end <= 1 << 32;
        if !reaches(bus + bytes as u64) || !reaches(self.bus() + self.memory.bytes() as u64) {
            return false;
        }
        let size = if self.wide { 12 } else { 8 };
        for (index, start) in (0..bytes).step_by(PIECE).enumerate() {
            let (part, place) = ((bytes - start).min(PIECE), bus + start as u64);
            let end = if start + part == bytes { END } else { 0 };
            let mut entry = [0; 12];
            entry[..4].copy_from_slice(&((part as u32) << 16 | MOVES | end).to_le_bytes());
            entry[4..].copy_from_slice(&place.to_le_bytes());
            // It lies inside.
            let _ = self.memory.buffer().write(index * size, &entry[..size]);
        }
        true
    }
}
