//! Text in memory that survives a warm reset, as Linux' fs/pstore/ram_core.c reads it: a word that says it is one, where the next byte
//! goes, how many there are, and a ring of them; behind that, where the tree asks for it, a code for each 128 bytes and one for the words.

use crate::Port;
use crate::reed_solomon::{self, Encoder};

/// "DBGC".
const SIGNATURE: u32 = 0x4347_4244;
const START: usize = 4;
const SIZE: usize = 8;
const TEXT: usize = 12;
/// Bytes that have one code.
const BLOCK: usize = 128;

/// The ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramoops {
    /// Bytes of text at most.
    room: u32,
    start: u32,
    size: u32,
    codes: Option<Codes>,
}

/// Codes by which Linux finds and mends what was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Codes {
    encoder: Encoder,
    /// Where they begin, which is where Linux' text ends.
    at: usize,
    /// Where the one of the words is.
    of_words: usize,
}

/// The memory in use: from its beginning on, and codes further behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes of the front, the text's.
    pub text: u64,
    /// Where the codes begin, up to the end; the end where there are none.
    pub codes: u64,
}

impl Ramoops {
    /// The most text that is used, the words before it included; a smaller ring than there is room for is read as well.
    pub const BYTES: u64 = 64 << 10;

    /// What of so many bytes of memory is used, with codes of `code` bytes (`ecc-size`; 0: none).
    pub fn extent(bytes: u64, code: u32) -> Option<Extent> {
        let codes = match code {
            0 => bytes,
            _ => Codes::of(usize::try_from(bytes).ok()?, code)?.at as u64,
        };
        Some(Extent { text: codes.min(Self::BYTES), codes })
    }

    /// Begins a text in so many bytes of memory, in the place of what was there; `None`: they are too few.
    pub fn start(port: &dyn Port, bytes: u64, code: u32) -> Option<Self> {
        let extent = Self::extent(bytes, code)?;
        let room = u32::try_from(extent.text).ok()?.checked_sub(TEXT as u32).filter(|room| *room > 0)?;
        let codes = if code == 0 { None } else { Some(Codes::of(usize::try_from(bytes).ok()?, code)?) };
        port.write(START, 0);
        port.write(SIZE, 0);
        port.write(0, SIGNATURE);
        let ring = Self { room, start: 0, size: 0, codes };
        ring.check_words(port);
        Some(ring)
    }

    /// Adds bytes; the oldest go where there is no room.
    pub fn put(&mut self, port: &dyn Port, bytes: &[u8]) {
        for piece in bytes.chunks(BLOCK) {
            for &byte in piece {
                let at = self.start as usize;
                port.write_byte(TEXT + at, byte);
                self.start = (self.start + 1) % self.room;
                if at % BLOCK == BLOCK - 1 || self.start == 0 {
                    self.check_block(port, at);
                }
            }
            self.check_block(port, (self.start as usize).saturating_sub(1));
            self.size = self.size.saturating_add(piece.len() as u32).min(self.room);
            // A reset before these leaves some bytes too few, never too many.
            port.write(START, self.start);
            port.write(SIZE, self.size);
            self.check_words(port);
        }
    }

    /// The block in which this byte of the text lies.
    fn check_block(&self, port: &dyn Port, byte: usize) {
        if let Some(codes) = &self.codes {
            codes.check_block(port, byte / BLOCK);
        }
    }

    fn check_words(&self, port: &dyn Port) {
        if let Some(codes) = &self.codes {
            codes.check(port, 0, TEXT, codes.of_words);
        }
    }
}

impl Codes {
    /// Where Linux has them in so many bytes (persistent_ram_init_ecc).
    fn of(bytes: usize, code: u32) -> Option<Self> {
        let encoder = Encoder::new(code)?;
        let code = encoder.bytes();
        let data = bytes.checked_sub(TEXT)?;
        let blocks = data.checked_sub(code)?.div_ceil(BLOCK + code);
        let at = bytes.checked_sub((blocks + 1) * code).filter(|at| *at > TEXT)?;
        Some(Self { encoder, at, of_words: at + blocks * code })
    }

