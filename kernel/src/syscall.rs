//! Dispatch of system calls, and nothing else.

use abi::{ErrorCode, InWord, Op, Slots, SyscallError, trace::Event};

use crate::ipc;
use crate::kernel::{Kernel, Next, Res};
use crate::mm::Ref;
use crate::object::{Thread, ops};

/// The arguments of a system call, read out of the caller's registers once.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// x0–x7.
    pub words: [u64; 8],
    /// x8.
    pub input: InWord,
    /// The slot that is invoked.
    pub target: u64,
    /// The slot of the Reply.
    pub reply: u64,
}

impl Args {
    fn of(k: &Kernel, caller: Ref<Thread>) -> Self {
        let x = &k.mem[caller].context.x;
        let slots = Slots(x[9]);
        Self {
            words: [x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]],
            input: InWord(x[8]),
            target: slots.target().into(),
            reply: slots.reply().into(),
        }
    }
}

/// Carries out the system call of the current thread.
pub fn handle(k: &mut Kernel, caller: Ref<Thread>) {
    let args = Args::of(k, caller);
    if k.trace.is_on() {
        return traced(k, caller, &args);
    }
    carry_out(k, caller, &args);
}

fn carry_out(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Option<ErrorCode> {
    match dispatch(k, caller, args) {
        Ok(next) => {
            k.finish(caller, next);
            None
        }
        Err(error) => {
            k.mem[caller].context.refuse(error, 0);
            Some(error.code)
        }
    }
}

#[cold]
fn traced(k: &mut Kernel, caller: Ref<Thread>, args: &Args) {
    k.trace(Event::Call, caller.number(), u64::from(args.input.op()) | args.target << 32);
    let refused = carry_out(k, caller, args);
    k.trace(Event::Return, caller.number(), refused.map_or(0, |code| code as u64));
}

fn dispatch(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let number = args.input.op();
    let Some(op) = Op::from_number(number) else {
        return Err(SyscallError::new(ErrorCode::InvalidOperation, number));
    };
    let operation = match op {
        Op::Call => ipc::call,
        Op::Receive => ipc::receive,
        Op::ReplyReceive => ipc::reply_receive,
        Op::Reply => ipc::reply,
        Op::EndpointOpen => ops::open,
        Op::EndpointClose => ops::close,
        Op::Signal => ops::signal,
        Op::Wait => ops::wait,
        Op::Poll => ops::poll,
        Op::Retype => ops::retype,
        Op::Copy => ops::copy,
        Op::Move => ops::move_cap,
        Op::Delete => ops::delete,
        Op::Revoke => ops::revoke,
        Op::TableGrow => ops::grow,
        Op::ThreadConfigure => ops::configure,
        Op::ThreadResume => ops::resume,
        Op::ThreadSuspend => ops::suspend,
        Op::ThreadWriteRegisters => ops::write_registers,
        Op::ThreadBind => ops::thread_bind,
        Op::ThreadCancel => ops::cancel,
        Op::Map => ops::map,
        Op::Unmap => ops::unmap,
        Op::Protect => ops::protect,
        Op::AddPool => ops::add_pool,
        Op::IrqSet => ops::set,
        Op::IrqBind => ops::bind,
        Op::IrqAck => ops::ack,
        Op::DmaAttach => ops::attach,
        Op::DmaDetach => ops::detach,
        Op::SmcCall => ops::smc_call,
        Op::SmcMake => ops::smc_make,
        Op::SmcNarrow => ops::smc_narrow,
        Op::ConsoleWrite => ops::write,
        Op::ConsoleRing => ops::ring,
        Op::DebugCap => ops::cap,
        Op::DebugRegisters => ops::registers,
        Op::DebugRead => ops::read,
        Op::DebugThread => ops::thread,
        Op::ThreadReadRegisters => ops::read_registers,
        Op::SchedConfigure => ops::sched_configure,
        Op::SchedBind => ops::sched_bind,
        Op::SchedUnbind => ops::sched_unbind,
        Op::SchedConsumed => ops::sched_consumed,
        Op::TimerArm => ops::timer_arm,
        Op::TimerCancel => ops::timer_cancel,
        Op::TraceStart => ops::trace_start,
        Op::TraceStop => ops::trace_stop,
        Op::TraceMap => ops::trace_map,
        Op::Reserve => ops::reserve,
        Op::ReserveRelease => ops::release,
    };
    operation(k, caller, args)
}
