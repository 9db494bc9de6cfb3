//! Smc: functions of the firmware, one behind the other. SmcControl, which init holds, makes them (decision 0017).

use abi::{ErrorCode, Kind, Rights, SyscallError};

use super::{State, Thread};
use crate::cap::{Cap, Slot};
use crate::firmware::Functions;
use crate::kernel::{Kernel, Next, Res};
use crate::mm::Ref;
use crate::syscall::Args;

/// PSCI SYSTEM_OFF and SYSTEM_RESET (ARM DEN0022, 5.1.9 and 5.1.10).
pub const SYSTEM_OFF: u64 = 0x8400_0008;
const SYSTEM_RESET: u64 = 0x8400_0009;

impl Cap {
    /// The right to call these functions.
    pub fn smc(functions: Functions) -> Self {
        Self { object: functions.first.into(), pages: functions.count, ..Self::control(Kind::Smc) }
    }

    /// Smc: its functions.
    fn functions(&self) -> Functions {
        Functions { first: self.object as u32, count: self.pages }
    }
}

/// Puts an Smc for some functions of the firmware into a slot of the caller's table.
///
/// # Rights
/// SmcControl.
/// # Returns
/// Nothing.
/// # Errors
/// `SlotOccupied`, `SlotOutOfRange`, `InvalidArgument` (no functions, functions of several services, or the kernel's own), and
/// those of the look-up.
pub fn make(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (control, _) = k.get_cap(caller, args.target(), Kind::SmcControl, Rights::INVOKE, 0)?;
    let (slot, functions) = asked_for(k, caller, args)?;
    k.insert(slot, Cap::smc(functions), Some(control));
    Ok(Next::Done)
}

/// Puts an Smc for some functions of this one into a slot of the caller's table.
///
/// # Rights
/// Smc.
/// # Returns
/// Nothing.
/// # Errors
/// `SlotOccupied`, `SlotOutOfRange`, `InvalidArgument` (no functions, functions of several services, or the kernel's own),
/// `MissingRight` (functions that this one is not for), and those of the look-up.
pub fn narrow(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (smc, cap) = k.get_cap(caller, args.target(), Kind::Smc, Rights::INVOKE, 0)?;
    let (slot, functions) = asked_for(k, caller, args)?;
    if !cap.functions().covers(functions) {
        return Err(SyscallError::new(ErrorCode::MissingRight, 2));
    }
    k.insert(slot, Cap::smc(functions), Some(smc));
    Ok(Next::Done)
}

fn asked_for(k: &Kernel, caller: Ref<Thread>, args: &Args) -> Res<(Ref<Slot>, Functions)> {
    let [slot, first, count, ..] = args.words;
    let slot = k.empty_slot(k.table_of(caller)?, slot, 1)?;
    let functions = Functions::grantable(first, count).ok_or(SyscallError::new(ErrorCode::InvalidArgument, 2))?;
    Ok((slot, functions))
}

/// Calls a function of the firmware. Meanwhile the caller waits, the core runs nobody and takes no interrupt, and the other
/// cores go on.
///
/// # Rights
/// Smc.
/// # Returns
/// x0–x7: what the firmware returned.
/// # Errors
/// `MissingRight` (the function is not in the set), `Unsupported` (the machine has no firmware that is known how to call, and does not end without), and
/// once it waits `Cancelled`, `Revoked`: then the firmware goes on, and what it returns is dropped.
pub fn call(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (_, cap) = k.get_cap(caller, args.target(), Kind::Smc, Rights::INVOKE, 0)?;
    if !cap.functions().contains(args.words[0]) {
        return Err(SyscallError::new(ErrorCode::MissingRight, 1));
    }
    if !k.machine.has_firmware() {
        // What ends the machine is the same authority, whoever does it.
        if matches!(args.words[0], SYSTEM_OFF | SYSTEM_RESET) {
            k.machine.end_machine(args.words[0]);
        }
        return Err(ErrorCode::Unsupported.into());
    }
    k.mem[caller].state = State::InFirmware;
    k.sched.in_firmware = Some(caller);
    Ok(Next::Schedule)
}
