//! A ring of legacy descriptors (82574 datasheet, 7.1.4 and 7.2.10): sixteen bytes each, of which the device writes back the status.
//! The extended ones say more of what is not used here.

use alloc::boxed::Box;

use kit::dma::{self, Direction, Lent, Memory, Piece, Space};

/// Descriptors; the device wants a multiple of eight. One stays free, so that a full ring is not taken for an empty one.
pub const ENTRIES: usize = 64;
/// How many pieces the device can have.
pub const PLACES: usize = ENTRIES - 1;
const DESCRIPTOR: usize = 16;
/// Bytes of all, for the device.
pub const BYTES: u32 = (ENTRIES * DESCRIPTOR) as u32;

/// Descriptor done: in the first byte of the last word.
const DONE: u32 = 1;

/// What the device says of a piece that it has done with.
#[derive(Debug)]
pub struct Done {
    /// The number it was given with.
    pub id: usize,
    /// The piece.
    pub piece: Piece,
    /// The second word as it is now: the length of a frame that came in its lower half.
    pub length: usize,
    /// The last word: status, errors.
    pub status: u32,
}

/// A ring.
#[derive(Debug)]
pub struct Ring {
    memory: Memory,
    entries: Box<[Option<(usize, Lent)>]>,
    /// The next that the device will be done with, and the next that it will be given.
    head: usize,
    tail: usize,
    /// The device knows of those up to here.
    told: usize,
}

impl Ring {
    /// An empty one.
    ///
    /// # Errors
    /// No memory.
    pub fn new(space: Space) -> Result<Self, kit::Error> {
        let memory = Memory::consistent(space, 1)?;
        Ok(Self { memory, entries: (0..ENTRIES).map(|_| None).collect(), head: 0, tail: 0, told: 0 })
    }

    /// Where the device finds it.
    pub const fn bus(&self) -> u64 {
        self.memory.bus()
    }

    /// Gives the device a piece, with so much in the third word; `false`: it has as many as it can have. [`Self::told`] follows after
    /// the last of several.
    pub fn give(&mut self, id: usize, piece: Piece, direction: Direction, word: u32) -> bool {
        let next = (self.tail + 1) % ENTRIES;
        if next == self.head {
            return false;
        }
        let lent = piece.lend(direction);
        let bus = lent.bus();
        for (at, value) in [(0, bus as u32), (4, (bus >> 32) as u32), (8, word), (12, 0)] {
            // It lies inside.
            let _ = self.memory.buffer().store_u32(self.tail * DESCRIPTOR + at, value);
        }
        self.entries[self.tail] = Some((id, lent));
        self.tail = next;
        true
    }

    /// The tail, if the device does not know of it yet: it is told now.
    pub fn tell(&mut self) -> Option<u32> {
        (self.told != self.tail).then(|| {
            self.told = self.tail;
            dma::publish();
            self.tail as u32
        })
    }

    /// The next piece that the device is done with.
    pub fn take(&mut self) -> Option<Done> {
        let word = |ring: &Self, at| ring.memory.buffer().load_u32(ring.head * DESCRIPTOR + at).unwrap_or(0);
        self.entries[self.head].as_ref()?;
        let status = word(self, 12);
        if status & DONE == 0 {
            return None;
        }
        dma::observe();
        let length = (word(self, 8) & 0xffff) as usize;
        let (id, lent) = self.entries[self.head].take()?;
        self.head = (self.head + 1) % ENTRIES;
        Some(Done { id, piece: lent.reclaim(), length, status })
    }

    /// The next piece that a device had that does not use the ring any more.
    pub fn abandon(&mut self) -> Option<usize> {
        let (id, lent) = self.entries.iter_mut().find_map(Option::take)?;
        drop(lent.reclaim());
        Some(id)
    }
}
