//! Dispatch of system calls, and nothing else.

use abi::{ErrorCode, InWord, Op, Slots, SyscallError, trace::Event};

use crate::ipc;
use crate::kernel::{Kernel, Next, Res};
use crate::mm::Ref;
use crate::object::{Thread, ops};

/// The arguments of a system call, read out of the caller's registers once.
#[repr(C)]
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

/// Carries out the system call of the current thread, whose arguments are in its registers as they were saved.
pub fn handle(k: &mut Kernel, caller: Ref<Thread>) {
    let args = Args::of(k, caller);
    if call(k, caller, &args) {
        k.mem[caller].context.clear_scratch();
    }
}

/// Carries out the system call of the current thread. `true`: it is over, and if the caller goes on, it goes on behind it: of
/// its registers those that the stub gave up may hold anything, and what is to be returned lies with the others.
#[inline(always)]
pub fn call(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> bool {
    let result = if k.trace.is_on() { traced(k, caller, args) } else { carry_out(k, caller, args) };
    matches!(result, Ok(Next::Done | Next::Answered) | Err(_))
}

/// The result of what was carried out.
#[inline(always)]
fn carry_out(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let operation = OPERATIONS.get(usize::from(args.input.op())).copied().flatten();
    let result = operation.unwrap_or(unknown)(k, caller, args);
    match result {
        Ok(Next::Done) => k.mem[caller].context.done(),
        Ok(Next::Schedule) => {}
        Ok(next) => k.finish(caller, next),
        Err(error) => k.mem[caller].context.refuse(error, 0),
    }
    result
}

#[cold]
fn traced(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    k.trace(Event::Call, caller.number(), u64::from(args.input.op()) | args.target << 32);
    let result = carry_out(k, caller, args);
    k.trace(Event::Return, caller.number(), result.map_or_else(|error| error.code as u64, |_| 0));
    result
}

/// Carries out an operation.
type Operation = fn(&mut Kernel, Ref<Thread>, &Args) -> Res<Next>;

/// The operations by their numbers.
static OPERATIONS: [Option<Operation>; NUMBERS] = {
    let mut table = [None; NUMBERS];
    let mut index = 0;
    while index < Op::ALL.len() {
        table[Op::ALL[index] as usize] = Some(operation(Op::ALL[index]));
        index += 1;
    }
    table
};

/// One more than the highest number.
const NUMBERS: usize = Op::ALL[Op::ALL.len() - 1] as usize + 1;

fn unknown(_: &mut Kernel, _: Ref<Thread>, args: &Args) -> Res<Next> {
    Err(SyscallError::new(ErrorCode::InvalidOperation, args.input.op()))
}

const fn operation(op: Op) -> Operation {
    match op {
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
    }
}
