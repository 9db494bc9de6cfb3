//! The one instruction that enters the kernel.

use abi::{InWord, Op, OutWord, Slots, SyscallError};

/// The trap: x0–x9 go in and out; x10–x18, x30 and the vector registers named here are given up.
#[cfg(target_os = "none")]
macro_rules! trap {
    ($regs:ident, $x8:ident, $x9:ident, $($vector:tt)*) => {
        core::arch::asm!(
            "svc #0",
            inout("x0") $regs[0], inout("x1") $regs[1], inout("x2") $regs[2], inout("x3") $regs[3],
            inout("x4") $regs[4], inout("x5") $regs[5], inout("x6") $regs[6], inout("x7") $regs[7],
            inout("x8") $x8, inout("x9") $x9,
            lateout("x10") _, lateout("x11") _, lateout("x12") _, lateout("x13") _, lateout("x14") _,
            lateout("x15") _, lateout("x16") _, lateout("x17") _, lateout("x18") _, lateout("x30") _,
            $(lateout($vector) _,)*
            options(nostack),
        )
    };
}

/// Traps into the kernel: x0–x7 are `regs` in and out. Everything the kernel need not preserve is given up here.
#[cfg(target_os = "none")]
#[inline(always)]
pub(crate) fn svc(input: InWord, slots: Slots, regs: &mut [u64; 8]) -> (OutWord, u64) {
    let (mut x8, mut x9) = (input.0, slots.0);
    // SAFETY: `svc` changes only the registers named here; memory the kernel writes (the message page) is reached
    // through volatile accesses only, and the asm block is a compiler barrier for all other memory.
    #[cfg(not(target_feature = "neon"))]
    unsafe {
        trap!(regs, x8, x9,);
    }
    // SAFETY: as above. v8 to v15 survive: were they given up as well, every function with a system call would have to save
    // them, and so use vector registers.
    #[cfg(target_feature = "neon")]
    unsafe {
        trap!(regs, x8, x9, "v0" "v1" "v2" "v3" "v4" "v5" "v6" "v7" "v16" "v17" "v18" "v19" "v20" "v21" "v22" "v23" "v24"
            "v25" "v26" "v27" "v28" "v29" "v30" "v31");
    }
    (OutWord(x8), x9)
}

/// On the host there is no kernel.
#[cfg(not(target_os = "none"))]
pub(crate) fn svc(_: InWord, _: Slots, _: &mut [u64; 8]) -> (OutWord, u64) {
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
    let (out, _) = svc(InWord::new(op as u8, N as u8, 0, 0), Slots::new(target, 0), &mut regs);
    out.status().map(|()| regs)
}
