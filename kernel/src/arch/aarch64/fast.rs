//! The fast paths of call, reply-and-receive and poll. Each first checks, with loads only, that the case is the ordinary one;
//! what is not goes the long way, which does the same in Rust (decision 0010).
//!
//! They run outside of the lock: `crate::gate` says how they and the slow path keep apart. What they write is their own
//! thread, the partner, its Reply, and the endpoint or notification whose word says that it is this core's. What they rely
//! on is kept true by `Kernel::freeze`, `Kernel::set_key`, `Kernel::set_fast_reply` and `Kernel::refresh`.
//!
//! Nothing reaches the other side but the message: registers it does not use come back as zero, as their thread had them
//! when it was interrupted last, or with that thread's own stack pointer, program counter, state and thread pointer.

use core::arch::global_asm;
use core::mem::offset_of;

use abi::Op;

use crate::cap::{Cap, Flags};
use crate::gate::Area;
use crate::object::{Endpoint, Notification, Reply, State, Thread};

/// ESR_EL1 of `svc #0` from AArch64 state.
pub(super) const SVC: u64 = 0x5600_0000;

/// The bit of a capability's first word that a flag is.
const fn bit(flag: Flags) -> u32 {
    offset_of!(Cap, flags) as u32 * 8 + flag.bits().trailing_zeros()
}

// What is loaded or stored as a pair, and values that stand for more than one thing.
const _: () = {
    assert!(offset_of!(Thread, table_at) == offset_of!(Thread, pair_mask) + 8);
    assert!(offset_of!(Thread, slot_mask) == offset_of!(Thread, table_at) + 8);
    assert!(offset_of!(Thread, ttbr_at) == offset_of!(Thread, key) + 8);
    assert!(offset_of!(Reply, time) == offset_of!(Reply, caller) + 8);
    assert!(offset_of!(Area, context) == offset_of!(Area, floor) + 8);
    assert!(offset_of!(Area, gate) == 0);
    assert!(offset_of!(Notification, owner) == offset_of!(Notification, bits) + 8);
    assert!(offset_of!(Cap, object) == 8);
    // What others write of a core while its fast paths run lies in no cache line that these write.
    assert!(Area::READER.is_multiple_of(64) && offset_of!(Area, stack) == Area::READER + 64);
    assert!(offset_of!(Area, floor) / 64 == offset_of!(Area, fpu_open) / 64);
    assert!(offset_of!(Area, thread) / 64 > offset_of!(Area, fpu_open) / 64);
    assert!(Op::Call as u32 == 0 && Op::ReplyReceive as u32 == 2);
    assert!(State::AWAITING_REPLY == SVC);
};

