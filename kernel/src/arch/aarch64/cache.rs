//! Zeroing and cache maintenance by address.

use core::arch::asm;

use super::identity;
use crate::errata::Quirks;

/// Bytes of the smallest data and instruction cache lines.
fn lines() -> (usize, usize) {
    let ctr: usize;
    // SAFETY: reads an identification register.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack, preserves_flags)) };
    (4 << (ctr >> 16 & 15), 4 << (ctr & 15))
}

/// Bytes that DC ZVA zeroes at once; `None` where it is prohibited.
fn zva() -> Option<usize> {
    let dczid: u64;
    // SAFETY: reads an identification register.
    unsafe { asm!("mrs {}, dczid_el0", out(reg) dczid, options(nomem, nostack, preserves_flags)) };
    (dczid & 16 == 0).then_some(4 << (dczid & 15))
}

/// Zeroes memory.
///
/// # Safety
/// The range is mapped, writable and holds nothing.
pub unsafe fn zero(start: *mut u8, bytes: usize) {
    let address = start as usize;
    if bytes == 64 {
        // SAFETY: the caller's promise.
        unsafe {
            asm!(
                "stp xzr, xzr, [{0}]", "stp xzr, xzr, [{0}, #16]", "stp xzr, xzr, [{0}, #32]", "stp xzr, xzr, [{0}, #48]",
                in(reg) start, options(nostack, preserves_flags)
            );
        }
        return;
    }
    match zva() {
        Some(block) if (address | bytes) & (block - 1) == 0 => {
            let (mut line, end) = (address, address + bytes);
            while end - line >= 8 * block {
                // SAFETY: the caller's promise; eight blocks lie inside the range.
                unsafe {
                    asm!(
                        ".rept 8", "dc zva, {line}", "add {line}, {line}, {block}", ".endr",
                        line = inout(reg) line, block = in(reg) block,
                        options(nostack, preserves_flags)
                    );
                }
            }
            while line < end {
                // SAFETY: the caller's promise; the block lies inside the range.
                unsafe { asm!("dc zva, {}", in(reg) line, options(nostack, preserves_flags)) };
                line += block;
            }
        }
        // SAFETY: the caller's promise.
        _ => unsafe { start.write_bytes(0, bytes) },
    }
}

/// Makes what was written to a range visible to instruction fetch.
pub fn sync_instructions(start: usize, bytes: usize) {
    if identity::has(Quirks::CLEAN_INVALIDATES) {
        clean_invalidate(start, bytes);
    }
    let (data, _) = lines();
    for line in (start & !(data - 1)..start + bytes).step_by(data) {
        // SAFETY: cleaning a mapped line changes no memory content.
        unsafe { asm!("dc cvau, {}", in(reg) line, options(nostack, preserves_flags)) };
    }
    // SAFETY: barriers and invalidation of the instruction caches.
    unsafe { asm!("dsb ish", "ic ialluis", "dsb ish", "isb", options(nostack, preserves_flags)) };
}

/// Cleans and invalidates a range to the point of coherency.
pub fn clean_invalidate(start: usize, bytes: usize) {
    let (data, _) = lines();
    for line in (start & !(data - 1)..start + bytes).step_by(data) {
        // SAFETY: cleaning and invalidating a mapped line changes no memory content.
        unsafe { asm!("dc civac, {}", in(reg) line, options(nostack, preserves_flags)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb sy", options(nostack, preserves_flags)) };
}
