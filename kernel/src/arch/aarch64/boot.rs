//! The first instructions: the arm64 `Image` header, EL2 to EL1, the boot page tables, the MMU.
//!
//! Contract of the boot loader (Linux, Documentation/arch/arm64/booting.rst): x0 = device tree, MMU off, EL2 or EL1, the
//! image at any 2 MiB-aligned address of RAM. Nothing here needs more than page alignment.

use core::arch::global_asm;
use core::mem::offset_of;

use crate::arch::pte;
use crate::arrival::Arrival;

/// HCR_EL2: EL1 is AArch64; pointer authentication is not trapped.
const HCR: u64 = 1 << 31 | 3 << 40;
/// SCTLR_EL1 before the MMU is on: the bits that are one by architecture.
const SCTLR_OFF: u64 = 0x30d0_0800;
/// SCTLR_EL1, PAN aside: MMU, caches, stack alignment at both levels; EL0 may use DC ZVA, CTR_EL0, cache maintenance and WFE.
const SCTLR_ON: u64 = SCTLR_OFF | 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 12 | 1 << 14 | 1 << 15 | 1 << 18 | 1 << 26;
/// TCR_EL1: 48-bit halves, 4 KiB granule, tables write-back and inner shareable, ASIDs from TTBR0. IPS comes on top.
const TCR: u64 = 16 | 16 << 16 | 0x3500 | 0x3500_0000 | 2 << 30;

