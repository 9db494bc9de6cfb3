    // Cores that read ahead of time what only the kernel may: in user space the page of `.text.trampoline` is all there is of the
    // kernel (decision 0019). The roots are a pair of pages, bit 12 of TTBR1 is set in the kernel's; its ASID is 0.

    .section .text.trampoline, "ax"

    // The kernel is mapped from here on, if it was not already. x0 waits in TPIDRRO_EL0.
    .macro map_kernel
    msr tpidrro_el0, x0
    mrs x0, ttbr1_el1
    ubfx x0, x0, #0, #48
    orr x0, x0, #4096
    msr ttbr1_el1, x0
    isb
    .endm

    .macro fatal_unmapped kind
    .balign 128
    map_kernel
    mov x0, #\kind
    b el1_fatal
    .endm

    // Hides what user space taught the branch predictor by what the core has for it. All ways end in the barriers: nothing
    // behind them runs ahead of time because a branch here was expected to go another way.
    .macro by_trampoline target
    .balign 128
    map_kernel
    mrs x0, tpidrro_el0
    msr tpidrro_el0, xzr
    stp x0, x1, [sp]
    stp x2, x3, [sp, #16]
    mrs x2, tpidr_el1
    ldp w0, w1, [x2, #{FIRMWARE}]
    cbz w0, 5f
    cbnz w1, 4f
    hvc #0
    b 5f
4:  smc #0
5:  mrs x0, tpidr_el1
    ldr w0, [x0, #{LOOPS}]
    cbz w0, 6f
    history_displaced
6:  hint #22                        // clearbhb, where there is one
    dsb nsh
    isb
    ldp x0, x1, [sp]
    ldp x2, x3, [sp, #16]
    b \target
    .endm

    .balign 4096
    .global trampoline
trampoline:
    fatal_unmapped 0
    // What lies behind the short entries is for them all.

    // x0 is the kernel's root of this core from now on, x1 is TCR_EL1.
    .balign 32
    .global unmapped_begin
unmapped_begin:
    sub x2, x0, #4096
    msr ttbr1_el1, x2
    msr tcr_el1, x1
    isb
    tlbi vmalle1
    dsb nsh
    isb
    msr ttbr1_el1, x0
    adr x1, trampoline
    msr vbar_el1, x1
    isb
    ret

    fatal_unmapped 1

    // What this core finds at address x0 while a process runs, as PAR_EL1 has it: for a self-test. The ASID is some process's.
    .balign 32
    .global unmapped_probe
unmapped_probe:
    mrs x1, ttbr1_el1
    sub x2, x1, #4096
    mov x3, #(1 << 48)
    orr x2, x2, x3
    msr ttbr1_el1, x2
    isb
    at s1e1r, x0
    isb
    mrs x0, par_el1
    msr ttbr1_el1, x1
    isb
    ret

    fatal_unmapped 2

    // To user space: x30 is TTBR1 of the process, its own x30 is in TPIDRRO_EL0.
    .balign 32
unmapped_leave:
    msr ttbr1_el1, x30
    mrs x30, tpidrro_el0
    msr tpidrro_el0, xzr
    eret
    no_straight_line

    fatal_unmapped 3
    fatal_unmapped 4
    fatal_unmapped 5
    fatal_unmapped 6
    fatal_unmapped 7
    by_trampoline unmapped_sync
    by_trampoline unmapped_irq
    by_trampoline unmapped_irq
    by_trampoline unmapped_serror
    fatal_unmapped 12
    fatal_unmapped 13
    fatal_unmapped 14
    fatal_unmapped 15

    // The rest of the page: a table of other cores, which is no secret either, nor is what the linker puts between its entries.
    table vectors_loop, by_loop

    .section .text.vectors, "ax"

    // The long way, for everything.
unmapped_sync:
"purpose.general_entry.u1":
    save_context
    mrs x1, esr_el1
    mrs x2, far_el1
    cbnz x3, 1f
    bl {sync}
    b unmapped_return
1:  call_signed {sync}
    b unmapped_return

unmapped_irq:
"purpose.general_entry.u2":
    save_context
    mov w1, #{NO_LINE}
    cbnz x3, 1f
    bl {irq}
    b unmapped_return
1:  call_signed {irq}
    b unmapped_return

unmapped_serror:
    save_context
    mrs x1, esr_el1
    cbnz x3, 1f
    bl {serror}
    b unmapped_return
1:  call_signed {serror}

unmapped_return:
"purpose.general_exit.u3":
    load_context
    msr tpidrro_el0, x30
    isb                             // the address space of the process, before its ASID
    mrs x29, ttbr0_el1
    mrs x30, ttbr1_el1
    and x29, x29, #0xffff000000000000
    sub x30, x30, #4096
    orr x30, x30, x29
    ldr x29, [sp, #232]
    b unmapped_leave
