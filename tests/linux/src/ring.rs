//! An io_uring (`include/uapi/linux/io_uring.h`): entries go to the kernel in one ring, completions come back in another.
//! Disk and memory are registered once, as a client of Tutti's block protocol shares its memory once.

use core::sync::atomic::Ordering;

use crate::kernel::{self, Failed, File, Memory};

const OP_READ_FIXED: u64 = 4;
const OP_WRITE_FIXED: u64 = 5;
/// The file is a number of those registered: here always the first.
const FIXED_FILE: u64 = 1 << 8;
/// Bytes of `struct io_uring_sqe` and `struct io_uring_cqe`.
const ENTRY: usize = 64;
const COMPLETION: usize = 16;
/// Where the rings and the entries are mapped from.
const RINGS: u64 = 0;
const ENTRIES: u64 = 0x1000_0000;
const SINGLE_MMAP: u32 = 1;

/// A ring.
#[derive(Debug)]
pub struct Ring {
    file: File,
    rings: Memory,
    entries: Memory,
    submission: Offsets,
    completion: Offsets,
    /// Entries written and not handed in.
    written: usize,
}

/// Where in the rings' memory the words of one of them lie.
#[derive(Debug)]
struct Offsets {
    head: usize,
    tail: usize,
    mask: u32,
    /// The ring itself: of numbers of entries, or of completions.
    ring: usize,
}

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    pub tag: u64,
    /// Bytes moved, or an error below 0.
    pub result: i32,
}

impl Ring {
    /// A ring for so many requests at a time, between this disk and this memory.
    pub fn new(depth: usize, disk: File, memory: &Memory) -> Result<Self, Failed> {
        // Words: sq_entries 0, cq_entries 1, features 5; sq_off from 10 (head, tail, mask, -, -, -, array), cq_off from 20
        // (head, tail, mask, -, -, cqes).
        let mut parameters = [0u32; 30];
        let file = kernel::io_uring_setup(depth, &mut parameters)?;
        kernel::io_uring_register(file, disk, memory)?;
        let word = |index: usize| parameters[index] as usize;
        if parameters[5] & SINGLE_MMAP == 0 {
            return Err(Failed::new("this kernel's io_uring has two mappings"));
        }
        let bytes = (word(16) + word(0) * 4).max(word(25) + word(1) * COMPLETION);
        let rings = Memory::of_file(file, RINGS, bytes)?;
        let entries = Memory::of_file(file, ENTRIES, word(0) * ENTRY)?;
        let offsets = |first: usize, ring: usize| {
            let mask = rings.shared(word(first + 2)).load(Ordering::Relaxed);
            Offsets { head: word(first), tail: word(first + 1), mask, ring: word(ring) }
        };
        let (submission, completion) = (offsets(10, 16), offsets(20, 25));
        Ok(Self { file, rings, entries, submission, completion, written: 0 })
    }

    /// Writes an entry; [`Ring::enter`] hands it in. There must not be more of them than the ring was made for.
    pub fn push(&mut self, write: bool, address: u64, bytes: usize, offset: u64, tag: u64) {
        let Offsets { tail, mask, ring, .. } = self.submission;
        let place = self.rings.shared(tail).load(Ordering::Relaxed);
        let slot = (place & mask) as usize;
        let operation = if write { OP_WRITE_FIXED } else { OP_READ_FIXED };
        // opcode, flags, ioprio and file; offset; address; length; user data; which buffer.
        let words = [operation | FIXED_FILE, offset, address, bytes as u64, tag, 0, 0, 0];
        for (index, word) in words.into_iter().enumerate() {
            self.entries.store(slot * ENTRY + index * 8, word);
        }
        self.rings.shared(ring + slot * 4).store(slot as u32, Ordering::Relaxed);
        self.rings.shared(tail).store(place.wrapping_add(1), Ordering::Release);
        self.written += 1;
    }

    /// Hands in what was written, and waits until something has ended.
    pub fn enter(&mut self) -> Result<(), Failed> {
        kernel::io_uring_enter(self.file, core::mem::take(&mut self.written), 1)
    }

    /// A request that has ended.
    pub fn pop(&mut self) -> Option<Completion> {
        let Offsets { head, tail, mask, ring } = self.completion;
        let place = self.rings.shared(head).load(Ordering::Relaxed);
        if place == self.rings.shared(tail).load(Ordering::Acquire) {
            return None;
        }
        let at = ring + (place & mask) as usize * COMPLETION;
        let completion = Completion { tag: self.rings.load(at), result: self.rings.load(at + 8) as i32 };
        self.rings.shared(head).store(place.wrapping_add(1), Ordering::Release);
        Some(completion)
    }
}
