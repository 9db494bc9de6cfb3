//! Moving a few words: with strict alignment the compiler calls `memcpy` for more than four, which costs several times
//! what the copy does.

use core::arch::asm;

/// Copies eight words.
#[inline(always)]
pub fn copy_words(from: &[u64; 8], to: &mut [u64; 8]) {
    // SAFETY: reads and writes exactly the two arrays.
    unsafe {
        asm!(
            "ldp {a}, {b}, [{from}]", "ldp {c}, {d}, [{from}, #16]",
            "stp {a}, {b}, [{to}]", "stp {c}, {d}, [{to}, #16]",
            "ldp {a}, {b}, [{from}, #32]", "ldp {c}, {d}, [{from}, #48]",
            "stp {a}, {b}, [{to}, #32]", "stp {c}, {d}, [{to}, #48]",
            from = in(reg) from, to = in(reg) to,
            a = out(reg) _, b = out(reg) _, c = out(reg) _, d = out(reg) _,
            options(nostack, preserves_flags)
        );
    }
}

/// Copies an object.
///
/// # Safety
/// `bytes` is a multiple of 64; so many bytes can be read and written, and the two places do not overlap.
pub unsafe fn copy_object(from: *const u8, to: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "2: ldp {a}, {b}, [{from}]", "ldp {c}, {d}, [{from}, #16]",
            "stp {a}, {b}, [{to}]", "stp {c}, {d}, [{to}, #16]",
            "ldp {a}, {b}, [{from}, #32]", "ldp {c}, {d}, [{from}, #48]",
            "stp {a}, {b}, [{to}, #32]", "stp {c}, {d}, [{to}, #48]",
            "subs {bytes}, {bytes}, #64", "add {from}, {from}, #64", "add {to}, {to}, #64", "b.hi 2b",
            from = inout(reg) from => _, to = inout(reg) to => _, bytes = inout(reg) bytes => _,
            a = out(reg) _, b = out(reg) _, c = out(reg) _, d = out(reg) _,
            options(nostack)
        );
    }
}

/// Clears x10–x18 and x30.
#[inline(always)]
pub fn clear_scratch(x: &mut [u64; 31]) {
    // SAFETY: writes words 10 to 18 and 30 of the array.
    unsafe {
        asm!(
            "stp xzr, xzr, [{x}, #80]", "stp xzr, xzr, [{x}, #96]", "stp xzr, xzr, [{x}, #112]",
            "stp xzr, xzr, [{x}, #128]", "str xzr, [{x}, #144]", "str xzr, [{x}, #240]",
            x = in(reg) x,
            options(nostack, preserves_flags)
        );
    }
}
