    // Signal and wait.

    // Not the ordinary case. Nothing was written.
away:
    events_end
    b slow

    // Signal or Wait. x20 is not 0.
    .global fast_signal
fast_signal:
"purpose.signal.e1":
    mrs x28, tpidr_el1
    str w20, [x28, #{READER}]
    dmb ish
    ldar w21, [x28]
    cbnz w21, away
    ldp x22, x23, [sp, #{TABLE}]
    tst x9, x23
    b.ne away
    add x22, x22, x9, lsl #6
    tbnz w8, #0, wait
    ldp x19, x23, [x22]             // capability: facts, notification
    ldr x29, [x22, #{BADGE}]
    and w19, w19, #{KIND_AND_FIRST_RIGHT}
    cmp w19, #{MAY_SIGNAL}
    b.ne away
    ldp x24, x25, [x23, #{BITS}]    // bits, owner
    ldp w26, w27, [x23, #{WAITER}]  // who waits, who is bound
    orr x19, x0, x29
    cmp x25, x28
    b.ne away
    orr x19, x19, x24
    cbnz w26, wake
    cbnz w27, tell
1:  str x19, [x23, #{BITS}]
back:
"purpose.registers.e4":
    events_end
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

    // The next receive of the bound thread returns at once, or the one in which it waits. It is this thread, or another of this core's.
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
    cmp x21, #510                   // of this core
    b.hi away
    cbz x19, back
    cmp w20, #{RECEIVING}
    b.eq 3f
2:  add x21, x24, #{ZERO}           // no Reply lies there: see `Kernel::no_fast_reply`
    cbz x19, back
    str x21, [x24, #{FAST_REPLY}]
    b 1b
3:  receives away
    b wake_thread

    // Somebody waits.
wake:
"purpose.wake.e2":
    cbz x19, back
    mov x25, #{MAP}
    orr x24, x25, x26, lsl #6
wake_thread:
    ldr x21, [x24, #{KEY}]
    ldr x22, [sp, #{KEY}]
    mov x30, x19
    sub x26, x21, x22
    add x21, x26, #255
    cmp x21, #510                   // of this core
    b.hi away
    own_time 19, away
    cmp x26, #0
    b.gt wake_urgent
    ldr x27, [x28, #{SCHEDULER}]
    wait_over 20
    stp x30, xzr, [x24]
    stp xzr, xzr, [x24, #16]
    stp xzr, xzr, [x24, #32]
    stp xzr, xzr, [x24, #48]
    stp x20, xzr, [x24, #64]
    str xzr, [x24, #240]
    enqueue x24,
    b back

    // Who waits is more urgent, and so than all that are ready: it goes on, and this one waits for its turn.
wake_urgent:
    time_in_use away
    store_user
    stp x0, x1, [sp]
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp xzr, xzr, [sp, #64]
    str xzr, [sp, #240]
    wait_over 8
    mov x0, x30
    change_time
    mov x12, sp
    enqueue x12, x11
    enter_thread x13
    ldp x1, x2, [x28, #{ZEROS}]
    ldp x3, x4, [x28, #{ZEROS}]
    ldp x5, x6, [x28, #{ZEROS}]
    mov x7, xzr
    mov x9, xzr
    resume

    // Takes the bits, or waits for them: the first of the most urgent threads goes on.
wait:
"purpose.wait.e3":
    ldp x19, x23, [x22]
    tbz w19, #{FAST_WAIT}, away
    ldp x24, x25, [x23, #{BITS}]
    ldp w26, w21, [x23, #{WAITER}]
    cmp x25, x28
    b.ne away
    cbz x24, 1f
    mov x0, x24
    str xzr, [x23, #{BITS}]
    b back
1:  cbnz w26, away
    cbz w21, 2f
    mov x19, sp
    ubfx x19, x19, #6, #32
    cmp w21, w19                    // bound to this thread or to none
    b.ne away
2:  time_in_use away
    ldrsw x26, [x27, #{TOP}]
    tbnz x26, #63, away      // nobody is ready
    add x30, x27, x26, lsl #3
    ldr w21, [x30, #{QUEUES}]
    mov x25, #{MAP}
    orr x24, x25, x21, lsl #6
    own_time 19, away
    mov x19, sp
    ubfx x19, x19, #6, #32
    mov w21, #{WAITING}
    str w19, [x23, #{WAITER}]
    ubfx x19, x23, #6, #32
    stp x21, x19, [sp, #{STATE}]    // Waiting(notification)
    store_user
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
    events_end
    mov x0, x24
    b el0_return
