//! The exception vectors: SP_EL1 points at the registers of the running thread, so entry stores them at once, then
//! takes the core's stack. The handlers return the registers of whoever runs next. System calls try the fast paths first.
//!
//! There is one body and several tables in front of it; each core has the one it needs against speculation (decision 0016).
//! Cores with Meltdown take theirs, in `unmapped.s`, before their first thread runs.

use core::arch::global_asm;
use core::mem::offset_of;

use crate::gate::Area;
use crate::mitigation::Mitigation;
use crate::syscall::Args;

const _: () = assert!(offset_of!(Area, signs) == offset_of!(Area, stack) + 8);
const _: () = assert!(offset_of!(Area, conduit) == offset_of!(Area, firmware) + 4);
const _: () = assert!(offset_of!(Args, input) == 64 && offset_of!(Args, slots) == 72);

/// Where the table of a core lies that does this.
pub fn table(mitigation: &Mitigation) -> usize {
    unsafe extern "C" {
        static vectors: u8;
        static vectors_loop: u8;
        static vectors_instruction: u8;
        static vectors_firmware: u8;
    }
    let table = match mitigation {
        Mitigation { firmware: 1.., .. } => &raw const vectors_firmware,
        Mitigation { clear: true, .. } => &raw const vectors_instruction,
        Mitigation { loops: 1.., .. } => &raw const vectors_loop,
        _ => &raw const vectors,
    };
    table as usize
}

