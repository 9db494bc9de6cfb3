//! What the conformance components have in common: system calls with every register under control.
//!
//! Safe code cannot see what the kernel leaves in registers; this crate's purpose is to look.
#![cfg_attr(target_os = "none", no_std)]
#![allow(unsafe_code)]

pub mod server;
pub mod vectors;
pub mod wire;

/// x0–x30.
pub type Registers = [u64; 31];

/// What the assembly fills: x0–x30, and the stack pointer before and after.
#[cfg(target_os = "none")]
#[repr(C)]
struct Frame {
    x: Registers,
    before: u64,
    after: u64,
}

#[cfg(target_os = "none")]
core::arch::global_asm!(
    r#"
    .macro conformance_call name, number
    .global \name
    .type \name, %function
\name:
    hint #34                        // BTI c
    stp x29, x30, [sp, #-128]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    str x0, [sp, #104]
    mov x1, sp
    str x1, [x0, #248]
    mov x30, x0
    ldp x0, x1, [x30]
    ldp x2, x3, [x30, #16]
    ldp x4, x5, [x30, #32]
    ldp x6, x7, [x30, #48]
    ldp x8, x9, [x30, #64]
    ldp x10, x11, [x30, #80]
    ldp x12, x13, [x30, #96]
    ldp x14, x15, [x30, #112]
    ldp x16, x17, [x30, #128]
    ldp x18, x19, [x30, #144]
    ldp x20, x21, [x30, #160]
    ldp x22, x23, [x30, #176]
    ldp x24, x25, [x30, #192]
    ldp x26, x27, [x30, #208]
    ldp x28, x29, [x30, #224]
    ldr x30, [x30, #240]
    svc #\number
    stp x0, x1, [sp, #112]
    ldr x0, [sp, #104]
    stp x2, x3, [x0, #16]
    stp x4, x5, [x0, #32]
    stp x6, x7, [x0, #48]
    stp x8, x9, [x0, #64]
    stp x10, x11, [x0, #80]
    stp x12, x13, [x0, #96]
    stp x14, x15, [x0, #112]
    stp x16, x17, [x0, #128]
    stp x18, x19, [x0, #144]
    stp x20, x21, [x0, #160]
    stp x22, x23, [x0, #176]
    stp x24, x25, [x0, #192]
    stp x26, x27, [x0, #208]
    stp x28, x29, [x0, #224]
    str x30, [x0, #240]
    mov x1, sp
    str x1, [x0, #256]
    ldp x1, x2, [sp, #112]
    stp x1, x2, [x0]
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #128
    ret
    .endm

    .section .text.conformance, "ax"
    conformance_call conformance_svc_0, 0
    conformance_call conformance_svc_1, 1
    "#
);

#[cfg(target_os = "none")]
unsafe extern "C" {
    fn conformance_svc_0(frame: *mut Frame);
    fn conformance_svc_1(frame: *mut Frame);
}

/// Enters the kernel with these registers and returns what comes back. The stack pointer must.
#[cfg(target_os = "none")]
pub fn svc(x: &Registers) -> Registers {
    let mut frame = Frame { x: *x, before: 0, after: 0 };
    // SAFETY: the function keeps to the C calling convention and writes nothing but the frame; which memory the kernel
    // writes for the calls made here, the message page, is only read with volatile accesses.
    unsafe { conformance_svc_0(&raw mut frame) };
    assert!(frame.before == frame.after, "sp was {:#x} and is {:#x}", frame.before, frame.after);
    frame.x
}

/// The same with `svc #1`, which is a fault.
#[cfg(target_os = "none")]
pub fn svc_1(x: &Registers) -> Registers {
    let mut frame = Frame { x: *x, before: 0, after: 0 };
    // SAFETY: as in `svc`.
    unsafe { conformance_svc_1(&raw mut frame) };
    frame.x
}

/// On the host there is no kernel.
#[cfg(not(target_os = "none"))]
pub fn svc(x: &Registers) -> Registers {
    *x
}

/// On the host there is no kernel.
#[cfg(not(target_os = "none"))]
pub fn svc_1(x: &Registers) -> Registers {
    *x
}
