//! Debug: looking into processes, for crash reports and `caps`.

use abi::{ErrorCode, Kind, Rights, SyscallError};

use super::{AddressSpace, CapTable, State, Thread};
use crate::kernel::{Kernel, Next, Res};
use crate::mm::Ref;
use crate::syscall::Args;

fn allowed(k: &Kernel, caller: Ref<Thread>, args: &Args) -> Res<()> {
    k.get_cap(caller, args.target(), Kind::Debug, Rights::INVOKE, 0).map(drop)
}

/// What lies in a slot of somebody's table.
///
/// # Rights
/// Debug. The table's capability: any.
/// # Returns
/// x0 = kind, x1 = rights, x2 = base, x3 = bytes, x4 = badge, mapped address or line, x5 = bytes in use or mapped, x6 = 1 for an Irq that waits for an acknowledgement.
/// # Errors
/// `SlotOutOfRange`.
pub fn cap(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    allowed(k, caller, args)?;
    let (table, _) = k.get::<CapTable>(caller, args.words[0], Rights::empty(), 1)?;
    let slot = k.slot(table, args.words[1], 2)?;
    Ok(k.answer_with(caller, k.describe(&k.mem[slot])))
}

/// Eight registers of a thread, from the given one on; those past the last are 0.
///
/// # Rights
/// Debug. The thread's capability: any.
/// # Returns
/// x0–x7.
/// # Errors
/// `InvalidArgument`: no such register.
pub fn registers(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    allowed(k, caller, args)?;
    let (thread, _) = k.get::<Thread>(caller, args.words[0], Rights::empty(), 1)?;
    if args.words[1] > 33 {
        return Err(SyscallError::new(ErrorCode::InvalidArgument, 2));
    }
    let results = k.mem[thread].context.registers(args.words[1] as usize);
    Ok(k.answer_with(caller, results))
}

/// A word of somebody's memory.
///
/// # Rights
/// Debug. The address space's capability: any.
/// # Returns
/// x0.
/// # Errors
/// `Misaligned`, `NotMapped` (or device memory, which is not read; or a page of a Reserve that nobody touched).
pub fn read(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    allowed(k, caller, args)?;
    let (space, _) = k.get::<AddressSpace>(caller, args.words[0], Rights::empty(), 1)?;
    let address = args.words[1];
    if !address.is_multiple_of(8) {
        return Err(SyscallError::new(ErrorCode::Misaligned, 2));
    }
    let place = (address < abi::layout::USER_END).then(|| k.translate(space, address)).flatten();
    let place = place.ok_or(SyscallError::new(ErrorCode::NotMapped, 2))?;
    Ok(k.answer_one(caller, k.mem.read_u64(place)))
}

/// What a thread is doing.
///
/// # Rights
/// Debug. The thread's capability: any.
/// # Returns
/// x0 = state as in `Op::DebugThread`, x1 = ticks of CPU time, x2 = the thread's number in trace records, x3 = the core that its time is
/// on, as its MPIDR_EL1 names it.
/// # Errors
/// Those of the look-ups.
pub fn thread(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    allowed(k, caller, args)?;
    let (thread, _) = k.get::<Thread>(caller, args.words[0], Rights::empty(), 1)?;
    let state = match k.mem[thread].state {
        State::Suspended => 0,
        State::Ready => 1,
        State::Sending(_) | State::AwaitingReply(_) if k.mem[thread].fault.is_some() => 5,
        State::Sending(_) | State::AwaitingReply(_) => 2,
        State::Receiving(..) => 3,
        State::Waiting(_) => 4,
        State::Faulted => 5,
        State::InFirmware => 6,
    };
    k.settle_time();
    let (used, core) = k.mem[thread].home.map_or((0, 0), |time| (k.mem[time].consumed, k.mem[time].core));
    Ok(k.answer_with(caller, [state, used, thread.number(), k.machine.affinity(core.into()), 0, 0, 0, 0]))
}
