    // A fault that a waiting handler takes, and its answer.

    // An exception that is no system call: x19 is ESR_EL1, w21 its class, x20 is not 0. A read or write that no translation allows
    // goes to the handler that waits, if no Reserve has a page for it.
    .global fast_fault
fast_fault:
"purpose.fault.e5":
    cmp w21, #{DATA_ABORT}
    b.ne slow
    ubfx w21, w19, #2, #4           // 1: no translation. 3: no permission
    cmp w21, #3
    ccmp w21, #1, #4, ne
    b.ne slow
    tbnz w19, #8, slow              // cache maintenance
    mrs x28, tpidr_el1
    str w20, [x28, #{READER}]
    dmb ish
    ldar w22, [x28]
    cbnz w22, away
    mrs x30, far_el1
    tbnz w21, #1, 3f
    ldr x22, [sp, #{TTBR_AT}]       // in the address space
    ldr w23, [x22, #{WINDOWS}]
    cbz w23, 3f
    cmp w23, #4
    b.hi away
    add x22, x22, #{FIRST_WINDOW}
1:  ldp x24, x25, [x22], #64        // start, end
    cmp x30, x24
    b.lo 2f
    cmp x30, x25
    b.lo away
2:  subs w23, w23, #1
    b.ne 1b
3:  ldr w21, [sp, #{HANDLER}]
    ldr x23, [sp, #{HANDLER} + 8]   // endpoint
    and w21, w21, #0xff
    cmp w21, #{ENDPOINT}
    b.ne away
    ldr x24, [x23, #{E_WORD}]       // who waits there
    tbnz x24, #{NOBODY}, away
    ldr x21, [x24, #{KEY}]
    ldr x26, [x28, #{CLOSED_FLOOR}]
    mov x25, #{MAP}
    sub x21, x21, x26
    cmp x21, #256                   // of this core, and nobody is more urgent
    b.hi away
    own_time 20, away
    time_in_use away
    ldr x26, [x24, #{FAST_REPLY}]
    store_all
    mov x21, sp
    stp x21, xzr, [x26, #{R_CALLER}] // its time stays its own
    mov w21, #{AWAITING_REPLY}
    stp x21, x26, [sp, #{STATE}]    // AwaitingReply(Reply)
    mov x21, #{SLOW_KEY}
    str x21, [sp, #{KEY}]
    ubfx w26, w19, #6, #1
    add w26, w26, #1                // Read or Write
    str w26, [sp, #{FAULT}]
    str x28, [x23, #{E_WORD}]       // nobody waits
    str xzr, [x24, #{STATE}]        // Ready
    mov x0, x11
    mov x1, x30
    mov x2, x19
    mov x3, x10
    ldp x4, x5, [sp, #232]
    ldp x6, x7, [x28, #{ZEROS}]
    mov x8, #{FAULT_WORDS}
    orr x8, x8, x26, lsl #32
    ldr x9, [sp, #{HANDLER} + {BADGE}]
    change_time
    enter_thread x13
    resume

    // ReplyReceive that does not give time back: the answer to a fault lets the thread try again. x21 is what the endpoint at x25 says,
    // x24 and x22 the caller and the time of the Reply at x27, x26 the Reply that was named.
    .global fast_retry
fast_retry:
"purpose.answer_to_a_fault.e6":
    cbnz x22, away
    cbz x24, away
    cmp x26, x27
    ccmp x21, x28, #0, eq           // nobody waits, and it is this core's
    b.ne away
    ldr w21, [x24, #{FAULT}]
    cbz w21, away
    lsr x21, x8, #32
    cbnz x21, away                  // it stays stopped
    mov x26, x25
    mov x25, #{MAP}
    mov x23, x27
    own_time 20, away
    time_in_use away
    ldrsw x21, [x27, #{TOP}]
    ldrb w30, [x24, #{PRIORITY}]
    ldr x19, [x28, #{CLOSED_FLOOR}]
    cmp x30, x21
    b.lt away                       // somebody is more urgent
    sub x19, x19, x21
    add x19, x19, x30
    str x19, [x24, #{KEY}]
    str wzr, [x24, #{FAULT}]
    str xzr, [x24, #{STATE}]        // Ready
    stp xzr, xzr, [x23, #{R_CALLER}]
    mov x21, sp
    str x21, [x26, #{E_WORD}]
    mov w21, #{RECEIVING}
    stp x21, x26, [sp, #{STATE}]    // Receiving(endpoint)
    store_user
    change_time
    enter_thread x13
    events_end
    mov x0, x24
    b el0_return
