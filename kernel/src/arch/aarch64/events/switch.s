    // What the paths share. x28 is the area of this core throughout.

    .section .text.vectors, "ax"

    // Before anybody else may see what was read and written here.
    .macro events_end
    add x28, x28, #{READER}
    stlr wzr, [x28]
    .endm

    // x22 = the own time of the thread at x24, which has no other; else to \otherwise. x25 = where the objects are mapped. x21 and
    // register number \n are used.
    .macro own_time n, otherwise
    ldr w21, [x24, #{HOME}]
    ldr w\n, [x24, #{REPLY}]
    cbz w21, \otherwise
    orr x22, x25, x21, lsl #6
    ldr x21, [x22, #{PLAIN}]
    cmp x21, x28
    b.ne \otherwise
    cbz w\n, 1f
    orr x\n, x25, x\n, lsl #6
    ldr x\n, [x\n, #{R_TIME}]
    cbnz x\n, \otherwise
1:
    .endm

    // x27 = the scheduler, x20 = the time in use, x29 = the counter; to \otherwise where that is not simple. x21 is used.
    .macro time_in_use otherwise
    ldr x20, [x28, #{CONTEXT}]
    ldr x27, [x28, #{SCHEDULER}]
    cbz x20, \otherwise
    ldr x21, [x20, #{PLAIN}]
    cmp x21, x28
    b.ne \otherwise
    mrs x29, cntvct_el0
    add w21, w29, #8                // close to a carry it may be wrong: `Machine::now`
    cmp w21, #16
    b.lo \otherwise
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

    // The stack pointer, program counter, state and thread pointer of user space, in x10 to x13 too.
    .macro store_user
    mrs x10, sp_el0
    mrs x11, elr_el1
    mrs x12, spsr_el1
    mrs x13, tpidr_el0
    stp x10, x11, [sp, #248]
    stp x12, x13, [sp, #264]
    .endm

    // All of the thread that does not get anywhere by a system call. x19 to x30 are stored.
    .macro store_all
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
    store_user
    .endm

    // The thread at x24, whose system call this ends, with x0 to x9 as they are now.
    .macro resume
    events_end
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

    // The thread at x24 waits no more for the notification at x23, or in the receive that the bound notification ends: x\out is what
    // its system call says. x21 is used.
    .macro wait_over out
    ldr w21, [x24, #{STATE}]
    mov x\out, xzr
    tbnz w21, #0, 1f
    ldr x21, [x24, #{STATE} + 8]
    mov x\out, #{BITS_CAME_LOW}
    movk x\out, #{BITS_CAME_HIGH}, lsl #16
    str x28, [x21, #{E_WORD}]        // nobody waits for a message
    b 2f
1:  str wzr, [x23, #{WAITER}]
2:  str xzr, [x24, #{STATE}]        // Ready
    .endm

    // Goes to \otherwise unless the thread at x24 is the one that its endpoint knows to wait for a message. x20 and x21 are used.
    .macro receives otherwise
    ldr w21, [x24, #{STATE}]
    cmp w21, #{RECEIVING}
    b.ne \otherwise
    ldr x21, [x24, #{STATE} + 8]
    ldr x20, [x21, #{E_WORD}]
    cmp x20, x24
    b.ne \otherwise
    .endm
