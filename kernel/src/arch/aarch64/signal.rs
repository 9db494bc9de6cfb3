//! The fast paths of signal and wait, as those of `fast`: outside of the lock, first looking, then doing (decision 0010).
//!
//! A notification is used by the fast paths of one core, its `owner`'s: that which used it last the slow way. So bits are set
//! with plain loads and stores, and no cache line is written by two cores in turns.
//!
//! A thread that is let go on runs on its own time, and so does the one it takes the core from, if counting what was used is
//! all that changing between them takes (`SchedContext::plain`). The hardware timer stays as it is if it fires early enough:
//! the kernel then finds that nothing has come to its end, and sets it anew.

use core::arch::global_asm;
use core::mem::offset_of;

use abi::{Kind, Op, Rights};

use crate::cap::{Cap, Flags};
use crate::context::Context;
use crate::gate::Area;
use crate::object::{Notification, Reply, SchedContext, State, Thread};
use crate::sched::Scheduler;

/// What the first bits of a capability are that may signal: its kind, and the lowest right.
const MAY_SIGNAL: u32 = Kind::Notification as u32 | (Rights::SIGNAL.bits() as u32) << 8;
/// Those bits.
const KIND_AND_FIRST_RIGHT: u32 = 0x1ff;

// What is loaded or stored as a pair, and what is tested in one go.
const _: () = {
    assert!(Op::Signal as u32 == 8 && Op::Wait as u32 == 9);
    assert!(Rights::SIGNAL.bits() == 1 && offset_of!(Cap, kind) == 0 && offset_of!(Cap, rights) == 1);
    assert!(offset_of!(Thread, slot_mask) == offset_of!(Thread, table_at) + 8);
    assert!(offset_of!(Notification, owner) == offset_of!(Notification, bits) + 8);
    assert!(offset_of!(Notification, bound) == offset_of!(Notification, waiter) + 4);
    assert!(offset_of!(Thread, core) == offset_of!(Thread, queued) + 1);
    assert!(offset_of!(Thread, queued).is_multiple_of(2));
    assert!(offset_of!(SchedContext, slice) == offset_of!(SchedContext, consumed) + 8);
    assert!(offset_of!(Scheduler, slice_end) == offset_of!(Scheduler, stretch) + 8);
};

