//! Where the data of a command is, by pages (NVM Express 1.4, 4.3).

use kit::dma::{Memory, Space};

/// Bytes of a page, as the controller is told.
pub const PAGE: usize = 4096;
/// Most bytes of a command, wherever its data begins: its list has an entry for each page but the first.
pub const MAX_BYTES: usize = ENTRIES * PAGE;

/// Entries of a list.
const ENTRIES: usize = 256;
/// Bytes of a list: half of a page, so that none goes on in another.
const LIST: usize = ENTRIES * 8;

/// A list for each command that can be under way.
#[derive(Debug)]
pub struct Lists(Memory);

impl Lists {
    /// For `count` commands.
    ///
    /// # Errors
    /// No memory.
    pub fn new(space: Space, count: usize) -> Result<Self, kit::Error> {
        Memory::consistent(space, (count * LIST).div_ceil(PAGE) as u64).map(Self)
    }

    /// PRP1 and PRP2 of `bytes` bytes, at most [`MAX_BYTES`], that lie one behind the other from `bus` on. From three pages on
    /// the list of command `id` has the others.
    pub fn describe(&self, id: usize, bus: u64, bytes: usize) -> [u64; 2] {
        let first = PAGE - bus as usize % PAGE;
        let Some(rest) = bytes.checked_sub(first).filter(|&rest| rest > 0) else { return [bus, 0] };
        let second = bus + first as u64;
        if rest <= PAGE {
            return [bus, second];
        }
        for index in 0..rest.div_ceil(PAGE) {
            let page = second + (index * PAGE) as u64;
            // It lies inside.
            let _ = self.0.buffer().write(id * LIST + index * 8, &page.to_le_bytes());
        }
        [bus, self.0.bus() + (id * LIST) as u64]
    }
}