global_asm!(
    r#"
    .section .text.vectors, "ax"

    // What the instructions behind this are for: `bench --explain` adds them up by it.
    .macro purpose name
"purpose.\name\().\@":
    .endm

    // From here on no slow path runs beside this one, or the gate is closed. x28 is this core's area, x20 is not 0.
    .macro reader_begins
    purpose keeping_apart
    mrs x28, tpidr_el1
    str w20, [x28, #{READER}]
    dmb ish
    ldar w21, [x28]
    cbnz w21, bail
    .endm

    // All that was read and written lies before this. What follows touches only the registers of the thread that this
    // core runs, which others stop first.
    .macro reader_ends
    purpose keeping_apart
    add x28, x28, #{READER}
    stlr wzr, [x28]
    .endm

    // Stack pointer, program counter, state and thread pointer of user space.
    .macro save_user
    purpose registers
    mrs x10, sp_el0
    mrs x11, elr_el1
    mrs x12, spsr_el1
    mrs x13, tpidr_el0
    stp x10, x11, [sp, #248]
    stp x12, x13, [sp, #264]
    .endm

    // Everything but x0 to x9 of the thread whose registers x24 points at, and back to it.
    .macro go_on
    reader_ends
    purpose registers
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
    .endm

    // Clears the pair of registers that begins with this one.
    .macro clear first, second
    purpose message
    ldp \first, \second, [x28, #{ZEROS}]
    .endm

    // Not the ordinary case. Nothing was written.
bail:
    reader_ends
    b slow

    // The words of a message from the ninth on, from where x19 points to the page of the thread at x24, if it has one; else the
    // message is cut. x8 is what that thread gets. Both pages stay what they are until the reader ends.
    .macro copy_page
    purpose message
    ldr x26, [x24, #{WORDS_AT}]
    cbz x26, 6f
    tbz w8, #8, 1f
    ldr x10, [x19], #8
    str x10, [x26], #8
1:  tbz w8, #9, 2f
    ldp x10, x11, [x19], #16
    stp x10, x11, [x26], #16
2:  tbz w8, #10, 3f
    ldp x10, x11, [x19], #32
    ldp x12, x13, [x19, #-16]
    stp x10, x11, [x26], #32
    stp x12, x13, [x26, #-16]
3:  ubfx w25, w8, #11, #4           // times eight, the registers among them
    b 5f
4:  ldp x10, x11, [x19], #64
    ldp x12, x13, [x19, #-48]
    ldp x14, x15, [x19, #-32]
    ldp x16, x17, [x19, #-16]
    stp x10, x11, [x26], #64
    stp x12, x13, [x26, #-48]
    stp x14, x15, [x26, #-32]
    stp x16, x17, [x26, #-16]
5:  subs w25, w25, #1
    b.ne 4b
    go_on
6:  mov w25, #8
    bfi x8, x25, #8, #7
    go_on
    .endm

    // Call: the receiver that waits gets the message, the caller's time and the core. \long: more than eight words.
    .macro call name, long
    reader_begins
    .if \long
    ldr x19, [sp, #{WORDS_AT}]
    cbz x19, bail
    .endif
    purpose look-up
    ldp x21, x22, [sp, #{TABLE}]
    tst x9, x22
    b.ne bail
    add x21, x21, x9, lsl #6
    ldp x22, x23, [x21]             // capability: facts, endpoint
    tbz w22, #{FAST_SEND}, bail
    purpose receiver
    ldr x24, [x23, #{E_WORD}]       // receiver
    tbnz x24, #{NOBODY}, bail
    purpose scheduling
    ldp x25, x26, [x24, #{KEY}]
    ldp x27, x30, [x28, #{FLOOR}]   // floor, time in use
\name\()_closed:
    sub x25, x25, x27
    cmp x25, #256                   // of this core, and nobody is more urgent
    b.hi \name\()_open
    purpose hand-over
    ldr x29, [x26]                  // TTBR0
    ldr x25, [x24, #{FAST_REPLY}]
    mov x26, sp
    stp x26, x30, [x25, #{R_CALLER}]
    str x28, [x23, #{E_WORD}]       // nobody waits
    stp x20, x25, [sp, #{STATE}]    // AwaitingReply(Reply)
    str xzr, [x24, #{STATE}]        // Ready
    msr ttbr0_el1, x29
    purpose message
    ldr x9, [x21, #{BADGE}]
    save_user
    .if \long
    copy_page
    .else
    purpose message
    tbz w8, #11, fewer
    go_on
    .endif
\name\()_open:
    add x25, x25, x27
    close_vectors 27
    b \name\()_closed
    .endm

    // No key reaches the floor. If that is so because the vector registers are open they are closed, and x\n is the floor.
    .macro close_vectors n
    ldr w\n, [x28, #{FPU_OPEN}]
    cbz w\n, bail
    mov x\n, #{CLOSED}
    msr cpacr_el1, x\n
    str wzr, [x28, #{FPU_OPEN}]
    ldr x\n, [x28, #{CLOSED_FLOOR}]
    str x\n, [x28, #{FLOOR}]
    .endm

    .global fast_call
fast_call:
    call call, 0

    // Fewer than eight words: the others are 0.
fewer:
    purpose message
    tbnz w8, #10, 4f
    clear x4, x5
    clear x6, x7
    tbnz w8, #9, 2f
    clear x2, x3
    tbnz w8, #8, 1f
    clear x0, x1
    go_on
1:  mov x1, xzr
    go_on
2:  tbnz w8, #8, 3f
    clear x2, x3
    go_on
3:  mov x3, xzr
    go_on
4:  tbnz w8, #9, 6f
    clear x6, x7
    tbnz w8, #8, 5f
    clear x4, x5
    go_on
5:  mov x5, xzr
    go_on
6:  tbnz w8, #8, 7f
    clear x6, x7
    go_on
7:  mov x7, xzr
    go_on

    // ReplyReceive: the caller gets the answer, its time and the core; this thread waits.
    .macro reply name, long
    reader_begins
    .if \long
    ldr x19, [sp, #{WORDS_AT}]
    cbz x19, bail
    .endif
    purpose look-up
    ldp x21, x22, [sp, #{PAIR_MASK}]
    tst x9, x21
    b.ne bail
    ubfiz x21, x9, #6, #32
    lsr x23, x9, #32
    add x21, x22, x21
    add x23, x22, x23, lsl #6
    ldp x24, x25, [x21]             // capability: facts, endpoint
    ldr x26, [x23, #8]              // Reply
    tbz w24, #{FAST_RECEIVE}, bail
    purpose receiver
    ldr x27, [sp, #{FAST_REPLY}]
    ldr x21, [x25, #{E_WORD}]
    ldp x24, x22, [x27, #{R_CALLER}]// caller, the time that came from it
    ldp x23, x29, [x28, #{FLOOR}]   // floor, time in use
    cmp x26, x27
    ccmp x21, x28, #0, eq           // nobody waits, and it is this core's
    ccmp x22, x29, #0, eq
    .if \long
    b.ne bail
    .else
    b.ne fast_retry                 // or nothing of the kind
    .endif
    purpose scheduling
    ldp x21, x22, [x24, #{KEY}]
\name\()_closed:
    cmp x21, x23                    // it lent time of this core
    b.lt \name\()_open
    purpose hand-over
    ldr x22, [x22]                  // TTBR0
    stp xzr, xzr, [x27, #{R_CALLER}]
    mov x26, sp
    str x26, [x25, #{E_WORD}]
    mov w21, #{RECEIVING}
    stp x21, x25, [sp, #{STATE}]    // Receiving(endpoint)
    str xzr, [x24, #{STATE}]        // Ready
    msr ttbr0_el1, x22
    eor x8, x8, #2
    mov x9, xzr
    save_user
    .if \long
    copy_page
    .else
    purpose message
    tbz w8, #11, fewer
    go_on
    .endif
\name\()_open:
    close_vectors 23
    b \name\()_closed
    .endm

    // The operation's bit 1 is set.
    .global fast_odd
fast_odd:
    purpose dispatch
    eor w21, w8, #2
    ror w21, w21, #8
    cmp x19, x20
    ccmp w21, #8, #3, eq
    b.hi not_reply
    reply reply, 0

not_reply:
    purpose dispatch
    b.vs exception                  // no system call
    and w21, w8, #0xff
    cmp w21, #{POLL}
    b.ne not_poll

    // Poll: takes the bits and returns to the caller.
    reader_begins
    purpose look-up
    ldp x22, x23, [sp, #{TABLE}]
    tst x9, x23
    b.ne bail
    add x22, x22, x9, lsl #6
    ldp x22, x23, [x22]             // capability: facts, notification
    tbz w22, #{FAST_WAIT}, bail
    purpose notification
    ldp x21, x30, [x23, #{N_BITS}]
    cmp x30, x28                    // this core's
    b.ne bail
    mov x0, x21
    cbz x0, 1f
    str xzr, [x23, #{N_BITS}]
1:  reader_ends
    purpose registers
    ldp x19, x20, [sp, #152]
    ldp x21, x22, [sp, #168]
    ldr x23, [sp, #184]
    ldr x28, [sp, #224]
    mov x8, xzr
    mov x9, xzr
    mov x30, xzr
    eret
    dsb nsh
    isb

    // More than eight words, no capabilities.
not_poll:
    purpose dispatch
    eor w21, w8, #2
    ror w21, w21, #8
    cmp w21, #{MAX_WORDS}
    b.hi slow_call
    reply long_reply, 1

    // More than eight words, no capabilities.
    .global fast_long_call
fast_long_call:
    call long_call, 1
    "#,
    READER = const Area::READER,
    FLOOR = const offset_of!(Area, floor),
    CLOSED_FLOOR = const offset_of!(Area, closed_floor),
    FPU_OPEN = const offset_of!(Area, fpu_open),
    CLOSED = const super::fpu::CLOSED,
    ZEROS = const offset_of!(Area, zeros),
    PAIR_MASK = const offset_of!(Thread, pair_mask),
    TABLE = const offset_of!(Thread, table_at),
    WORDS_AT = const offset_of!(Thread, words_at),
    MAX_WORDS = const abi::MAX_WORDS,
    FAST_REPLY = const offset_of!(Thread, fast_reply),
    KEY = const offset_of!(Thread, key),
    STATE = const offset_of!(Thread, state),
    RECEIVING = const State::RECEIVING,
    E_WORD = const offset_of!(Endpoint, word),
    NOBODY = const Endpoint::NOBODY,
    R_CALLER = const offset_of!(Reply, caller),
    N_BITS = const offset_of!(Notification, bits),
    BADGE = const offset_of!(Cap, word),
    FAST_SEND = const bit(Flags::FAST_SEND),
    FAST_RECEIVE = const bit(Flags::FAST_RECEIVE),
    FAST_WAIT = const bit(Flags::FAST_WAIT),
    POLL = const Op::Poll as u32,
);
