//! System calls with every vector register under control, for components that have them.
#![cfg(all(target_os = "none", target_feature = "neon"))]

use crate::wire::{Wrong, pattern};

/// v0–v31, low and high halves, FPCR and FPSR.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
pub struct Vectors {
    /// v0–v31.
    pub v: [[u64; 2]; 32],
    /// FPCR.
    pub fpcr: u64,
    /// FPSR.
    pub fpsr: u64,
}

core::arch::global_asm!(
    r#"
    .macro vectors_each operation
    \operation q0, q1, [x10]
    \operation q2, q3, [x10, #32]
    \operation q4, q5, [x10, #64]
    \operation q6, q7, [x10, #96]
    \operation q8, q9, [x10, #128]
    \operation q10, q11, [x10, #160]
    \operation q12, q13, [x10, #192]
    \operation q14, q15, [x10, #224]
    \operation q16, q17, [x10, #256]
    \operation q18, q19, [x10, #288]
    \operation q20, q21, [x10, #320]
    \operation q22, q23, [x10, #352]
    \operation q24, q25, [x10, #384]
    \operation q26, q27, [x10, #416]
    \operation q28, q29, [x10, #448]
    \operation q30, q31, [x10, #480]
    add x10, x10, #512
    .endm

    // x0: words x0 to x9 in and out. x1: the vector registers in, x2: out.
    .section .text.conformance, "ax"
    .global conformance_vectors
    .type conformance_vectors, %function
conformance_vectors:
    hint #34                        // BTI c
    stp x29, x30, [sp, #-112]!
    stp d8, d9, [sp, #16]
    stp d10, d11, [sp, #32]
    stp d12, d13, [sp, #48]
    stp d14, d15, [sp, #64]
    stp x0, x2, [sp, #80]
    str x19, [sp, #96]
    mrs x19, fpcr
    mov x10, x1
    vectors_each ldp
    ldp x11, x12, [x10]
    msr fpcr, x11
    msr fpsr, x12
    ldp x8, x9, [x0, #64]
    ldp x6, x7, [x0, #48]
    ldp x4, x5, [x0, #32]
    ldp x2, x3, [x0, #16]
    ldp x0, x1, [x0]
    svc #0
    ldp x11, x10, [sp, #80]
    stp x0, x1, [x11]
    stp x2, x3, [x11, #16]
    stp x4, x5, [x11, #32]
    stp x6, x7, [x11, #48]
    stp x8, x9, [x11, #64]
    vectors_each stp
    mrs x11, fpcr
    mrs x12, fpsr
    stp x11, x12, [x10]
    msr fpcr, x19
    ldr x19, [sp, #96]
    ldp d8, d9, [sp, #16]
    ldp d10, d11, [sp, #32]
    ldp d12, d13, [sp, #48]
    ldp d14, d15, [sp, #64]
    ldp x29, x30, [sp], #112
    ret

    // x0: where the vector registers go.
    .global conformance_look
    .type conformance_look, %function
conformance_look:
    hint #34                        // BTI c
    mov x10, x0
    vectors_each stp
    mrs x11, fpcr
    mrs x12, fpsr
    stp x11, x12, [x10]
    ret
    "#
);

unsafe extern "C" {
    fn conformance_vectors(words: *mut [u64; 10], before: *const Vectors, after: *mut Vectors);
    fn conformance_look(vectors: *mut Vectors);
}

const ZEROS: Vectors = Vectors { v: [[0; 2]; 32], fpcr: 0, fpsr: 0 };

impl Vectors {
    /// Each half of a register says whose it is, of which call, and which; the rounding mode goes with the call.
    pub fn of(who: u64, call: u32) -> Self {
        let v = core::array::from_fn(|n| [pattern(who, call, 64 + 2 * n), pattern(who, call, 65 + 2 * n)]);
        Self { v, fpcr: u64::from(call & 3) << 22, fpsr: 0x0800_0000 | u64::from(call & 0x1f) }
    }

    /// What the registers hold now.
    pub fn now() -> Self {
        let mut found = ZEROS;
        // SAFETY: stores the registers there, and changes none that a function must keep.
        unsafe { conformance_look(&raw mut found) };
        found
    }

    /// Enters the kernel with x0–x9 and these vector registers; returns what comes back in them.
    pub fn svc(&self, words: &mut [u64; 10]) -> Self {
        let mut after = ZEROS;
        // SAFETY: the function keeps to the C calling convention and writes nothing but the two arrays; which memory the kernel
        // writes for the calls made here, the message page, is only read with volatile accesses.
        unsafe { conformance_vectors(words, self, &raw mut after) };
        after
    }

    /// No half of a register begins like this.
    pub fn are_not_of(&self, who: u64, wrong: &mut Wrong) {
        for (n, &[low, high]) in self.v.iter().enumerate() {
            let foreign = low >> 48 == who || high >> 48 == who;
            wrong.unless(!foreign, "a vector register came across", [n as u64, low, high]);
        }
    }

    /// What must hold after a system call made with `self`: v8–v15 and FPCR survive; the others hold what they held, or zeros.
    pub fn survive(&self, after: &Self, wrong: &mut Wrong) {
        for (n, (before, after)) in self.v.iter().zip(&after.v).enumerate() {
            let fine = before == after || !(8..16).contains(&n) && *after == [0; 2];
            wrong.unless(fine, "a vector register did not survive", [n as u64, after[0], after[1]]);
        }
        wrong.unless(self.fpcr == after.fpcr, "FPCR did not survive", [self.fpcr, after.fpcr, 0]);
        wrong.unless(self.fpsr == after.fpsr, "FPSR did not survive", [self.fpsr, after.fpsr, 0]);
    }
}