global_asm!(
    r#"
    .section .head, "ax"
    .global _head
_head:
    ccmp x18, #0, #0xd, pl          // "MZ", for the PE header to come; changes only flags
    b primary_entry
    .quad 0                         // text_offset
    .quad 0                         // image_size, filled when the image is made
    .quad 0xa                       // little-endian, 4 KiB pages, anywhere in RAM
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .long 0

    .section .text.boot, "ax"
    // What stays lies in pieces that fit behind the entries of tables (xtask/src/link.rs). What goes is whole.
    .macro piece number
    b secondary_\number
    .section .text.piece.secondary.\number, "ax"
secondary_\number:
    .endm
    .macro whole number
    .endm

    // Leaves EL2, if the core is there, and goes on behind it at EL1 with the MMU off. Uses x1 and x2.
    .macro leave_el2 cut
    mrs x1, CurrentEL
    cmp x1, #8
    b.ne 2f

    // EL2 is left for good. Its vectors park whoever comes back.
    ldr x1, ={HCR}
    msr hcr_el2, x1
    mov x1, #3
    msr cnthctl_el2, x1
    msr cntvoff_el2, xzr
    mrs x1, id_aa64pfr0_el1
    ubfx x1, x1, #24, #4
    cbz x1, 1f
    mrs x1, S3_4_C12_C9_5           // ICC_SRE_EL2
    mov x2, #9
    orr x1, x1, x2
    msr S3_4_C12_C9_5, x1
    isb
    msr S3_4_C12_C11_0, xzr         // ICH_HCR_EL2
1:  \cut 1
    mrs x1, midr_el1
    msr vpidr_el2, x1
    mrs x1, mpidr_el1
    msr vmpidr_el2, x1
    mov x1, #0x33ff
    msr cptr_el2, x1
    msr hstr_el2, xzr
    msr vttbr_el2, xzr
    mrs x1, id_aa64dfr0_el1
    ubfx x1, x1, #8, #4
    cmp x1, #0
    mov x2, #0
    b.eq 1f
    cmp x1, #15
    b.eq 1f
    mrs x2, pmcr_el0
    ubfx x2, x2, #11, #5
1:  msr mdcr_el2, x2
    \cut 2
    adrp x1, parking
    add x1, x1, :lo12:parking
    msr vbar_el2, x1
    ldr x1, ={SCTLR_OFF}
    msr sctlr_el1, x1
    mov x1, #0x3c5
    msr spsr_el2, x1
    adr x1, 2f
    msr elr_el2, x1
    eret
2:
    .endm

    // Turns the MMU on with the boot tables; the code goes on in the identity map. Uses x1 to x4.
    .macro mmu_on cut
    ldr x1, ={MAIR}
    msr mair_el1, x1
    ldr x1, ={TCR}
    mrs x2, id_aa64mmfr0_el1
    and x3, x2, #7
    cmp x3, #5
    mov x4, #5
    csel x3, x3, x4, lo
    orr x1, x1, x3, lsl #32
    ubfx x3, x2, #4, #4
    lsr x3, x3, #1
    orr x1, x1, x3, lsl #36         // 16-bit ASIDs where there are any
    mrs x2, S3_0_C0_C7_2            // ID_AA64MMFR2_EL1
    ubfx x2, x2, #60, #4
    cbz x2, 1f
    orr x1, x1, #(1 << 56)          // E0PD1: no walk for what EL0 asks of the upper half
1:  msr tcr_el1, x1
    \cut 4
    adrp x1, id_l0
    msr ttbr0_el1, x1
    adrp x1, k_l0
    msr ttbr1_el1, x1
    isb
    tlbi vmalle1
    ic iallu
    dsb nsh
    isb
    ldr x1, ={SCTLR_ON}
    mrs x2, id_aa64mmfr1_el1
    ubfx x2, x2, #20, #4
    cbz x2, 1f
    bic x1, x1, #(1 << 23)          // SPAN: every entry to the kernel sets PSTATE.PAN
    .inst 0xd500419f                // msr pan, #1
1:  msr sctlr_el1, x1
    isb
    .endm

primary_entry:
    msr daifset, #0xf
    mov x20, x0
    leave_el2 whole
    mrs x21, cntvct_el0
    adrp x24, _head

    // The kernel's pages, by what they hold.
    .macro map_pages from, to, attributes
    adrp x1, \from
    adrp x2, \to
    sub x3, x1, x24
    add x3, x0, x3, lsr #9
    ldr x4, =\attributes
1:  cmp x1, x2
    b.hs 2f
    orr x5, x1, x4
    str x5, [x3], #8
    add x1, x1, #4096
    b 1b
2:
    .endm
    adrp x0, k_l3
    map_pages __image_start, __boot_rodata_start, {CODE}
    map_pages __boot_rodata_start, __text_start, {READ_ONLY}
    map_pages __text_start, __rodata_start, {CODE}
    map_pages __rodata_start, __data_start, {READ_ONLY}
    map_pages __data_start, __data_end, {DATA}
    map_pages __stack_bottom, __stack_top, {DATA}
    map_pages __emergency_bottom, __emergency_top, {DATA}

    // Upper half: image at 510, fixed window at 511 of the last gigabytes.
    .macro point table, index, to
    adrp x1, \table
    adrp x2, \to
    orr x2, x2, #3
    str x2, [x1, #\index * 8]
    .endm
    point k_l0, 511, k_l1
    point k_l0, 256, map_l1
    point k_l1, 510, k_l2
    point k_l1, 511, fix_l2
    point k_l2, 0, k_l3
    point fix_l2, 16, dev_l3

    // Lower half: the gigabyte of the image and the next, as they are, until the kernel runs in the upper half.
    adrp x1, id_l0
    adrp x2, id_l1
    orr x3, x2, #3
    lsr x4, x24, #39
    and x4, x4, #511
    str x3, [x1, x4, lsl #3]
    lsr x4, x24, #30
    and x5, x4, #511
    lsl x6, x4, #30
    ldr x7, ={BLOCK}
    orr x6, x6, x7
    str x6, [x2, x5, lsl #3]
    cmp x5, #511
    b.eq 1f
    add x5, x5, #1
    mov x7, #0x40000000
    add x6, x6, x7
    str x6, [x2, x5, lsl #3]
1:
    // Written with the caches off: no stale line may hide the tables.
    dmb sy
    adrp x1, __tables_start
    adrp x2, __tables_end
    mrs x3, ctr_el0
    ubfx x3, x3, #16, #4
    mov x4, #4
    lsl x3, x4, x3
1:  dc ivac, x1
    add x1, x1, x3
    cmp x1, x2
    b.lo 1b
    dsb sy

    mmu_on whole
    ldr x1, =upper_half
    br x1
upper_half:
    adrp x1, __stack_top
    mov sp, x1
    msr tpidr_el1, x1
    adrp x1, vectors
    add x1, x1, :lo12:vectors
    msr vbar_el1, x1
    isb
    mov x29, xzr
    mov x30, xzr
    mov x0, x20
    mov x1, x24
    mov x2, x21
    b {start}
    .ltorg

    // A core may come when boot is long over, if it comes late: this stays. Who is let out of a spin table has no word for it (Linux,
    // Documentation/arm64/booting.rst): each attempt has an entry of its own.
    .section .text.secondary, "ax"
    .global spin_entries
spin_entries:
    .irp attempt, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    mov x0, #\attempt
    b secondary_entry
    .endr
    // PSCI CPU_ON enters here (ARM DEN0022, 6.4): MMU off, at the level of the boot core, x0 = the number of the attempt.
    .global secondary_entry
secondary_entry:
    msr daifset, #0xf
    mov x20, x0
    leave_el2 piece
    piece 3
    mmu_on piece
    ldr x1, =secondary_upper
    br x1
    .section .text.piece.secondary.5, "ax"
secondary_upper:
    adrp x0, {ARRIVALS}
    add x0, x0, :lo12:{ARRIVALS}
    mov x2, #{ARRIVAL}
    madd x0, x20, x2, x0
    ldr x2, [x0, #{STACK}]
    mov sp, x2
    adrp x1, vectors
    add x1, x1, :lo12:vectors
    msr vbar_el1, x1
    isb
    mov x29, xzr
    mov x30, xzr
    b {secondary}
    .ltorg

    .irp number, 00, 01, 02, 03, 04, 05, 06, 07, 08, 09, 10, 11, 12, 13, 14, 15
    .section .text.slot.parking.\number, "axR"
    .ifc \number, 00
parking:
    .endif
1:  wfe
    b 1b
    .endr

    .section .tables, "aw", @nobits
    .balign 4096
id_l0:  .skip 4096
    .global id_l1
id_l1:  .skip 4096
k_l0:   .skip 4096
k_l1:   .skip 4096
k_l2:   .skip 4096
    .global k_l3
k_l3:   .skip 4096
    .global fix_l2
fix_l2: .skip 4096
    .global dev_l3
dev_l3: .skip 4096
    .global map_l1
map_l1: .skip 4096
    "#,
    HCR = const HCR,
    SCTLR_OFF = const SCTLR_OFF,
    SCTLR_ON = const SCTLR_ON,
    TCR = const TCR,
    MAIR = const pte::MAIR,
    CODE = const pte::leaf(0, 3, pte::KERNEL_CODE),
    READ_ONLY = const pte::leaf(0, 3, pte::KERNEL_READ_ONLY),
    DATA = const pte::leaf(0, 3, pte::KERNEL_DATA),
    BLOCK = const pte::leaf(0, 1, pte::KERNEL_DATA & !(1 << 53)),
    ARRIVALS = sym super::cores::ARRIVALS,
    ARRIVAL = const size_of::<Arrival>(),
    STACK = const offset_of!(Arrival, stack),
    secondary = sym super::cores::secondary,
    start = sym super::start::start,
);
