//! A second kernel, as simple as can be, to compare the first with after every step: maps and vectors, no cleverness,
//! written from what the documents say the operations do.
//!
//! One file a part. A new operation is one function `fn(&mut Model, &Call) -> Out` in the file of its object, its line in
//! [`operation`], and its arguments in `random/arguments.rs`; until somebody wrote it, it stands in [`LATER`].
//!
//! Where the documents leave the kernel free (how far a long operation came before it made way, how much of a dead
//! object was taken apart meanwhile, which of two deadlines at the same tick comes first) the model can take every path,
//! in steps as small as can be seen, and `follow.rs` looks for the one that the kernel took.

mod caps;
pub mod compare;
mod death;
mod devices;
mod firmware;
mod follow;
mod grow;
mod import;
mod inspect;
mod ipc;
mod memory;
mod messages;
mod notify;
mod reserve;
mod sched;
mod space;
mod state;
mod tables;
mod thread;
mod time;
mod trace;

use abi::{ErrorCode, InWord, Op, OutWord, Slots, SyscallError};

pub use follow::Duel;
pub use state::*;

use super::bed::BEHIND;

/// Operations that the model does not know yet; random sequences leave them out.
pub const LATER: &[Op] = &[];

/// What a system call asks.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub caller: At,
    pub x: [u64; 8],
    pub input: InWord,
    pub target: u64,
    pub reply: u64,
}

/// What becomes of the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// It goes on with nothing to return.
    Done,
    /// It waits, or its registers hold the result.
    Complete,
    /// It waits, and this one goes on in its place.
    Switch(At),
    /// It makes the call again.
    Again,
}

/// Why an operation did not come to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    Refused(SyscallError),
    MadeWay,
}

pub type Out = Result<Next, Stop>;
/// A long operation made way.
pub type Step = Result<(), Stop>;

pub fn refuse<T>(code: ErrorCode, detail: u8) -> Result<T, Stop> {
    Err(Stop::Refused(SyscallError::new(code, detail)))
}

/// The function of an operation.
pub fn operation(op: Op) -> Option<fn(&mut Model, &Call) -> Out> {
    Some(match op {
        Op::Call => ipc::call,
        Op::Receive => ipc::receive,
        Op::ReplyReceive => ipc::reply_receive,
        Op::Reply => ipc::reply,
        Op::EndpointOpen => ipc::open,
        Op::EndpointClose => ipc::close,
        Op::Signal => notify::signal,
        Op::Wait => notify::wait,
        Op::Poll => notify::poll,
        Op::Retype => memory::retype,
        Op::Copy => tables::copy,
        Op::Move => tables::move_cap,
        Op::Delete => tables::delete,
        Op::Revoke => tables::revoke,
        Op::TableGrow => grow::grow,
        Op::ThreadConfigure => thread::configure,
        Op::ThreadResume => thread::resume,
        Op::ThreadSuspend => thread::suspend,
        Op::ThreadWriteRegisters => thread::write_registers,
        Op::ThreadReadRegisters => thread::read_registers,
        Op::ThreadBind => thread::bind,
        Op::ThreadCancel => thread::cancel,
        Op::Map => space::map,
        Op::Unmap => space::unmap,
        Op::Protect => space::protect,
        Op::AddPool => space::add_pool,
        Op::Reserve => reserve::reserve,
        Op::ReserveRelease => reserve::release,
        Op::IrqSet => devices::irq_set,
        Op::IrqBind => devices::irq_bind,
        Op::IrqAck => devices::irq_ack,
        Op::IrqMessage => messages::irq_message,
        Op::IrqTarget => messages::irq_target,
        Op::DmaClear => devices::dma_clear,
        Op::DmaAttach => devices::dma_attach,
        Op::DmaDetach => devices::dma_detach,
        Op::DmaBind => devices::dma_bind,
        Op::DmaFault => devices::dma_fault,
        Op::IommuInfo => devices::iommu_info,
        Op::SmcCall => firmware::call,
        Op::SmcMake => firmware::make,
        Op::SmcNarrow => firmware::narrow,
        Op::ConsoleWrite => devices::console_write,
        Op::ConsoleRing => devices::console_ring,
        Op::DebugCap => inspect::cap,
        Op::DebugRegisters => inspect::registers,
        Op::DebugRead => inspect::read,
        Op::DebugThread => inspect::thread,
        Op::SchedConfigure => time::configure,
        Op::SchedBind => time::bind,
        Op::SchedUnbind => time::unbind,
        Op::SchedConsumed => time::consumed,
        Op::TimerArm => sched::timer_arm,
        Op::TimerCancel => sched::timer_cancel,
        Op::TraceStart => trace::start,
        Op::TraceStop => trace::stop,
        Op::TraceMap => trace::map,
        #[allow(unreachable_patterns)]
        _ => return None,
    })
}