    fn check_block(&self, port: &dyn Port, block: usize) {
        let first = TEXT + block * BLOCK;
        self.check(port, first, BLOCK.min(self.at - first), self.at + block * self.encoder.bytes());
    }

    fn check(&self, port: &dyn Port, first: usize, bytes: usize, place: usize) {
        let code: [u8; reed_solomon::MOST] = self.encoder.code((first..first + bytes).map(|at| port.read_byte(at)));
        for (offset, &byte) in code[..self.encoder.bytes()].iter().enumerate() {
            port.write_byte(place + offset, byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::cell::RefCell;
    use std::vec::Vec;

    use super::*;

    struct Memory(RefCell<Vec<u8>>);

    impl Memory {
        fn new(bytes: usize) -> Self {
            Self(RefCell::new(std::vec![0xff; bytes]))
        }
    }

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
        let memory = Memory::new(12 + 10);
        let mut ring = Ramoops::start(&memory, 22, 0).unwrap();
        assert_eq!(shown(&memory), b"");
        for (text, is_shown) in [(&b"abcd"[..], &b"abcd"[..]), (b"efghij", b"abcdefghij"), (b"klm", b"defghijklm")] {
            ring.put(&memory, text);
            assert_eq!(shown(&memory), is_shown);
        }
        assert!(Ramoops::start(&memory, 12, 0).is_none());
    }

    /// Linux' arithmetic, step by step, with another's decoder: (what is mended, blocks that cannot be).
    fn mended(memory: &mut [u8], code: usize) -> (usize, usize) {
        let decoder = reed_solomon_decoder(code);
        let mut buffer = memory.len() - 12;
        let blocks = (buffer - code).div_ceil(128 + code);
        buffer -= (blocks + 1) * code;
        let parity = 12 + buffer;
        let (mut corrected, mut bad) = (0, 0);
        let size = u32::from_le_bytes(memory[8..12].try_into().unwrap()) as usize;
        let data = (0..size.div_ceil(128))
            .map(|block| (12 + 128 * block, 128.min(buffer - 128 * block), parity + block * code));
        for (at, length, parity) in [(0, 12, parity + blocks * code)].into_iter().chain(data.collect::<Vec<_>>()) {
            let whole = [&memory[at..at + length], &memory[parity..parity + code]].concat();
            match decoder.correct_err_count(&whole, None) {
                Ok((fixed, count)) => {
                    memory[at..at + length].copy_from_slice(fixed.data());
                    corrected += count;
                }
                Err(_) => bad += 1,
            }
        }
        (corrected, bad)
    }

    fn reed_solomon_decoder(code: usize) -> ::reed_solomon::Decoder {
        ::reed_solomon::Decoder::new(code)
    }

    #[test]
    fn what_was_lost_is_mended_by_the_codes() {
        for bytes in [0x1000, 0x1234, 0x4_0000] {
            let memory = Memory::new(bytes);
            let mut ring = Ramoops::start(&memory, bytes as u64, 16).unwrap();
            let text: Vec<u8> = (0..200_000u32).map(|index| (index % 251) as u8).collect();
            let mut written = 0;
            for length in [0, 1, 127, 128, 129, 300, 7, 4096, 70_000, 5] {
                ring.put(&memory, &text[written..written + length]);
                written += length;
                let mut lost = memory.0.borrow().clone();
                assert_eq!(mended(&mut lost, 16), (0, 0), "{bytes:#x} after {written}");
                lost[5] ^= 1;
                lost[13] ^= 0x80;
                let (corrected, bad) = mended(&mut lost, 16);
                assert_eq!((corrected, bad), (if written == 0 { 1 } else { 2 }, 0), "{bytes:#x} after {written}");
                let kept = shown(&Memory(RefCell::new(lost)));
                assert_eq!(kept, text[written - kept.len()..written]);
            }
            let Extent { text, codes } = Ramoops::extent(bytes as u64, 16).unwrap();
            assert!(text <= codes && codes < bytes as u64);
        }
        assert!(Ramoops::start(&Memory::new(40), 40, 16).is_none() && Ramoops::extent(0x1000, 65).is_none());
    }
}
