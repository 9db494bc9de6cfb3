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
    /// x9.
    pub slots: Slots,
}

impl Args {
    fn of(k: &Kernel, caller: Ref<Thread>) -> Self {
        let x = &k.mem[caller].context.x;
        Self { words: [x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]], input: InWord(x[8]), slots: Slots(x[9]) }
    }

    /// The slot that is invoked.
    #[inline(always)]
    pub fn target(&self) -> u64 {
        self.slots.target().into()
    }

    /// The slot of the Reply.
    pub fn reply(&self) -> u64 {
        self.slots.reply().into()
    }
}

/// What comes after a system call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// If the caller goes on, it goes on behind it with its x0 to x7; the other registers that go in and out are to be cleared.
    Done,
    /// The registers of all threads are as they have to be.
    Complete,
}

/// Carries out the system call of the current thread, whose arguments are in its registers as they were saved.
pub fn handle(k: &mut Kernel, caller: Ref<Thread>) {
    let args = Args::of(k, caller);
    if call(k, caller, &args) == After::Done {
        k.finish(caller, Next::Done);
    }
}

/// Carries out the system call of the current thread.
#[inline(always)]
pub fn call(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> After {
    if k.trace.is_on() {
        return traced(k, caller, args);
    }
    match perform(k, caller, args) {
        Ok(Next::Done) => After::Done,
        other => end(k, caller, other),
    }
}

#[inline(always)]
fn perform(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    match OPERATIONS.get(usize::from(args.input.op())) {
        Some(operation) => operation(k, caller, args),
        None => unknown(k, caller, args),
    }
}

/// Does what the result of an operation asks for.
#[inline(never)]
fn end(k: &mut Kernel, caller: Ref<Thread>, result: Res<Next>) -> After {
    match result {
        Ok(Next::Schedule) => {}
        Ok(next) => k.finish(caller, next),
        Err(error) => k.mem[caller].context.refuse(error, 0),
    }
    After::Complete
}

#[cold]
fn traced(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> After {
    k.trace(Event::Call, caller.number(), u64::from(args.input.op()) | args.target() << 32);
    let result = perform(k, caller, args);
    end(k, caller, result);
    k.trace(Event::Return, caller.number(), result.map_or_else(|error| error.code as u64, |_| 0));
    After::Complete
}

/// Carries out an operation.
type Operation = fn(&mut Kernel, Ref<Thread>, &Args) -> Res<Next>;

/// The operations by their numbers.
static OPERATIONS: [Operation; NUMBERS] = {
    let mut table = [unknown as Operation; NUMBERS];
    let mut index = 0;
    while index < Op::ALL.len() {
        table[Op::ALL[index] as usize] = operation(Op::ALL[index]);
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
        Op::IrqMessage => ops::message,
        Op::IrqTarget => ops::target,
        Op::DmaClear => ops::dma_clear,
        Op::DmaAttach => ops::dma_attach,
        Op::DmaDetach => ops::dma_detach,
        Op::DmaBind => ops::dma_bind,
        Op::DmaFault => ops::dma_fault,
        Op::IommuInfo => ops::iommu_info,
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
