//! The exception vectors: SP_EL1 points at the registers of the running thread, so entry stores them at once, then
//! takes the core's stack. The handlers return the registers of whoever runs next.
//!
//! The fast paths of call, reply-and-receive and poll stand here too. Each first checks, with loads only, that the case is
//! the ordinary one; what is not goes the long way, which does the same in Rust. Everything a fast path writes, and its
//! order in memory, is checked by the offsets below; what it relies on is kept true by `Kernel::freeze`, `Thread::key` and
//! `Kernel::refresh`. Registers a message does not use come back as the receiver left them or as zero, never as the
//! sender had them.

use core::arch::global_asm;
use core::mem::offset_of;

use abi::{Kind, Op, Rights};

use crate::cap::{Cap, Flags};
use crate::gate::Area;
use crate::object::{Endpoint, Notification, Reply, SchedContext, State, Thread};

/// The bit of a capability's first word that a flag is.
const fn bit(flag: Flags) -> u32 {
    offset_of!(Cap, flags) as u32 * 8 + flag.bits().trailing_zeros()
}

// Pairs that are stored together.
const _: () = {
    assert!(offset_of!(Thread, table_slots) == offset_of!(Thread, table_at) + 8);
    assert!(offset_of!(Thread, time) == offset_of!(Thread, state) + 12);
    assert!(offset_of!(Reply, receiver) == offset_of!(Reply, caller) + 4);
    assert!(offset_of!(Reply, time) == offset_of!(Reply, waiting) + 4);
    assert!(offset_of!(Reply, below) == offset_of!(Reply, above) + 4);
    assert!(offset_of!(SchedContext, stack) == offset_of!(SchedContext, holder) + 4);
    assert!(offset_of!(Cap, object) == 8 && Op::Call as u32 == 0);
};

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
    ldr x2, [x2, #{STACK}]
    mov sp, x2
    mov x29, xzr
    .endm

    // From here on no slow path runs beside this one, or the gate is closed. x28 is this core's area, x20 is not 0.
    .macro reader_begins
    mrs x28, tpidr_el1
    str w20, [x28, #{READER}]
    dmb ish
    ldar w25, [x28]
    cbnz w25, slow
    .endm

    // All that was read and written lies before this. What follows touches only the registers of the thread that this
    // core runs, which others stop first.
    .macro reader_ends
    add x28, x28, #{READER}
    stlr wzr, [x28]
    .endm

    .macro save_context
    save_kept
    save_rest
    .endm

    // Everything but x0 to x9 of the thread whose registers x24 points at, and back to it.
    .macro fast_return
    reader_ends
    mov sp, x24
    ldp x10, x11, [sp, #248]
    ldp x12, x13, [sp, #264]
    msr sp_el0, x10
    msr elr_el1, x11
    msr spsr_el1, x12
    msr tpidr_el0, x13
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
    ldr x30, [sp, #240]
    eret
    .endm

    .macro vector target
    .balign 128
    b \target
    .endm

    // The kernel itself failed: its stack may be the reason, so the report has one of its own.
    .macro fatal kind
    .balign 128
    msr tpidrro_el0, x0
    mov x0, #\kind
    b el1_fatal
    .endm

    .section .text.vectors, "ax"
    .balign 2048
    .global vectors
vectors:
    fatal 0
    fatal 1
    fatal 2
    fatal 3
    fatal 4
    fatal 5
    fatal 6
    fatal 7
    vector el0_sync
    vector el0_irq
    vector el0_irq
    vector el0_serror
    fatal 12
    fatal 13
    fatal 14
    fatal 15

el0_sync:
    save_kept
    mrs x19, esr_el1
    mov w20, #0x56000000            // svc #0
    cmp x19, x20
    b.ne slow
    tst w8, #0xff                   // Op::Call is 0
    b.ne not_call
    cmp w8, #0x800                  // at most eight words, no capabilities
    b.hi slow

    // Call: the receiver that waits gets the message, the caller's time and the core.
    reader_begins
    ldp x20, x21, [sp, #{TABLE}]
    mov w22, w9
    cmp x22, x21
    b.hs slow
    add x20, x20, x22, lsl #6
    ldp x21, x22, [x20]
    tbz w21, #{FAST_SEND}, slow
    mov x27, #{MAP}
    add x22, x27, x22, lsl #6       // endpoint
    ldr w23, [x22, #{E_WORD}]
    cmp w23, #1
    b.ls slow
    add x24, x27, x23, lsl #6       // receiver
    ldr w25, [x24, #{KEY}]
    ldr w26, [x28, #{TOP}]
    cmp w25, w26
    b.lt slow
    ldr x29, [x24, #{TTBR_AT}]
    ldr x29, [x29]
    cbz x29, slow
    ldr w30, [sp, #{TIME}]
    cbz w30, slow
    ldr w25, [x24, #{STATE} + 8]
    add x26, x27, x25, lsl #6       // Reply
    mov w21, #1                     // the endpoint is idle; also State::Ready
    str w21, [x22, #{E_WORD}]
    add x22, x27, x30, lsl #6       // SchedContext
    ldr w19, [x22, #{S_STACK}]
    cbnz w19, call_nested
call_donate:
    stp w23, w25, [x22, #{S_HOLDER}]
    mov x22, sp
    ubfx x22, x22, #6, #32
    stp w22, w23, [x26, #{R_CALLER}]
    stp wzr, w30, [x26, #{R_WAITING}]
    stp wzr, w19, [x26, #{R_ABOVE}]
    str w25, [x24, #{DEBTS}]
    mov w22, #{AWAITING}
    orr x22, x22, x25, lsl #32
    stp x22, xzr, [sp, #{STATE}]    // AwaitingReply(Reply), and no time
    ldr w22, [x24, #{HOME}]
    add x22, x27, x22, lsl #6
    str wzr, [x22, #{S_HOLDER}]
    str w21, [x24, #{STATE}]
    str w30, [x24, #{TIME}]
    ldr x9, [x20, #{BADGE}]
    msr ttbr0_el1, x29
    save_user_state
    cmp w8, #0x800
    b.lo call_short
call_return:
    fast_return

call_nested:
    add x21, x27, x19, lsl #6
    str w25, [x21, #{R_ABOVE}]
    mov w21, #1
    b call_donate

call_short:
    cbnz w8, call_some
    ldp x0, x1, [x28, #{ZEROS}]
    ldp x2, x3, [x28, #{ZEROS}]
    ldp x4, x5, [x28, #{ZEROS}]
    ldp x6, x7, [x28, #{ZEROS}]
    fast_return
call_some:
    adr x10, 1f
    lsr w11, w8, #6
    add x10, x10, x11
    br x10
1:  mov x0, xzr
    mov x1, xzr
    mov x2, xzr
    mov x3, xzr
    mov x4, xzr
    mov x5, xzr
    mov x6, xzr
    mov x7, xzr
    fast_return

not_call:
    and w20, w8, #0xff
    cmp w20, #{REPLY_RECEIVE}
    b.eq reply_receive
    cmp w20, #{POLL}
    b.eq poll

    // The long way: everything is saved, the core's stack is taken.
slow:
    mrs x28, tpidr_el1
    reader_ends
    save_rest
    mrs x1, esr_el1
    mrs x2, far_el1
    bl {sync}
    b el0_return

    // ReplyReceive: the caller gets the answer, its time and the core; this thread waits.
reply_receive:
    reader_begins
    sub x30, x8, #{REPLY_RECEIVE}
    cmp w30, #0x800
    b.hi slow
    ldp x20, x21, [sp, #{TABLE}]
    mov w22, w9
    cmp x22, x21
    b.hs slow
    lsr x23, x9, #32
    cmp x23, x21
    b.hs slow
    add x22, x20, x22, lsl #6
    add x23, x20, x23, lsl #6
    ldp x24, x25, [x22]
    tbz w24, #{FAST_RECEIVE}, slow
    ldp x26, x29, [x23]
    tbz w26, #{FAST_REPLY}, slow
    mov x27, #{MAP}
    add x22, x27, x25, lsl #6       // endpoint
    ldr w21, [x22, #{E_WORD}]
    cmp w21, #1
    b.ne slow
    add x26, x27, x29, lsl #6       // Reply
    ldp w23, w21, [x26, #{R_CALLER}]
    cbz w23, slow
    mov x19, sp
    ubfx x19, x19, #6, #32          // this thread
    cmp w21, w19
    b.ne slow
    add x24, x27, x23, lsl #6       // caller
    ldr w20, [x24, #{KEY}]
    ldr w21, [x28, #{TOP}]
    cmp w20, w21
    b.lt slow
    ldr x20, [x24, #{TTBR_AT}]
    ldr x20, [x20]
    cbz x20, slow
    ldr w10, [sp, #{BOUND}]
    cbz w10, 1f
    add x10, x27, x10, lsl #6
    ldr x10, [x10, #{N_BITS}]
    cbnz x10, slow
1:  ldr w10, [sp, #{DEBTS}]         // it owes this answer and no other
    ldr w11, [x26, #{R_NEXT}]
    cmp w10, w29
    b.ne slow
    cbnz w11, slow
    ldr w10, [x26, #{R_TIME}]       // the time it runs on came through this Reply, and no newer one
    ldr w11, [sp, #{TIME}]
    ldr w12, [sp, #{HOME}]
    cbz w10, slow
    cmp w10, w11
    b.ne slow
    cbz w12, slow
    ldp w13, w14, [x26, #{R_ABOVE}]
    cbnz w13, slow
    add x11, x27, x10, lsl #6       // SchedContext
    stp w23, w14, [x11, #{S_HOLDER}]
    cbnz w14, reply_nested
reply_take:
    add x13, x27, x12, lsl #6
    str w19, [x13, #{S_HOLDER}]
    stp wzr, wzr, [x26, #{R_CALLER}]
    stp w19, wzr, [x26, #{R_WAITING}]
    str wzr, [sp, #{DEBTS}]
    mov w13, #{RECEIVING}
    orr x13, x13, x25, lsl #32
    orr x14, x29, x12, lsl #32
    stp x13, x14, [sp, #{STATE}]    // Receiving(endpoint, Reply), on its own time
    mov w13, #1
    str w13, [x24, #{STATE}]
    str w10, [x24, #{TIME}]
    str w19, [x22, #{E_WORD}]
    msr ttbr0_el1, x20
    mov x8, x30
    mov x9, xzr
    save_user_state
    cmp w8, #0x800
    b.lo call_short
    fast_return

reply_nested:
    add x13, x27, x14, lsl #6
    str wzr, [x13, #{R_ABOVE}]
    str wzr, [x26, #{R_BELOW}]
    b reply_take

    // Poll: takes the bits and returns to the caller.
poll:
    reader_begins
    ldp x20, x21, [sp, #{TABLE}]
    mov w22, w9
    cmp x22, x21
    b.hs slow
    add x20, x20, x22, lsl #6
    ldp x21, x22, [x20]
    and w23, w21, #0xff
    cmp w23, #{NOTIFICATION}
    b.ne slow
    tbz w21, #{WAIT}, slow
    mov x27, #{MAP}
    add x22, x27, x22, lsl #6
    ldr x0, [x22, #{N_BITS}]
    str xzr, [x22, #{N_BITS}]
    reader_ends
    mov x8, xzr
    mov x9, xzr
    ldp x19, x20, [sp, #152]
    ldp x21, x22, [sp, #168]
    ldp x23, x24, [sp, #184]
    ldp x25, x26, [sp, #200]
    ldp x27, x28, [sp, #216]
    ldp x29, x30, [sp, #232]
    eret

el0_serror:
    save_context
    mrs x1, esr_el1
    bl {serror}
    b el0_return

el0_irq:
    save_context
    bl {irq}

    .global el0_return
el0_return:
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
    eret

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
    READER = const Area::READER,
    STACK = const offset_of!(Area, stack),
    TOP = const offset_of!(Area, floor),
    ZEROS = const offset_of!(Area, zeros),
    MAP = const super::layout::MAP,
    TABLE = const offset_of!(Thread, table_at),
    TTBR_AT = const offset_of!(Thread, ttbr_at),
    KEY = const offset_of!(Thread, key),
    STATE = const offset_of!(Thread, state),
    TIME = const offset_of!(Thread, time),
    HOME = const offset_of!(Thread, home),
    DEBTS = const offset_of!(Thread, debts),
    BOUND = const offset_of!(Thread, bound),
    AWAITING = const State::AWAITING_REPLY,
    RECEIVING = const State::RECEIVING,
    E_WORD = const offset_of!(Endpoint, word),
    R_CALLER = const offset_of!(Reply, caller),
    R_WAITING = const offset_of!(Reply, waiting),
    R_TIME = const offset_of!(Reply, time),
    R_ABOVE = const offset_of!(Reply, above),
    R_BELOW = const offset_of!(Reply, below),
    R_NEXT = const offset_of!(Reply, next),
    S_HOLDER = const offset_of!(SchedContext, holder),
    S_STACK = const offset_of!(SchedContext, stack),
    N_BITS = const offset_of!(Notification, bits),
    BADGE = const offset_of!(Cap, word),
    FAST_SEND = const bit(Flags::FAST_SEND),
    FAST_RECEIVE = const bit(Flags::FAST_RECEIVE),
    FAST_REPLY = const bit(Flags::FAST_REPLY),
    NOTIFICATION = const Kind::Notification as u32,
    WAIT = const 8 + Rights::WAIT.bits().trailing_zeros(),
    REPLY_RECEIVE = const Op::ReplyReceive as u32,
    POLL = const Op::Poll as u32,
    sync = sym super::trap::sync,
    irq = sym super::trap::irq,
    serror = sym super::trap::serror,
    fatal = sym super::crash::fatal,
);
