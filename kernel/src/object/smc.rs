//! Smc: a set of secure monitor functions. Of PSCI, which is the kernel's, it contains SYSTEM_OFF and SYSTEM_RESET.

use abi::{ErrorCode, Kind, Rights, SyscallError};

use super::Thread;
use crate::kernel::{Kernel, Next, Res};
use crate::mm::Ref;
use crate::syscall::Args;

/// PSCI SYSTEM_OFF (ARM DEN0022, 5.1.9).
pub const SYSTEM_OFF: u64 = 0x8400_0008;
/// PSCI SYSTEM_RESET (ARM DEN0022, 5.1.11).
pub const SYSTEM_RESET: u64 = 0x8400_0009;

/// Calls the secure monitor.
///
/// # Rights
/// Smc.
/// # Returns
/// x0: what the monitor returned.
/// # Errors
/// `MissingRight` (the function is not in the set), `Unsupported` (the machine has no PSCI).
pub fn call(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    k.get_cap(caller, args.target, Kind::Smc, Rights::INVOKE, 0)?;
    let function = args.words[0];
    if !matches!(function, SYSTEM_OFF | SYSTEM_RESET) {
        return Err(SyscallError::new(ErrorCode::MissingRight, 1));
    }
    match k.machine.firmware(function, [0; 3]) {
        Some(result) => Ok(k.answer_one(caller, result)),
        None => Err(ErrorCode::Unsupported.into()),
    }
}