impl Model {
    pub fn core(&mut self) -> &mut Core {
        &mut self.cores[self.here]
    }

    pub fn thread(&mut self, at: At) -> &mut Thread {
        self.threads.get_mut(&at).expect("a thread that exists")
    }

    /// A place where a long operation may make way.
    pub fn point(&mut self) -> Step {
        match &mut self.fuel {
            Some(0) => Err(Stop::MadeWay),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The running thread makes the system call that its registers hold. Says whether it will make it again.
    pub fn system_call(&mut self, caller: At, fuel: Option<u32>) -> bool {
        self.fuel = fuel;
        self.buries = false;
        let x = self.threads[&caller].x;
        let (input, slots) = (InWord(x[8]), Slots(x[9]));
        let call = Call {
            caller,
            x: core::array::from_fn(|index| x[index]),
            input,
            target: slots.target().into(),
            reply: slots.reply().into(),
        };
        let out = match Op::from_number(input.op()) {
            Some(op) => operation(op).expect("random sequences know which operations the model knows")(self, &call),
            None => refuse(ErrorCode::InvalidOperation, input.op()),
        };
        self.fuel = None;
        match out {
            Ok(next) => self.finish(caller, next),
            Err(Stop::MadeWay) => self.finish(caller, Next::Again),
            Err(Stop::Refused(error)) => self.fail_with(caller, error, 0),
        }
        out == Ok(Next::Again) || out == Err(Stop::MadeWay)
    }

    /// A system call ends: what is neither result nor kept for the caller is zero.
    pub fn end_call(&mut self, thread: At, out: OutWord, badge: u64) {
        // One that ended its own thread has nowhere to return to.
        let Some(thread) = self.threads.get_mut(&thread) else { return };
        (thread.x[8], thread.x[9]) = (out.0, badge);
        thread.x[10..=18].fill(0);
        thread.x[30] = 0;
    }

    pub fn fail_with(&mut self, thread: At, error: SyscallError, label: u32) {
        if let Some(thread) = self.threads.get_mut(&thread) {
            thread.x[..8].fill(0);
        }
        self.end_call(thread, OutWord::error(error, label), 0);
    }

    /// Ends with x0–x7.
    pub fn answer(&mut self, thread: At, results: [u64; 8]) -> Next {
        self.thread(thread).x[..8].copy_from_slice(&results);
        self.end_call(thread, OutWord(0), 0);
        Next::Complete
    }

    /// Ends with x0; x1–x7 stay.
    pub fn answer_one(&mut self, thread: At, result: u64) -> Next {
        self.thread(thread).x[0] = result;
        self.end_call(thread, OutWord(0), 0);
        Next::Complete
    }

    /// What a thread's program does before a system call, unless it makes one again.
    pub fn makes_again(&self, thread: At) -> bool {
        self.threads[&thread].pc == BEHIND - 4
    }
}

#[test]
fn every_operation_has_a_model() {
    for &op in Op::ALL {
        assert_ne!(operation(op).is_some(), LATER.contains(&op), "{op:?}");
    }
}
