//! The one instruction that enters the kernel.

use abi::{InWord, Op, OutWord, Slots, SyscallError};

/// Traps into the kernel: x0–x7 are `regs` in and out. Everything the kernel does not preserve is given up here.
#[cfg(target_os = "none")]
#[inline(always)]
pub(crate) fn svc(input: InWord, slots: Slots, regs: &mut [u64; 8]) -> (OutWord, u64) {
    let (mut x8, mut x9) = (input.0, slots.0);
    // SAFETY: `svc` changes only the registers named here; memory the kernel writes (the message page) is reached
    // through volatile accesses only, and the asm block is a compiler barrier for all other memory.
    unsafe {
        core::arch::asm!(
            "svc #0",
            inout("x0") regs[0], inout("x1") regs[1], inout("x2") regs[2], inout("x3") regs[3],
            inout("x4") regs[4], inout("x5") regs[5], inout("x6") regs[6], inout("x7") regs[7],
            inout("x8") x8, inout("x9") x9,
            clobber_abi("C"),
            lateout("x18") _,
            options(nostack),
        );
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
