//! The vector registers of user space: storing, loading, who may reach them. The kernel itself has none.

use core::arch::global_asm;
use core::mem::offset_of;
use core::sync::atomic::Ordering;

use aarch64_cpu::registers::{CPACR_EL1, Writeable};

use crate::fpu::{FpuState, Place};
use crate::gate::Area;

/// CPACR_EL1: user space traps when it reaches for a vector register. The kernel does not, so that the trap can store them
/// without a barrier first.
pub(super) const CLOSED: u64 = 0b01 << 20;
/// CPACR_EL1: nobody traps (FPEN = 0b11). SVE and SME stay closed to all.
const OPEN: u64 = Place::InCore as u64;

global_asm!(
    r#"
    .arch_extension fp
    .arch_extension simd

    // Stores or loads v0 to v31; \place is the address of the word behind them.
    .macro each_vector operation, place
    \operation q0, q1, [\place, #(0 - {PLACE})]
    \operation q2, q3, [\place, #(32 - {PLACE})]
    \operation q4, q5, [\place, #(64 - {PLACE})]
    \operation q6, q7, [\place, #(96 - {PLACE})]
    \operation q8, q9, [\place, #(128 - {PLACE})]
    \operation q10, q11, [\place, #(160 - {PLACE})]
    \operation q12, q13, [\place, #(192 - {PLACE})]
    \operation q14, q15, [\place, #(224 - {PLACE})]
    \operation q16, q17, [\place, #(256 - {PLACE})]
    \operation q18, q19, [\place, #(288 - {PLACE})]
    \operation q20, q21, [\place, #(320 - {PLACE})]
    \operation q22, q23, [\place, #(352 - {PLACE})]
    \operation q24, q25, [\place, #(384 - {PLACE})]
    \operation q26, q27, [\place, #(416 - {PLACE})]
    \operation q28, q29, [\place, #(448 - {PLACE})]
    \operation q30, q31, [\place, #(480 - {PLACE})]
    .endm

    .section .text.vectors, "ax"

    // An exception that is no system call of the fast paths; x19 is ESR_EL1, x20 is not 0, x19 to x30 are stored. The first
    // use of vector registers: those of the core's owner are stored, those of this thread come in. What is not the ordinary
    // case goes the long way.
    .global exception
exception:
    lsr w21, w19, #26
    cmp w21, #{EC_FPU}
    b.ne fast_fault
    mrs x19, tpidr_el1
    str w20, [x19, #{READER}]
    dmb ish
    ldar w21, [x19]
    cbnz w21, 4f
    ldr x22, [x19, #{OWNER}]
    cmp sp, x22
    b.eq 5f
    add x24, sp, #({BEHIND} + {PLACE})
    ldar w21, [x24]                 // where its registers are
    cmp w21, #{SAVED}
    b.ne 4f
    cbz x22, 2f
    add x22, x22, #({BEHIND} + {PLACE})
    each_vector stp, x22
    mrs x20, fpcr
    mrs x23, fpsr
    stp x20, x23, [x22, #-16]
    stlr w21, [x22]
2:  each_vector ldp, x24
    ldp x20, x23, [x24, #-16]
    msr fpcr, x20
    msr fpsr, x23
    mov x23, sp
    str x23, [x19, #{OWNER}]
    mov w21, #{OPEN}                // also Place::InCore, and a floor that no key reaches
    str w21, [x24]
3:  msr cpacr_el1, x21
    str w21, [x19, #{FPU_OPEN}]
    str x21, [x19, #{FLOOR}]
    add x19, x19, #{READER}
    stlr wzr, [x19]
    ldp x19, x20, [sp, #152]
    ldp x21, x22, [sp, #168]
    ldp x23, x24, [sp, #184]
    eret
4:  add x19, x19, #{READER}
    stlr wzr, [x19]
    b slow
5:  mov w21, #{OPEN}
    b 3b

    .section .text.fpu, "ax"
    .global fpu_store
fpu_store:
    add x0, x0, #{PLACE}
    each_vector stp, x0
    mrs x1, fpcr
    mrs x2, fpsr
    stp x1, x2, [x0, #-16]
    ret

    .global fpu_load
fpu_load:
    add x0, x0, #{PLACE}
    each_vector ldp, x0
    ldp x1, x2, [x0, #-16]
    msr fpcr, x1
    msr fpsr, x2
    ret

    .arch_extension nosimd
    .arch_extension nofp
    "#,
    EC_FPU = const 0x07,
    READER = const Area::READER,
    OWNER = const offset_of!(Area, fpu_owner),
    FPU_OPEN = const offset_of!(Area, fpu_open),
    FLOOR = const offset_of!(Area, floor),
    BEHIND = const FpuState::BEHIND,
    PLACE = const offset_of!(FpuState, place),
    SAVED = const Place::Saved as u32,
    OPEN = const OPEN,
);

const _: () = {
    assert!(OPEN == 0b11 << 20 && OPEN as i64 > crate::gate::key(crate::gate::MAX_CORES, 0));
    assert!(offset_of!(FpuState, v) == 0);
    assert!(offset_of!(FpuState, fpsr) == offset_of!(FpuState, fpcr) + 8);
    assert!(offset_of!(FpuState, place) == offset_of!(FpuState, fpcr) + 16);
    assert!(FpuState::BEHIND + size_of::<FpuState>() < 4096);
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
