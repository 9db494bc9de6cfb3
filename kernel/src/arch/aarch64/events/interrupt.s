    // The interrupt of a device, whose driver waits and is more urgent than the thread that runs.

    // x19 to x30 are stored.
    .global fast_irq
fast_irq:
"purpose.interrupt.e7":
    mrs x28, tpidr_el1
    mov w20, #1
    mov w30, #{NO_LINE}
    str w20, [x28, #{READER}]
    dmb ish
    ldar w21, [x28]
    cbnz w21, irq_away
    ldr x21, [x28, #{INTERFACE}]
    cbz x21, 1f
    add x21, x21, #{GICC_IAR}
    ldar w30, [x21]
    b 2f
1:  mrs x30, S3_0_C12_C12_0         // ICC_IAR1_EL1
    dsb sy
2:  sub w21, w30, #32
    cmp w21, #{SHARED_LINES}
    b.hs irq_away
    ldr x26, [x28, #{LINES}]
    mov x25, #{MAP}
    ldr w26, [x26, w30, uxtw #2]
    cbz w26, irq_away
    orr x26, x25, x26, lsl #6       // Irq
    ldr w21, [x26, #{I_NEXT}]
    ldr w20, [x26, #{I_HELD}]
    ldr x23, [x26, #{I_HELD} + 8]   // notification
    ldr x19, [x26, #{I_BITS}]
    cbnz w21, irq_away              // the line is shared
    and w20, w20, #0xff
    cmp w20, #{NOTIFICATION}
    b.ne irq_away
    ldp x22, x20, [x23, #{BITS}]    // bits, owner
    ldp w24, w27, [x23, #{WAITER}]  // who waits, who is bound
    orr x19, x19, x22
    cmp x20, x28
    b.ne irq_away
    cbz x19, irq_away
    cbz w24, 3f
    orr x24, x25, x24, lsl #6
    b 4f
3:  cbz w27, irq_away
    orr x24, x25, x27, lsl #6
    receives irq_away
4:  ldr x21, [x24, #{KEY}]
    ldr x22, [sp, #{KEY}]
    sub x21, x21, x22
    sub x21, x21, #1
    cmp x21, #254                   // of this core, and more urgent
    b.hi irq_away
    own_time 20, irq_away
    time_in_use irq_away
    store_all
    // Masked until the driver has acknowledged.
    ldr x10, [x28, #{DISTRIBUTOR}]
    lsr w11, w30, #5
    ldr x13, [x28, #{INTERFACE}]
    add x10, x10, x11, lsl #2
    mov w12, #1
    lsl w12, w12, w30
    str w12, [x10, #{ICENABLER}]
    cbz x13, 5f
    str w30, [x13, #{GICC_EOIR}]
    b 6f
5:  msr S3_0_C12_C12_1, x30         // ICC_EOIR1_EL1
    isb
6:  mov w10, #1
    strb w10, [x26, #{I_PENDING}]
    wait_over 8
    mov x0, x19
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

    // Not the ordinary case. Nothing was written, but a line may have been acknowledged.
irq_away:
    events_end
    b slow_irq
