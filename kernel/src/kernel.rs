//! The one value that all kernel state hangs off.

use abi::{OutWord, SyscallError};

use crate::arch::Machine;
use crate::cores::Cores;
use crate::mm::regions::Regions;
use crate::mm::{Mem, Ref};
use crate::object::{Grave, Lines, Thread};
use crate::smmu::{self, Smmu};

/// The result of an operation that can be refused.
pub type Res<T> = Result<T, SyscallError>;

/// A long operation made way for an interrupt; it is restarted from its beginning and goes on where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preempted;

/// What happens after a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The caller goes on; there is nothing to return.
    Done,
    /// The caller goes on; its registers are complete.
    Answered,
    /// The caller waits: the scheduler picks.
    Schedule,
    /// The caller waits and this thread, which is not in a queue, goes on in its place unless another is more urgent.
    Switch(Ref<Thread>),
    /// The system call is made again when the caller runs next.
    Restart,
}

/// All state of the kernel.
#[derive(Debug)]
pub struct Kernel {
    /// All objects.
    pub mem: Mem,
    /// Who runs, core by core; it dereferences to the scheduler of the core that is in the kernel.
    pub sched: Cores,
    /// Interrupt lines and who listens.
    pub lines: Lines,
    /// Dead objects that wait to be taken apart.
    pub graves: Option<Grave>,
    /// What no device capability may cover: RAM and what belongs to the kernel alone.
    pub forbidden: Regions,
    /// Which address space has which ASID.
    pub asids: crate::mm::Asids,
    /// What keeps devices from memory that is not theirs.
    pub smmus: [Option<Smmu>; smmu::MOST],
    /// Where events are written.
    pub trace: crate::trace::Tracing,
    /// Init's thread: from its table on a debugger finds all others.
    pub first: Option<Ref<Thread>>,
    /// The hardware.
    pub machine: Machine,
}

impl Kernel {
    /// A kernel without objects.
    pub fn new(mem: Mem, machine: Machine, forbidden: Regions) -> Self {
        Self {
            mem,
            sched: Cores::new(),
            lines: Lines::new(),
            graves: None,
            forbidden,
            asids: crate::mm::Asids::new(),
            smmus: [const { None }; smmu::MOST],
            trace: crate::trace::Tracing::new(),
            first: None,
            machine,
        }
    }

    /// Ends an operation of `caller` whose results are x0–x7.
    pub fn answer_with(&mut self, caller: Ref<Thread>, results: [u64; 8]) -> Next {
        self.mem[caller].context.answer(&results);
        Next::Answered
    }

    /// Ends an operation of `caller` whose result is x0; x1–x7 stay as the caller had them.
    pub fn answer_one(&mut self, caller: Ref<Thread>, result: u64) -> Next {
        let context = &mut self.mem[caller].context;
        context.x[0] = result;
        context.finish(OutWord(0), 0);
        Next::Answered
    }

    /// A place between two short steps of a long operation.
    ///
    /// # Errors
    /// [`Preempted`]: an interrupt or another core waits. The caller has made progress, so a restart does not begin from nothing.
    #[inline]
    pub fn preemption_point(&mut self) -> Result<(), Preempted> {
        if self.machine.interrupt_pending() || self.machine.lock_wanted() { Err(Preempted) } else { Ok(()) }
    }
}
