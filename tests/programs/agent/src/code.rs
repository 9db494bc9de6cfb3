//! The instructions that agents run, position-independent, each piece at the offset that its constant says.

/// Where agents find them.
pub const AT: u64 = 0x11_0000;

/// `svc #0`; when it comes back the agent stops.
pub const SVC: u64 = AT;
/// `svc #1`.
pub const SVC_1: u64 = AT + 0x40;
/// Reads what x1 points at.
pub const READ: u64 = AT + 0x80;
/// Writes x0 where x1 points.
pub const WRITE: u64 = AT + 0xc0;
/// Goes where x1 points.
pub const JUMP: u64 = AT + 0x100;
/// An instruction that does not exist.
pub const UNDEFINED: u64 = AT + 0x140;
/// Reads a register of the kernel's.
pub const PRIVILEGED: u64 = AT + 0x180;
/// Touches a vector register.
pub const VECTOR: u64 = AT + 0x1c0;
/// Adds 1 to the integer in d8 around a system call; x10 = what it is afterwards.
pub const COMPUTE: u64 = AT + 0x200;
/// `brk #7`.
pub const BREAK: u64 = AT + 0x240;
/// `hvc #0`, `smc #0`.
pub const HVC: u64 = AT + 0x280;
/// See [`HVC`].
pub const SMC: u64 = AT + 0x2c0;
/// `wfi`, which the kernel keeps to itself.
pub const WAIT: u64 = AT + 0x300;
/// Runs on the spot.
pub const SPIN: u64 = AT + 0x340;
/// Counts up the word that x1 points at.
pub const COUNT: u64 = AT + 0x380;
/// Answers for ever: makes the system call x8 = x19, x9 = x20 with the words that came.
pub const ECHO: u64 = AT + 0x3c0;
/// Sets TPIDR_EL0 to x1 around a system call; x10 = what it is afterwards.
pub const THREAD_POINTER: u64 = AT + 0x400;
/// Sets the condition flags around a system call; x10 = what they are afterwards.
pub const FLAGS: u64 = AT + 0x440;
/// Writes down when it ran, as pairs of counter values from x1 up to x2: a gap of more than x3 ticks ends a stretch.
pub const STRETCHES: u64 = AT + 0x480;
/// Makes the system calls of a list: x19 = its place, x20 = its end, ten words a call, x0–x9, which the results replace.
/// x21 = where to write down how far it is.
pub const LIST: u64 = AT + 0x4c0;
/// As [`ECHO`], and before that it runs for x21 rounds of a loop; counts up the word at x22 each round.
pub const WORK: u64 = AT + 0x540;
/// Adds 1 to d8 for x1 rounds.
pub const SUM: u64 = AT + 0x5c0;
/// Makes the system call x8 = x19, x9 = x20 with x0 = x21, then runs x22 rounds of a loop, for ever.
pub const NOISE: u64 = AT + 0x580;
/// x23 rounds: makes the system calls x8 = x19, x9 = x20, x0 = x24 and x8 = x21, x9 = x22. x25, x26 = the counter before and
/// after.
pub const PING: u64 = AT + 0x800;
/// The same two system calls for ever, without looking at the counter.
pub const PONG: u64 = AT + 0x840;
/// A driver: waits (x8 = x19, x9 = x20), writes the counter down at x24, clears the mask register at x23, acknowledges
/// (x8 = x21, x9 = x22).
pub const DRIVER: u64 = AT + 0x880;
/// x3 rounds: writes x25 to the mask register at x1, and adds to x6 the ticks from there to what a [`DRIVER`] wrote down at x2.
/// Each round begins a little later than the last, so that all parts of a tick are seen.
pub const RAISE: u64 = AT + 0x8c0;
/// Takes x23 faults more than one and answers each: x8 = x19, x9 = x20. x25, x26 = the counter after the first and the last.
pub const HANDLE: u64 = AT + 0x900;
/// The same from frame slot x23 up to x24: before each answer the Frame is mapped (x8 = x21, x9 = x22) where the fault was,
/// readable and writable.
pub const MAPPER: u64 = AT + 0x940;
/// Writes to one page after the other, from x1 on.
pub const STRIDE: u64 = AT + 0x9c0;

/// Behind a piece that ended as it should.
pub const END: u16 = 0x7e57;

/// All of it.
#[cfg(target_os = "none")]
pub fn bytes() -> &'static [u8] {
    unsafe extern "C" {
        static agent_code: u8;
        static agent_code_end: u8;
    }
    let (start, end) = (&raw const agent_code, &raw const agent_code_end);
    // SAFETY: both symbols are the ends of one section of constants, below.
    unsafe { core::slice::from_raw_parts(start, end.offset_from_unsigned(start)) }
}

/// On the host nothing runs.
#[cfg(not(target_os = "none"))]
pub fn bytes() -> &'static [u8] {
    &[]
}

