//! RAM of the fake machine.

use crate::mm::{Mem, Phys};

/// What RAM holds before anybody zeroed it: not zeros, so that a missing zeroing shows.
pub const JUNK: u8 = 0xa5;

/// `bytes` bytes of RAM at physical address `start`, full of [`JUNK`], for the rest of the test run.
pub fn arena(start: Phys, bytes: usize) -> Mem {
    const PAGE: usize = 4096;
    let room = vec![JUNK; bytes + PAGE].leak();
    let base = (room.as_mut_ptr() as usize).next_multiple_of(PAGE);
    // SAFETY: `bytes` bytes from `base` on lie inside the leaked room, which nothing else names, and `base` is aligned.
    unsafe { Mem::new(base, start, bytes as u64) }
}