global_asm!(
    r#"
    // x19 to x30: what a call keeps. Afterwards they serve as scratch.
    .macro save_kept
    stp x19, x20, [sp, #152]
    stp x21, x22, [sp, #168]
    stp x23, x24, [sp, #184]
    stp x25, x26, [sp, #200]
    stp x27, x28, [sp, #216]
    stp x29, x30, [sp, #232]
    .endm

    // Stack pointer, program counter, state and thread pointer of user space, through x10 to x13.
    .macro save_user_state
    mrs x10, sp_el0
    mrs x11, elr_el1
    mrs x12, spsr_el1
    mrs x13, tpidr_el0
    stp x10, x11, [sp, #248]
    stp x12, x13, [sp, #264]
    .endm

    .macro save_rest
    stp x0, x1, [sp]
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    str x18, [sp, #144]
    save_user_state
    mov x0, sp
    mrs x2, tpidr_el1
    ldp x2, x3, [x2, #{STACK}]      // and whether return addresses are signed
    mov sp, x2
    mov x29, xzr
    .endm

    // The key of return addresses becomes the one that lies there in this core's area, through x10 to x12.
    .macro take_key key
    mrs x10, tpidr_el1
    ldp x11, x12, [x10, #\key]
    msr S3_0_C2_C1_0, x11           // APIAKeyLo_EL1
    msr S3_0_C2_C1_1, x12           // APIAKeyHi_EL1
    isb
    .endm

    // Calls a handler with the kernel's key.
    .macro call_signed handler
    take_key {OWN_KEY}
    bl \handler
    take_key {PROCESS_KEY}
    .endm

    .macro save_context
    save_kept
    save_rest
    .endm

    // All registers of the thread at x0.
    .macro load_context
    mov sp, x0
    ldp x30, x21, [sp, #240]
    ldp x22, x23, [sp, #256]
    ldr x24, [sp, #272]
    msr sp_el0, x21
    msr elr_el1, x22
    msr spsr_el1, x23
    msr tpidr_el0, x24
    ldp x0, x1, [sp]
    ldp x2, x3, [sp, #16]
    ldp x4, x5, [sp, #32]
    ldp x6, x7, [sp, #48]
    ldp x8, x9, [sp, #64]
    ldp x10, x11, [sp, #80]
    ldp x12, x13, [sp, #96]
    ldp x14, x15, [sp, #112]
    ldp x16, x17, [sp, #128]
    ldp x18, x19, [sp, #144]
    ldp x20, x21, [sp, #160]
    ldp x22, x23, [sp, #176]
    ldp x24, x25, [sp, #192]
    ldp x26, x27, [sp, #208]
    ldp x28, x29, [sp, #224]
    .endm

    // Behind what always branches: nothing behind it is executed ahead of time either.
    .macro no_straight_line
    dsb nsh
    isb
    .endm

    // One of sixteen entries of 128 bytes. Each has a section of its own, behind which the linker puts what is small enough
    // to fit (xtask/src/link.rs).
    .macro slot table, number
    .section .text.slot.\table\().\number, "axR"
    .endm

    .macro vector table, number, target
    slot \table, \number
    b \target
    .endm

    // The kernel itself failed: its stack may be the reason, so the report has one of its own.
    .macro fatal table, number, kind
    slot \table, \number
    msr tpidrro_el0, x0
    mov x0, #\kind
    b el1_fatal
    .endm

    .macro fatal_from_kernel table
    slot \table, 00
    .global \table
\table:
    msr tpidrro_el0, x0
    mov x0, #0
    b el1_fatal
    fatal \table, 01, 1
    fatal \table, 02, 2
    fatal \table, 03, 3
    fatal \table, 04, 4
    fatal \table, 05, 5
    fatal \table, 06, 6
    fatal \table, 07, 7
    .endm

    .macro fatal_from_aarch32 table
    fatal \table, 12, 12
    fatal \table, 13, 13
    fatal \table, 14, 14
    fatal \table, 15, 15
    .endm

    fatal_from_kernel vectors
    // x19 to x30 are free from here on. Call is 0 and ReplyReceive 2; at most eight words, no capabilities.
    slot vectors, 08
el0_sync:
"purpose.dispatch.v1":
    save_kept
    mrs x19, esr_el1
    mov w20, #{SVC}
    tbnz w8, #1, fast_odd
    ror w21, w8, #8
    cmp x19, x20
    ccmp w21, #8, #3, eq
    b.ls fast_call
    b.vs exception                  // no system call
    cmp w21, #{MAX_WORDS}
    b.ls fast_long_call
    and w21, w8, #0xfe
    cmp w21, #{SIGNAL}              // or Wait, the next number
    b.eq fast_signal
    b slow_call
    vector vectors, 09, el0_irq
    vector vectors, 10, el0_irq
    vector vectors, 11, el0_serror
    fatal_from_aarch32 vectors

    // What cores do that must first hide from speculation what user space taught the branch predictor (`crate::mitigation`).
    // Each has a table of its own. Afterwards every register is as it was, and the entry that all share goes on.
    .macro history_displaced
1:  b 2f
2:  subs w0, w0, #1
    b.ne 1b
    .endm

    .macro by_loop table, number, target
    slot \table, \number
    str x0, [sp]
    mrs x0, tpidr_el1
    ldr w0, [x0, #{LOOPS}]
    history_displaced
    dsb nsh
    isb
    ldr x0, [sp]
    b \target
    .endm

    .macro by_instruction table, number, target
    slot \table, \number
    hint #22                        // clearbhb
    isb
    b \target
    .endm

    // SMCCC lets the firmware change x0 to x3.
    .macro by_firmware table, number, target
    slot \table, \number
    stp x0, x1, [sp]
    stp x2, x3, [sp, #16]
    mrs x2, tpidr_el1
    ldp w0, w1, [x2, #{FIRMWARE}]
    cbnz w1, 1f
    hvc #0
    b 2f
1:  smc #0
2:  mrs x0, tpidr_el1
    ldr w0, [x0, #{LOOPS}]
    cbz w0, 3f
    history_displaced
3:  dsb nsh
    isb
    ldp x0, x1, [sp]
    ldp x2, x3, [sp, #16]
    b \target
    .endm

    .macro table name, mitigation
    fatal_from_kernel \name
    \mitigation \name, 08, el0_sync
    \mitigation \name, 09, el0_irq
    \mitigation \name, 10, el0_irq
    \mitigation \name, 11, el0_serror
    fatal_from_aarch32 \name
    .endm

    table vectors_instruction, by_instruction
    table vectors_firmware, by_firmware
    .section .text.vectors, "ax"

    // The long way: everything is saved, the core's stack is taken.
    .global slow
slow:
"purpose.general_entry.v2":
    save_rest
    mrs x1, esr_el1
    mrs x2, far_el1
    cbnz x3, 1f
    bl {sync}
    b el0_return
1:  call_signed {sync}
    b el0_return

    // A system call that is none of the fast paths': x22 to x29 are as the caller has them, x10 to x18 and x30 it gave up. What
    // Rust code keeps need not be loaded again.
    .global slow_call
slow_call:
"purpose.general_entry.v3":
    stp x0, x1, [sp]
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    save_user_state
    mrs x20, tpidr_el1
    ldp x10, x21, [x20, #{STACK}]
    mov x19, sp
    sub sp, x10, #{ARGS}
    stp x0, x1, [sp]
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    mov x0, x19
    mov x1, sp
    mov x29, xzr
    cbnz x21, 2f
    bl {call}
"purpose.general_exit.v4":
1:  cbnz x0, el0_return
    mov sp, x19
    ldp x0, x1, [sp]
    ldp x2, x3, [sp, #16]
    ldp x4, x5, [sp, #32]
    ldp x6, x7, [sp, #48]
    ldp x8, x9, [x20, #{ZEROS}]
    ldp x10, x11, [x20, #{ZEROS}]
    ldp x12, x13, [x20, #{ZEROS}]
    ldp x14, x15, [x20, #{ZEROS}]
    ldp x16, x17, [x20, #{ZEROS}]
    ldp x18, x30, [x20, #{ZEROS}]
    ldp x19, x20, [sp, #152]
    ldr x21, [sp, #168]
    ldr x29, [sp, #232]
    eret
    no_straight_line
2:  call_signed {call}
    b 1b

    .section .text.piece.serror, "ax"
el0_serror:
    save_kept
    b serror_rest
    .section .text.vectors, "ax"
serror_rest:
    save_rest
    mrs x1, esr_el1
    cbnz x3, 1f
    bl {serror}
    b el0_return
1:  call_signed {serror}
    b el0_return

    .section .text.piece.signed_irq, "ax"
signed_irq:
    call_signed {irq}
    b el0_return

    // The first thread of a core: x1 is SCTLR_EL1 from now on.
    .section .text.piece.enter, "ax"
    .global el0_enter
el0_enter:
    msr sctlr_el1, x1
    isb
    mrs x2, tpidr_el1
    ldr x3, [x2, #{SIGNS}]
    cbz x3, 1f
    take_key {PROCESS_KEY}
1:  ldr w3, [x2, #{TRAMPOLINE}]
    cbz w3, el0_return
    b unmapped_return

    .section .text.vectors, "ax"
el0_irq:
"purpose.dispatch.v5":
    save_kept
    b fast_irq

    // w30 is the line that was acknowledged, if one was.
    .global slow_irq
slow_irq:
"purpose.general_entry.v6":
    save_rest
    mov w1, w30
    cbnz x3, signed_irq
    bl {irq}

    .global el0_return
el0_return:
"purpose.general_exit.v7":
    load_context
    eret
    no_straight_line

    .section .text.piece.fatal.1, "ax"
el1_fatal:
    msr contextidr_el1, x1
    mov x1, sp
    msr sp_el0, x1
    adrp x1, __emergency_top
    mov sp, x1
    sub sp, sp, #288
    mrs x1, contextidr_el1
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x19, [sp, #144]
    b fatal_rest
    .section .text.piece.fatal.2, "ax"
fatal_rest:
    stp x20, x21, [sp, #160]
    stp x22, x23, [sp, #176]
    stp x24, x25, [sp, #192]
    stp x26, x27, [sp, #208]
    stp x28, x29, [sp, #224]
    mrs x2, tpidrro_el0
    stp x2, x1, [sp]
    mrs x2, sp_el0
    stp x30, x2, [sp, #240]
    mrs x2, elr_el1
    mrs x3, spsr_el1
    stp x2, x3, [sp, #256]
    str xzr, [sp, #272]
    mov x1, sp
    mrs x2, esr_el1
    mrs x3, far_el1
    b {fatal}
    "#,
    include_str!("vectors/unmapped.s"),
    STACK = const offset_of!(Area, stack),
    SIGNS = const offset_of!(Area, signs),
    OWN_KEY = const offset_of!(Area, own_key),
    PROCESS_KEY = const offset_of!(Area, process_key),
    MAX_WORDS = const abi::MAX_WORDS,
    SIGNAL = const abi::Op::Signal as u32,
    ZEROS = const offset_of!(Area, zeros),
    ARGS = const size_of::<Args>().next_multiple_of(16),
    LOOPS = const offset_of!(Area, loops),
    TRAMPOLINE = const offset_of!(Area, trampoline),
    NO_LINE = const super::intc::SPECIAL,
    FIRMWARE = const offset_of!(Area, firmware),
    SVC = const super::fast::SVC,
    sync = sym super::trap::sync,
    call = sym super::trap::call,
    irq = sym super::trap::irq,
    serror = sym super::trap::serror,
    fatal = sym super::crash::fatal,
);
