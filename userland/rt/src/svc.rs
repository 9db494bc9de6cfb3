//! The one instruction that enters the kernel.

use abi::{InWord, Op, OutWord, Slots, SyscallError};

/// The trap: x0–x9 go in and out; x10–x18, x30 and the vector registers named here are given up. `inout` or `lateout` say of x0,
/// x1, x2 and x3, and x4 to x7 whether they go in.
#[cfg(target_os = "none")]
macro_rules! trap_with {
    ([$first:ident $second:ident $third:ident $rest:ident] $regs:ident, $x8:ident, $x9:ident, $($vector:tt)*) => {
        core::arch::asm!(
            "svc #0",
            $first("x0") $regs[0], $second("x1") $regs[1], $third("x2") $regs[2], $third("x3") $regs[3],
            $rest("x4") $regs[4], $rest("x5") $regs[5], $rest("x6") $regs[6], $rest("x7") $regs[7],
            inout("x8") $x8, inout("x9") $x9,
            lateout("x10") _, lateout("x11") _, lateout("x12") _, lateout("x13") _, lateout("x14") _,
            lateout("x15") _, lateout("x16") _, lateout("x17") _, lateout("x18") _, lateout("x30") _,
            $(lateout($vector) _,)*
            options(nostack),
        )
    };
}

#[cfg(all(target_os = "none", not(target_feature = "neon")))]
macro_rules! trap {
    ($($operand:tt)*) => { trap_with!($($operand)*,) };
}

/// v8 to v15 survive: were they given up as well, every function with a system call would have to save them, and so use vector
/// registers.
#[cfg(all(target_os = "none", target_feature = "neon"))]
macro_rules! trap {
    ($($operand:tt)*) => {
        trap_with!($($operand)*, "v0" "v1" "v2" "v3" "v4" "v5" "v6" "v7" "v16" "v17" "v18" "v19" "v20" "v21" "v22" "v23" "v24"
            "v25" "v26" "v27" "v28" "v29" "v30" "v31")
    };
}

/// Traps into the kernel: x0–x7 are `regs` out, and in as far as the call has `N` words, because nobody looks at the others.
/// Everything the kernel need not preserve is given up here.
#[cfg(target_os = "none")]
#[inline(always)]
pub(crate) fn svc<const N: usize>(input: InWord, slots: Slots, regs: &mut [u64; 8]) -> (OutWord, u64) {
    let (mut x8, mut x9) = (input.0, slots.0);
    // SAFETY: `svc` changes only the registers named here; memory the kernel writes (the message page) is reached
    // through volatile accesses only, and the asm block is a compiler barrier for all other memory.
    unsafe {
        match N {
            0 => trap!([lateout lateout lateout lateout] regs, x8, x9),
            1 => trap!([inout lateout lateout lateout] regs, x8, x9),
            2 => trap!([inout inout lateout lateout] regs, x8, x9),
            3 | 4 => trap!([inout inout inout lateout] regs, x8, x9),
            _ => trap!([inout inout inout inout] regs, x8, x9),
        }
    }
    (OutWord(x8), x9)
}

/// On the host there is no kernel.
#[cfg(not(target_os = "none"))]
pub(crate) fn svc<const N: usize>(_: InWord, _: Slots, _: &mut [u64; 8]) -> (OutWord, u64) {
    (OutWord::error(SyscallError::new(abi::ErrorCode::InvalidOperation, 0), 0), 0)
}

/// An operation on the object in `target`; `args` are x0 upwards. Returns x0–x7.
///
/// # Errors
/// What the operation's documentation lists.
#[inline]
pub fn invoke<const N: usize>(op: Op, target: u32, args: [u64; N]) -> Result<[u64; 8], SyscallError> {
    let mut regs = [0; 8];
    regs[..N].copy_from_slice(&args);
    let (out, _) = svc::<N>(InWord::new(op as u8, N as u8, 0, 0), Slots::new(target, 0), &mut regs);
    out.status().map(|()| regs)
}