global_asm!(
    r#"
    .section .text.vectors, "ax"

    // Before anybody else may see what was read and written here.
    .macro signal_ends
    add x28, x28, #{READER}
    stlr wzr, [x28]
    .endm

    // x22 = the own time of the thread at x24, which has no other. x25 = where the objects are mapped.
    .macro own_time
    ldr w21, [x24, #{HOME}]
    ldr w19, [x24, #{REPLY}]
    cbz w21, signal_bail
    orr x22, x25, x21, lsl #6
    ldr x21, [x22, #{PLAIN}]
    cmp x21, x28
    b.ne signal_bail
    cbz w19, 1f
    orr x19, x25, x19, lsl #6
    ldr x19, [x19, #{R_TIME}]
    cbnz x19, signal_bail
1:
    .endm

    // x27 = the scheduler, x20 = the time in use, x29 = the counter.
    .macro time_in_use
    ldr x20, [x28, #{CONTEXT}]
    ldr x27, [x28, #{SCHEDULER}]
    cbz x20, signal_bail
    ldr x21, [x20, #{PLAIN}]
    cmp x21, x28
    b.ne signal_bail
    mrs x29, cntvct_el0
    add w21, w29, #8                // close to a carry it may be wrong: `Machine::now`
    cmp w21, #16
    b.lo signal_bail
    .endm

    // From now on the time at x22 is used and not that at x20, of whose slice x11 is left.
    .macro change_time
    ldr x21, [x27, #{STRETCH}]
    ldp x10, x11, [x20, #{CONSUMED}]
    sub x21, x29, x21
    add x10, x10, x21
    subs x11, x11, x21
    csel x11, x11, xzr, hi
    stp x10, x11, [x20, #{CONSUMED}]
    ldr x21, [x22, #{SLICE}]
    cbnz x21, 1f
    ldr x21, [x27, #{WHOLE_SLICE}]
    str x21, [x22, #{SLICE}]
1:  add x21, x21, x29               // the end of the slice
    ubfx x10, x22, #6, #32
    str x22, [x28, #{CONTEXT}]
    str w10, [x27, #{TIME}]
    stp x29, x21, [x27, #{STRETCH}]
    ldr x10, [x27, #{ARMED}]
    cmp x21, x10
    b.hs 2f
    msr cntv_cval_el0, x21
    str x21, [x27, #{ARMED}]
2:
    .endm

    // The thread at \thread stands in its ready queue: at the end, or in front if \rest is not 0. x27 = the scheduler,
    // x25 = where the objects are mapped; x20, x21, x22, x26, x30 are used.
    .macro enqueue thread, rest
    ldrb w26, [\thread, #{PRIORITY}]
    ldr w22, [x28, #{NUMBER}]
    add x30, x27, x26, lsl #3
    ldr x21, [x30, #{QUEUES}]       // first, last
    ubfx x20, \thread, #6, #32
    lsl w22, w22, #8
    orr w22, w22, #1
    strh w22, [\thread, #{QUEUED}]
    cbnz x21, 1f
    orr x20, x20, x20, lsl #32
    lsr x21, x26, #6
    str x20, [x30, #{QUEUES}]
    add x20, x27, x21, lsl #3
    ldr x21, [x20, #{OCCUPIED}]
    mov x22, #1
    lsl x22, x22, x26
    orr x21, x21, x22
    str x21, [x20, #{OCCUPIED}]
    ldrsw x21, [x27, #{TOP}]
    subs x21, x26, x21
    b.le 3f
    ldr x22, [x28, #{CLOSED_FLOOR}]
    str w26, [x27, #{TOP}]
    add x22, x22, x21               // the floor rises as the most urgent priority does
    ldr w21, [x28, #{FPU_OPEN}]
    str x22, [x28, #{CLOSED_FLOOR}]
    cbnz w21, 3f
    str x22, [x28, #{FLOOR}]
    b 3f
1:
    .ifnb \rest
    cbz \rest, 2f
    mov w22, w21
    str w20, [x30, #{QUEUES}]
    str w21, [\thread, #{NEXT}]
    orr x22, x25, x22, lsl #6
    str w20, [x22, #{PREV}]
    b 3f
    .endif
2:  lsr x21, x21, #32
    str w20, [x30, #{QUEUES} + 4]
    orr x22, x25, x21, lsl #6
    str w21, [\thread, #{PREV}]
    str w20, [x22, #{NEXT}]
3:
    .endm

    // The thread at x24 goes on: its address space; nobody's vector registers are open. \floor is used.
    .macro enter_thread floor
    ldr x21, [x24, #{TTBR_AT}]
    ldr w22, [x28, #{FPU_OPEN}]
    ldr x21, [x21]
    ldr \floor, [x28, #{CLOSED_FLOOR}]
    msr ttbr0_el1, x21
    cbz w22, 1f
    mov x21, #{CLOSED}
    msr cpacr_el1, x21
    str wzr, [x28, #{FPU_OPEN}]
1:  str \floor, [x28, #{FLOOR}]
    .endm

    // Not the ordinary case. Nothing was written.
signal_bail:
    signal_ends
    b slow

    // Signal or Wait. x20 is not 0.
    .global fast_signal
fast_signal:
    mrs x28, tpidr_el1
    str w20, [x28, #{READER}]
    dmb ish
    ldar w21, [x28]
    cbnz w21, signal_bail
    ldp x22, x23, [sp, #{TABLE}]
    tst x9, x23
    b.ne signal_bail
    add x22, x22, x9, lsl #6
    tbnz w8, #0, wait
    ldp x19, x23, [x22]             // capability: facts, notification
    ldr x29, [x22, #{BADGE}]
    and w19, w19, #{KIND_AND_FIRST_RIGHT}
    cmp w19, #{MAY_SIGNAL}
    b.ne signal_bail
    ldp x24, x25, [x23, #{BITS}]    // bits, owner
    ldp w26, w27, [x23, #{WAITER}]  // who waits, who is bound
    orr x19, x0, x29
    cmp x25, x28
    b.ne signal_bail
    orr x19, x19, x24
    cbnz w26, wake
    cbnz w27, tell
1:  str x19, [x23, #{BITS}]
back:
    signal_ends
    ldp x19, x20, [sp, #152]
    ldp x21, x22, [sp, #168]
    ldp x23, x24, [sp, #184]
    ldp x25, x26, [sp, #200]
    ldp x27, x28, [sp, #216]
    ldp x29, x30, [sp, #232]
    mov x8, xzr
    mov x9, xzr
    eret
    dsb nsh
    isb

    // The next receive of the bound thread returns at once. It is this one, or another of this core's.
tell:
    mov x25, #{MAP}
    orr x24, x25, x27, lsl #6
    cmp sp, x24
    b.eq 2f
    ldr x21, [x24, #{KEY}]
    ldr x22, [sp, #{KEY}]
    ldr w20, [x24, #{STATE}]
    sub x21, x21, x22
    add x21, x21, #255
    cmp x21, #510
    b.hi signal_bail
    cmp w20, #{RECEIVING}
    b.eq signal_bail
2:  add x21, x24, #{ZERO}           // no Reply lies there: see `Kernel::no_fast_reply`
    cbz x19, back
    str x21, [x24, #{FAST_REPLY}]
    b 1b

    // Somebody waits.
wake:
    cbz x19, back
    mov x25, #{MAP}
    mov x30, x19
    orr x24, x25, x26, lsl #6
    ldr x21, [x24, #{KEY}]
    ldr x22, [sp, #{KEY}]
    sub x26, x21, x22
    add x21, x26, #255
    cmp x21, #510                   // of this core
    b.hi signal_bail
    own_time
    cmp x26, #0
    b.gt wake_urgent
    ldr x27, [x28, #{SCHEDULER}]
    str wzr, [x23, #{WAITER}]
    str xzr, [x24, #{STATE}]        // Ready
    stp x30, xzr, [x24]
    stp xzr, xzr, [x24, #16]
    stp xzr, xzr, [x24, #32]
    stp xzr, xzr, [x24, #48]
    stp xzr, xzr, [x24, #64]
    str xzr, [x24, #240]
    enqueue x24,
    b back

    // Who waits is more urgent, and so than all that are ready: it goes on, and this one waits for its turn.
wake_urgent:
    time_in_use
    str wzr, [x23, #{WAITER}]
    str xzr, [x24, #{STATE}]        // Ready
    mrs x10, sp_el0
    mrs x11, elr_el1
    mrs x12, spsr_el1
    mrs x13, tpidr_el0
    stp x10, x11, [sp, #248]
    stp x12, x13, [sp, #264]
    stp x0, x1, [sp]
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp xzr, xzr, [sp, #64]
    str xzr, [sp, #240]
    mov x0, x30
    change_time
    mov x12, sp
    enqueue x12, x11
    enter_thread x13
    ldp x1, x2, [x28, #{ZEROS}]
    ldp x3, x4, [x28, #{ZEROS}]
    ldp x5, x6, [x28, #{ZEROS}]
    ldp x7, x8, [x28, #{ZEROS}]
    mov x9, xzr
    signal_ends
    mov sp, x24
    ldp x10, x11, [sp, #248]
    ldp x12, x13, [sp, #264]
    msr sp_el0, x10
    msr elr_el1, x11
    msr spsr_el1, x12
    msr tpidr_el0, x13
    ldp x14, x15, [sp, #112]
    ldp x16, x17, [sp, #128]
    ldp x18, x19, [sp, #144]
    ldp x20, x21, [sp, #160]
    ldp x22, x23, [sp, #176]
    ldp x24, x25, [sp, #192]
    ldp x26, x27, [sp, #208]
    ldp x28, x29, [sp, #224]
    mov x30, xzr
    eret
    dsb nsh
    isb

    // Takes the bits, or waits for them: the first of the most urgent threads goes on.
wait:
    ldp x19, x23, [x22]
    tbz w19, #{FAST_WAIT}, signal_bail
    ldp x24, x25, [x23, #{BITS}]
    ldp w26, w21, [x23, #{WAITER}]
    cmp x25, x28
    b.ne signal_bail
    cbz x24, 1f
    mov x0, x24
    str xzr, [x23, #{BITS}]
    b back
1:  cbnz w26, signal_bail
    cbz w21, 2f
    mov x19, sp
    ubfx x19, x19, #6, #32
    cmp w21, w19                    // bound to this thread or to none
    b.ne signal_bail
2:  time_in_use
    ldrsw x26, [x27, #{TOP}]
    tbnz x26, #63, signal_bail      // nobody is ready
    add x30, x27, x26, lsl #3
    ldr w21, [x30, #{QUEUES}]
    mov x25, #{MAP}
    orr x24, x25, x21, lsl #6
    own_time
    mov x19, sp
    ubfx x19, x19, #6, #32
    mov w21, #{WAITING}
    str w19, [x23, #{WAITER}]
    ubfx x19, x23, #6, #32
    stp x21, x19, [sp, #{STATE}]    // Waiting(notification)
    mrs x10, sp_el0
    mrs x11, elr_el1
    mrs x12, spsr_el1
    mrs x13, tpidr_el0
    stp x10, x11, [sp, #248]
    stp x12, x13, [sp, #264]
    // Out of its queue.
    ldp w10, w11, [x30, #{QUEUES}]
    strb wzr, [x24, #{QUEUED}]
    cmp w10, w11
    b.ne 5f
    lsr x12, x26, #6
    str xzr, [x30, #{QUEUES}]
    add x13, x27, x12, lsl #3
    mov x15, #1
    ldr x14, [x13, #{OCCUPIED}]
    lsl x15, x15, x26
    bic x14, x14, x15
    str x14, [x13, #{OCCUPIED}]
    // The most urgent queue that is occupied now.
3:  cbnz x14, 4f
    sub x13, x13, #8
    subs x12, x12, #1
    b.mi 4f
    ldr x14, [x13, #{OCCUPIED}]
    b 3b
4:  clz x14, x14
    lsl x12, x12, #6
    add x12, x12, #63
    ldr x13, [x28, #{CLOSED_FLOOR}]
    sub x12, x12, x14
    cmp x12, #0
    csinv x12, x12, xzr, ge         // -1: none
    str w12, [x27, #{TOP}]
    sub x14, x12, x26
    add x13, x13, x14
    str x13, [x28, #{CLOSED_FLOOR}]
    b 6f
5:  ldr w12, [x24, #{NEXT}]
    str w12, [x30, #{QUEUES}]
    orr x13, x25, x12, lsl #6
    str wzr, [x24, #{NEXT}]
    str wzr, [x13, #{PREV}]
6:  change_time
    enter_thread x13
    signal_ends
    mov x0, x24
    b el0_return
    "#,
    READER = const Area::READER,
    FLOOR = const offset_of!(Area, floor),
    CLOSED_FLOOR = const offset_of!(Area, closed_floor),
    CONTEXT = const offset_of!(Area, context),
    NUMBER = const offset_of!(Area, number),
    FPU_OPEN = const offset_of!(Area, fpu_open),
    SCHEDULER = const offset_of!(Area, scheduler),
    ZEROS = const offset_of!(Area, zeros),
    CLOSED = const super::fpu::CLOSED,
    MAP = const super::layout::MAP,
    TABLE = const offset_of!(Thread, table_at),
    FAST_REPLY = const offset_of!(Thread, fast_reply),
    KEY = const offset_of!(Thread, key),
    TTBR_AT = const offset_of!(Thread, ttbr_at),
    STATE = const offset_of!(Thread, state),
    PRIORITY = const offset_of!(Thread, priority),
    QUEUED = const offset_of!(Thread, queued),
    HOME = const offset_of!(Thread, home),
    REPLY = const offset_of!(Thread, reply),
    NEXT = const offset_of!(Thread, next),
    PREV = const offset_of!(Thread, prev),
    RECEIVING = const State::RECEIVING,
    WAITING = const State::WAITING,
    ZERO = const offset_of!(Context, pad) - offset_of!(Reply, time),
    BITS = const offset_of!(Notification, bits),
    WAITER = const offset_of!(Notification, waiter),
    R_TIME = const offset_of!(Reply, time),
    PLAIN = const offset_of!(SchedContext, plain),
    CONSUMED = const offset_of!(SchedContext, consumed),
    SLICE = const offset_of!(SchedContext, slice),
    QUEUES = const offset_of!(Scheduler, queues),
    OCCUPIED = const offset_of!(Scheduler, occupied),
    TOP = const offset_of!(Scheduler, top),
    TIME = const offset_of!(Scheduler, context),
    STRETCH = const offset_of!(Scheduler, stretch),
    ARMED = const offset_of!(Scheduler, armed),
    WHOLE_SLICE = const offset_of!(Scheduler, whole_slice),
    BADGE = const offset_of!(Cap, word),
    FAST_WAIT = const offset_of!(Cap, flags) as u32 * 8 + Flags::FAST_WAIT.bits().trailing_zeros(),
    KIND_AND_FIRST_RIGHT = const KIND_AND_FIRST_RIGHT,
    MAY_SIGNAL = const MAY_SIGNAL,
);
