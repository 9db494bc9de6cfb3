//! Text in memory that survives a warm reset, as Linux' fs/pstore/ram_core.c reads it: a word that says it is one, where the next byte
//! goes, how many there are, and a ring of them.

use crate::Port;

/// "DBGC".
const SIGNATURE: u32 = 0x4347_4244;
const START: usize = 4;
const SIZE: usize = 8;
const TEXT: usize = 12;

/// The ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramoops {
    /// Bytes of text at most.
    room: u32,
    start: u32,
    size: u32,
}

impl Ramoops {
    /// The most memory that is used; a smaller ring than there is room for is read as well.
    pub const BYTES: u64 = 64 << 10;

    /// Begins a text in so many bytes of memory, in the place of what was there; `None`: they are too few.
    pub fn start(port: &dyn Port, bytes: u64) -> Option<Self> {
        let room = u32::try_from(bytes.min(Self::BYTES)).ok()?.checked_sub(TEXT as u32).filter(|room| *room > 0)?;
        port.write(START, 0);
        port.write(SIZE, 0);
        port.write(0, SIGNATURE);
        Some(Self { room, start: 0, size: 0 })
    }

    /// Adds a byte; the oldest goes where there is no room.
    pub fn put(&mut self, port: &dyn Port, byte: u8) {
        port.write_byte(TEXT + self.start as usize, byte);
        self.start = (self.start + 1) % self.room;
        self.size = (self.size + 1).min(self.room);
        // A reset between the two leaves one byte too few, never one too many.
        port.write(START, self.start);
        port.write(SIZE, self.size);
    }
}

#[cfg(test)]
mod tests {
    use core::cell::RefCell;
    use std::vec::Vec;

    use super::*;

    struct Memory(RefCell<Vec<u8>>);

    impl Port for Memory {
        fn read(&self, offset: usize) -> u32 {
            u32::from_le_bytes(self.0.borrow()[offset..offset + 4].try_into().unwrap())
        }
        fn write(&self, offset: usize, value: u32) {
            self.0.borrow_mut()[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        }
        fn read_byte(&self, offset: usize) -> u8 {
            self.0.borrow()[offset]
        }
        fn write_byte(&self, offset: usize, value: u8) {
            self.0.borrow_mut()[offset] = value;
        }
    }

    /// What Linux would show: the bytes from `start` to `size`, then those before `start`.
    fn shown(memory: &Memory) -> Vec<u8> {
        assert_eq!(memory.read(0), SIGNATURE);
        let (start, size) = (memory.read(START) as usize, memory.read(SIZE) as usize);
        let bytes = memory.0.borrow();
        assert!(start <= size && size <= bytes.len() - TEXT, "start {start}, size {size}");
        [&bytes[TEXT + start..TEXT + size], &bytes[TEXT..TEXT + start]].concat()
    }

    #[test]
    fn linux_reads_what_was_written_last() {
        let memory = Memory(RefCell::new(std::vec![0xff; 12 + 10]));
        let mut ring = Ramoops::start(&memory, 22).unwrap();
        assert_eq!(shown(&memory), b"");
        for (text, is_shown) in [(&b"abcd"[..], &b"abcd"[..]), (b"efghij", b"abcdefghij"), (b"klm", b"defghijklm")] {
            text.iter().for_each(|&byte| ring.put(&memory, byte));
            assert_eq!(shown(&memory), is_shown);
        }
        assert!(Ramoops::start(&memory, 12).is_none());
    }
}