#[cfg(target_os = "none")]
core::arch::global_asm!(
    r#"
    .macro piece offset
    .org agent_code + \offset
    .endm
    .macro done
    brk #{END}
    .endm

    .section .rodata.agent_code, "a"
    .balign 64
    .global agent_code
agent_code:
    svc #0
    done
    piece 0x40
    svc #1
    done
    piece 0x80
    ldr x0, [x1]
    done
    piece 0xc0
    str x0, [x1]
    done
    piece 0x100
    br x1
    piece 0x140
    udf #0
    done
    piece 0x180
    mrs x0, sctlr_el1
    done
    piece 0x1c0
    .inst 0x9e670000                // fmov d0, x0
    done
    piece 0x200
    .inst 0x9e66010a                // fmov x10, d8
    add x10, x10, #1
    .inst 0x9e670148                // fmov d8, x10
    svc #0
    .inst 0x9e66010a                // fmov x10, d8
    done
    piece 0x240
    brk #7
    done
    piece 0x280
    hvc #0
    done
    piece 0x2c0
    smc #0
    done
    piece 0x300
    wfi
    done
    piece 0x340
    b .
    piece 0x380
1:  ldr x2, [x1]
    add x2, x2, #1
    str x2, [x1]
    b 1b
    piece 0x3c0
1:  mov x8, x19
    mov x9, x20
    svc #0
    b 1b
    piece 0x400
    msr tpidr_el0, x1
    svc #0
    mrs x10, tpidr_el0
    done
    piece 0x440
    msr nzcv, x1
    svc #0
    mrs x10, nzcv
    done
    piece 0x480
    mrs x4, cntvct_el0
    mov x5, x4
1:  mrs x6, cntvct_el0
    sub x7, x6, x5
    cmp x7, x3
    b.hi 2f
    mov x5, x6
    b 1b
2:  stp x4, x5, [x1], #16
    mov x4, x6
    mov x5, x6
    cmp x1, x2
    b.lo 1b
    done
    piece 0x4c0
1:  cmp x19, x20
    b.hs 2f
    str x19, [x21]
    ldp x0, x1, [x19]
    ldp x2, x3, [x19, #16]
    ldp x4, x5, [x19, #32]
    ldp x6, x7, [x19, #48]
    ldp x8, x9, [x19, #64]
    svc #0
    stp x0, x1, [x19]
    stp x2, x3, [x19, #16]
    stp x4, x5, [x19, #32]
    stp x6, x7, [x19, #48]
    stp x8, x9, [x19, #64]
    add x19, x19, #80
    b 1b
2:  done
    piece 0x540
1:  mov x8, x19
    mov x9, x20
    svc #0
    mov x10, x21
2:  ldr x11, [x22]
    add x11, x11, #1
    str x11, [x22]
    subs x10, x10, #1
    b.hi 2b
    b 1b
    piece 0x580
1:  mov x8, x19
    mov x9, x20
    mov x0, x21
    svc #0
    mov x10, x22
2:  subs x10, x10, #1
    b.hi 2b
    b 1b
    piece 0x5c0
1:  .inst 0x9e66010a                // fmov x10, d8
    add x10, x10, #1
    .inst 0x9e670148                // fmov d8, x10
    subs x1, x1, #1
    b.hi 1b
    done
    piece 0x800
    mrs x25, cntvct_el0
1:  mov x8, x19
    mov x9, x20
    mov x0, x24
    svc #0
    mov x8, x21
    mov x9, x22
    svc #0
    subs x23, x23, #1
    b.hi 1b
    mrs x26, cntvct_el0
    done
    piece 0x840
1:  mov x8, x19
    mov x9, x20
    svc #0
    mov x8, x21
    mov x9, x22
    mov x0, x24
    svc #0
    b 1b
    piece 0x880
1:  mov x8, x19
    mov x9, x20
    svc #0
    mrs x10, cntvct_el0
    str x10, [x24]
    str wzr, [x23, #0x10]
    mov x8, x21
    mov x9, x22
    svc #0
    b 1b
    piece 0x8c0
1:  and x11, x3, #15
2:  cbz x11, 3f
    sub x11, x11, #1
    b 2b
3:  mrs x4, cntvct_el0
    str w25, [x1, #0x10]
    ldr x5, [x2]
    sub x5, x5, x4
    add x6, x6, x5
    subs x3, x3, #1
    b.hi 1b
    done
    piece 0x900
    mov x8, x19
    mov x9, x20
    svc #0
    mrs x25, cntvct_el0
1:  mov x8, x19
    mov x9, x20
    svc #0
    subs x23, x23, #1
    b.hi 1b
    mrs x26, cntvct_el0
    done
    piece 0x940
    mov x8, x19
    mov x9, x20
    svc #0
    mrs x25, cntvct_el0
1:  mov x8, x21
    mov x9, x22
    mov x0, x23
    mov x2, xzr
    mov x3, #1
    mov x4, #3
    svc #0
    mov x8, x19
    mov x9, x20
    svc #0
    add x23, x23, #1
    cmp x23, x24
    b.ne 1b
    mrs x26, cntvct_el0
    done
    piece 0x9c0
1:  str x1, [x1]
    add x1, x1, #4096
    b 1b
agent_code_end:
    "#,
    END = const END,
);
