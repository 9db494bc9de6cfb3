//! The vector registers of user space: storing, loading, who may reach them. The kernel itself has none.

use core::arch::global_asm;
use core::mem::offset_of;
use core::sync::atomic::Ordering;

use aarch64_cpu::registers::{CPACR_EL1, Writeable};

use crate::fpu::FpuState;
use crate::gate::Area;

/// CPACR_EL1: user space traps when it reaches for a vector register. The kernel does not, so that the trap can store them
/// without a barrier first.
pub(super) const CLOSED: u64 = 0b01 << 20;
/// CPACR_EL1: nobody traps. SVE and SME stay closed to all.
const OPEN: u64 = 0b11 << 20;

global_asm!(
    r#"
    .arch_extension fp
    .arch_extension simd

    .section .text.fpu, "ax"
    .global fpu_store
fpu_store:
    stp q0, q1, [x0]
    stp q2, q3, [x0, #32]
    stp q4, q5, [x0, #64]
    stp q6, q7, [x0, #96]
    stp q8, q9, [x0, #128]
    stp q10, q11, [x0, #160]
    stp q12, q13, [x0, #192]
    stp q14, q15, [x0, #224]
    stp q16, q17, [x0, #256]
    stp q18, q19, [x0, #288]
    stp q20, q21, [x0, #320]
    stp q22, q23, [x0, #352]
    stp q24, q25, [x0, #384]
    stp q26, q27, [x0, #416]
    stp q28, q29, [x0, #448]
    stp q30, q31, [x0, #480]
    mrs x1, fpcr
    mrs x2, fpsr
    add x0, x0, #{CONTROL}
    stp x1, x2, [x0]
    ret

    .global fpu_load
fpu_load:
    ldp q0, q1, [x0]
    ldp q2, q3, [x0, #32]
    ldp q4, q5, [x0, #64]
    ldp q6, q7, [x0, #96]
    ldp q8, q9, [x0, #128]
    ldp q10, q11, [x0, #160]
    ldp q12, q13, [x0, #192]
    ldp q14, q15, [x0, #224]
    ldp q16, q17, [x0, #256]
    ldp q18, q19, [x0, #288]
    ldp q20, q21, [x0, #320]
    ldp q22, q23, [x0, #352]
    ldp q24, q25, [x0, #384]
    ldp q26, q27, [x0, #416]
    ldp q28, q29, [x0, #448]
    ldp q30, q31, [x0, #480]
    add x0, x0, #{CONTROL}
    ldp x1, x2, [x0]
    msr fpcr, x1
    msr fpsr, x2
    ret

    .arch_extension nosimd
    .arch_extension nofp
    "#,
    CONTROL = const offset_of!(FpuState, fpcr),
);

const _: () = {
    assert!(offset_of!(FpuState, v) == 0);
    assert!(offset_of!(FpuState, fpsr) == offset_of!(FpuState, fpcr) + 8);
};

unsafe extern "C" {
    /// Stores the vector registers.
    fn fpu_store(state: usize);
    /// Loads the vector registers.
    fn fpu_load(state: usize);
}

/// Stores the vector registers of this core, whose area it is, for their owner; nobody reaches what is left in them.
pub(super) fn save(area: &Area) {
    let owner = area.fpu_owner.load(Ordering::Relaxed);
    if owner != 0 {
        // SAFETY: an owner is a thread that lives, with its state behind it; the lock is held, by this core or by the one
        // that waits for this, and no reference to the state exists meanwhile.
        unsafe { fpu_store(owner + FpuState::BEHIND) }
    }
    open(area, false);
}

/// Loads this core's vector registers with those of the thread at an address.
pub(super) fn load(thread: usize) {
    // SAFETY: the address is that of a thread, with its state behind it; the kernel keeps nothing in vector registers.
    unsafe { fpu_load(thread + FpuState::BEHIND) }
}

/// Lets user space at the vector registers of this core, whose area it is, or keeps it from them; `true` when that is new.
/// It takes effect with the return to user space.
#[inline(always)]
pub(super) fn open(area: &Area, open: bool) -> bool {
    if (area.fpu_open.load(Ordering::Relaxed) != 0) == open {
        return false;
    }
    area.fpu_open.store(u32::from(open), Ordering::Relaxed);
    CPACR_EL1.set(if open { OPEN } else { CLOSED });
    true
}
