//! Cache maintenance by address, which the kernel lets user space do.

use core::arch::asm;

/// Bytes from one line to the next: that of the shortest line of this core (CTR_EL0.DminLine), and not more than any core
/// of a machine with two kinds of them has.
fn step() -> usize {
    let cache_type: u64;
    // SAFETY: reads an identification register.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) cache_type, options(nomem, nostack, preserves_flags)) };
    (4usize << (cache_type >> 16 & 15)).min(64)
}

macro_rules! each_line {
    ($instruction:literal, $start:expr, $bytes:expr) => {
        let step = step();
        let (mut line, end) = ($start & !(step - 1), $start + $bytes);
        while line < end {
            // SAFETY: the caller's range is mapped. Cleaning writes what was stored there before, nothing else.
            unsafe { asm!($instruction, in(reg) line, options(nostack, preserves_flags)) };
            line += step;
        }
        // SAFETY: a barrier: what follows, a write to a register among it, finds it done.
        unsafe { asm!("dsb sy", options(nostack, preserves_flags)) };
    };
}

/// What was stored in this range is in memory. The range is mapped.
#[cold]
#[inline(never)]
pub fn clean(start: usize, bytes: usize) {
    each_line!("dc cvac, {}", start, bytes);
}

/// What was stored in this range is in memory, and the next load fetches it from there. The range is mapped.
#[cold]
#[inline(never)]
pub fn clean_invalidate(start: usize, bytes: usize) {
    each_line!("dc civac, {}", start, bytes);
}
