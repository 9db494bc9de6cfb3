//! Agents: threads with a table and an address space of their own, whose registers the test writes and reads.

use alloc::format;

use abi::{FaultKind, FaultMessage, Kind, Op, Perms, Rights, layout::USER_MESSAGE_PAGE};
use rt::{Message, Received, SharedBuffer, TABLE};

use crate::code;
use crate::fail::{Check, Fail, equal, holds};
use crate::registers::{Out, Registers, Request};
use crate::world::World;

/// A thread of a test.
#[derive(Clone, Copy, Debug)]
pub struct Agent {
    /// Which one of the test it is, from 1 on.
    pub number: u32,
    /// The slot of its thread.
    pub thread: u32,
    /// Of its table.
    pub table: u32,
    /// Of its address space.
    pub space: u32,
    /// Of its SchedContext.
    pub time: u32,
    /// Of the Frame of its message page; 0: it has none.
    pub page: u32,
    /// What it was made to do.
    pub doing: Option<(Request, Registers)>,
}

/// Slots of an agent's table.
pub const TABLE_BITS: u64 = 6;
/// Where an agent finds a Reply of its own.
pub const REPLY: u32 = 8;
/// Pages of an agent's address space: itself, the root, and the tables of the first 2 MiB.
const SPACE_PAGES: u64 = 5;
/// Where this program maps what it shares with agents.
const PAGES: u64 = 0x3000_0000;
/// How long an agent may take.
const PATIENCE: u64 = 2_000_000;

/// v0–v31, low and high halves, FPCR and FPSR.
pub type Vectors = [u64; 66];

/// How an agent is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Its priority and ceiling.
    pub priority: u8,
    /// The core it runs on; otherwise that which the world says.
    pub core: Option<usize>,
    /// Budget, period and flags; `None`: no time of its own.
    pub time: Option<(u64, u64, u64)>,
    /// Whether it has a message page.
    pub page: bool,
    /// Whether it may use vector registers.
    pub fpu: bool,
    /// Where its faults go: a slot of the own table; 0: nowhere.
    pub handler: Option<u32>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { priority: 100, core: None, time: Some((1, 1, 0)), page: true, fpu: false, handler: None }
    }
}

/// What a thread is doing, as `DebugThread` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum State {
    /// It was stopped.
    Suspended = 0,
    /// It runs, or would.
    Ready = 1,
    /// It waits in a call.
    Calling = 2,
    /// It waits for a message.
    Receiving = 3,
    /// It waits for a notification.
    Waiting = 4,
    /// It faulted.
    Faulted = 5,
    /// It waits for the firmware.
    InFirmware = 6,
}

/// A fault of an agent that was taken.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// The agent's number.
    pub number: u32,
    /// What happened.
    pub kind: Option<FaultKind>,
    /// Where, and the like.
    pub message: FaultMessage,
}

impl Ended {
    /// Whether a piece of code came to its end.
    fn is_end(&self) -> bool {
        self.kind == Some(FaultKind::Breakpoint) && self.message.syndrome as u16 == code::END
    }
}

impl World {
    /// An agent as usual.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn agent(&mut self) -> Check<Agent> {
        self.agent_with(Setup::default())
    }

    /// An agent that is suspended.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn agent_with(&mut self, setup: Setup) -> Check<Agent> {
        let number = self.agents.len() as u32 + 1;
        let space = self.make(Kind::AddressSpace, SPACE_PAGES)?;
        let page = if setup.page { self.make(Kind::Frame, 1)? } else { 0 };
        let table = self.make(Kind::CapTable, TABLE_BITS)?;
        let thread = self.make(Kind::Thread, 0)?;
        let code = self.copy(self.code, Rights::READ | Rights::EXECUTE, 0)?;
        let read_execute = u64::from((Perms::READ | Perms::EXECUTE).bits());
        self.ok(Op::Map, space, &[code.into(), code::AT, 0, 1, read_execute])?;
        if page != 0 {
            let read_write = u64::from((Perms::READ | Perms::WRITE).bits());
            self.ok(Op::Map, space, &[page.into(), USER_MESSAGE_PAGE, 0, 1, read_write])?;
        }
        self.give_new(table, Kind::Reply, REPLY)?;
        let handler = match setup.handler {
            None => self.copy(self.faults.slot(), Rights::SEND, number.into())?,
            Some(slot) => slot,
        };
        let fpu = if setup.fpu { abi::THREAD_FPU } else { 0 };
        let priority = fpu | (u64::from(setup.priority) * 0x101);
        let args = [table.into(), space.into(), page.into(), USER_MESSAGE_PAGE, handler.into(), priority];
        self.ok(Op::ThreadConfigure, thread, &args)?;
        let time = self.make(Kind::SchedContext, 0)?;
        let agent = Agent { number, thread, table, space, time, page, doing: None };
        if let Some((budget, period, flags)) = setup.time {
            let core = setup.core.unwrap_or(if self.spread { number as usize % self.cores() } else { 0 });
            self.limit(agent, core, budget, period, flags)?;
        }
        self.ok(Op::SchedBind, time, &[thread.into()])?;
        self.agents.push(agent);
        Ok(agent)
    }

    /// A thread on a core that is always ready and less urgent than all others. Nobody waits for it.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn background(&mut self, core: usize) -> Check {
        let agent = self.agent_with(Setup { priority: 1, core: Some(core), ..Setup::default() })?;
        self.run(agent, code::SPIN, &[0; 31])?;
        self.background.push(agent.number);
        Ok(())
    }

    /// Sets what an agent may use of a core.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn limit(&mut self, agent: Agent, core: usize, budget: u64, period: u64, flags: u64) -> Check {
        let control = *self.authority.sched.get(core).ok_or("no SchedControl of that core")?;
        self.ok(Op::SchedConfigure, control, &[agent.time.into(), budget, period, flags]).map(drop)
    }

    /// A new object out of the arena into a slot of another table.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn give_new(&mut self, table: u32, kind: Kind, index: u32) -> Check {
        self.ok(Op::Retype, self.arena, &[kind as u64, 0, 0, table.into(), index.into(), 0, 0]).map(drop)
    }

    /// A copy of a capability of the own table into an agent's.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn give(&mut self, agent: Agent, index: u32, from: u32, rights: Rights, badge: u64) -> Check {
        let args = [index.into(), TABLE.slot().into(), from.into(), rights.bits().into(), badge];
        self.ok(Op::Copy, agent.table, &args).map(drop)
    }

    /// Maps pages of a Frame here until the test ends.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn map(&mut self, frame: u32, pages: u64) -> Check<SharedBuffer> {
        let address = PAGES + self.mapped * abi::layout::PAGE;
        self.mapped += pages;
        Ok(SharedBuffer::map_at(rt::Cap::from_slot(frame), address, pages)?)
    }

    /// Writes all registers of a stopped agent, x0–x30, stack pointer and program counter, and lets it run.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn run(&mut self, agent: Agent, pc: u64, x: &Registers) -> Check {
        self.write_registers(agent, pc, x)?;
        self.ok(Op::ThreadResume, agent.thread, &[]).map(drop)
    }

    /// Writes all registers of a stopped agent.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn write_registers(&mut self, agent: Agent, pc: u64, x: &Registers) -> Check {
        let mut all = [0; 34];
        all[..31].copy_from_slice(x);
        (all[31], all[32]) = (stack_of(agent), pc);
        for (index, part) in all.chunks(6).enumerate() {
            let mut args = [0; 8];
            (args[0], args[1]) = (6 * index as u64, part.len() as u64);
            args[2..2 + part.len()].copy_from_slice(part);
            self.ok(Op::ThreadWriteRegisters, agent.thread, &args)?;
        }
        Ok(())
    }

    /// Lets a stopped agent make a system call.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn begin(&mut self, agent: &mut Agent, request: Request) -> Check {
        let x = request.registers(agent.number.into());
        agent.doing = Some((request, x));
        self.run(*agent, code::SVC, &x)
    }

    /// Lets a stopped agent make a system call in which it must wait.
    ///
    /// # Errors
    /// It does not wait, or not like this.
    #[track_caller]
    pub fn blocks(&mut self, agent: &mut Agent, request: Request, state: State) -> Check {
        let line = core::panic::Location::caller().line();
        self.begin(agent, request)?;
        self.settle()?;
        equal(self.state(*agent)?, state, &format!("what agent {} does (line {line})", agent.number))
    }

    /// Lets a stopped agent make a system call that comes back.
    ///
    /// # Errors
    /// It does not.
    #[track_caller]
    pub fn does(&mut self, agent: &mut Agent, request: Request) -> Check<Out> {
        self.begin(agent, request)?;
        self.finish(agent)
    }

    /// What the system call of an agent came back with. Nothing but its message may have come across.
    ///
    /// # Errors
    /// It does not come back within two seconds, or what came is not as it must be.
    #[track_caller]
    pub fn finish(&mut self, agent: &mut Agent) -> Check<Out> {
        let line = core::panic::Location::caller().line();
        let (request, before) = agent.doing.take().ok_or("the agent does nothing")?;
        let ended = self.end_of(*agent).map_err(|Fail(why)| Fail(format!("{why} (line {line})")))?;
        holds(ended.is_end() && ended.message.pc == code::SVC + 4, &format!("agent {}: {ended:x?}", agent.number))?;
        equal(ended.message.sp, stack_of(*agent), "the stack pointer")?;
        let out = Out { x: self.registers(*agent)? };
        self.note(request.op(), &out);
        out.check(&before, Some((stack_of(*agent), code::SVC + 4)))?;
        Ok(out)
    }

    /// How the code that an agent runs came to its end: with a fault.
    ///
    /// # Errors
    /// It does not within two seconds.
    pub fn end_of(&mut self, agent: Agent) -> Check<Ended> {
        loop {
            if let Some(index) = self.ended.iter().position(|ended| ended.number == agent.number) {
                return Ok(self.ended.swap_remove(index));
            }
            let state = self.state(agent);
            holds(self.take_fault(PATIENCE)?, &format!("agent {} does not come back: {state:?}", agent.number))?;
        }
    }

    /// The next agent that comes to an end, in the order in which they do.
    ///
    /// # Errors
    /// None does within two seconds.
    pub fn next_end(&mut self) -> Check<Ended> {
        if self.ended.is_empty() {
            holds(self.take_fault(PATIENCE)?, "nobody comes to an end")?;
        }
        Ok(self.ended.remove(0))
    }

    /// Forgets the ends that nobody asked for.
    pub fn forget_ends(&mut self) {
        self.ended.clear();
    }

    /// Takes a fault of an agent, which stays stopped; false when none comes.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn take_fault(&mut self, microseconds: u64) -> Check<bool> {
        let (faults, reply) = (self.faults, self.fault_reply);
        let Some(received) = self.receive(faults.slot(), reply.slot(), microseconds)? else { return Ok(false) };
        let Received::Call { badge, message, .. } = received else { return Err("bits in the place of a fault".into()) };
        equal(message.words, FaultMessage::WORDS, "words of a fault")?;
        reply.reply(&Message::new(1, []))?;
        let message_words = FaultMessage::from_words(&message.regs);
        let kind = FaultKind::from_number(message.label);
        self.ended.push(Ended { number: badge.server(), kind, message: message_words });
        Ok(true)
    }

    /// x0–x30 of a stopped agent.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn registers(&mut self, agent: Agent) -> Check<Registers> {
        let mut x = [0; 31];
        for first in (0..31).step_by(8) {
            let part = self.ok(Op::ThreadReadRegisters, agent.thread, &[first as u64])?;
            let count = part.len().min(31 - first);
            x[first..first + count].copy_from_slice(&part[..count]);
        }
        Ok(x)
    }

    /// The vector registers of a stopped agent, with FPCR and FPSR, in the numbering of `ThreadReadRegisters` from 64 on.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn vectors(&mut self, agent: Agent) -> Check<Vectors> {
        let mut all = [0; 66];
        for first in (0..66).step_by(8) {
            let part = self.ok(Op::ThreadReadRegisters, agent.thread, &[64 + first as u64])?;
            let count = part.len().min(66 - first);
            all[first..first + count].copy_from_slice(&part[..count]);
        }
        Ok(all)
    }

    /// Writes them.
    ///
    /// # Errors
    /// The kernel refuses: the agent may not use them.
    pub fn write_vectors(&mut self, agent: Agent, all: &Vectors) -> Check {
        for (index, part) in all.chunks(6).enumerate() {
            let mut args = [0; 8];
            (args[0], args[1]) = (64 + 6 * index as u64, part.len() as u64);
            args[2..2 + part.len()].copy_from_slice(part);
            self.ok(Op::ThreadWriteRegisters, agent.thread, &args)?;
        }
        Ok(())
    }

    /// What an agent is doing.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn state(&mut self, agent: Agent) -> Check<State> {
        let number = self.ok(Op::DebugThread, self.authority.debug, &[agent.thread.into()])?[0];
        let all = [State::Suspended, State::Ready, State::Calling, State::Receiving, State::Waiting, State::Faulted];
        all.into_iter().find(|&state| state as u64 == number).ok_or_else(|| Fail(format!("state {number}")))
    }

    /// Waits until every agent waits for something or is stopped.
    ///
    /// # Errors
    /// One runs for more than two seconds.
    pub fn settle(&mut self) -> Check {
        self.settle_but(&[])
    }

    /// Waits until every agent but these waits for something or is stopped.
    ///
    /// # Errors
    /// One runs for more than two seconds.
    pub fn settle_but(&mut self, busy: &[Agent]) -> Check {
        let mut nap = 20;
        let mut waited = 0;
        loop {
            let mut running = 0;
            for index in 0..self.agents.len() {
                let agent = self.agents[index];
                let busy = busy.iter().any(|other| other.number == agent.number);
                let counts = !busy && !self.background.contains(&agent.number);
                // One whose thread is gone runs no more.
                if counts && self.state(agent).is_ok_and(|state| state == State::Ready) {
                    running = agent.number;
                }
            }
            if running == 0 {
                return Ok(());
            }
            holds(waited < PATIENCE, &format!("agent {running} does not come to rest"))?;
            self.sleep(nap)?;
            waited += nap;
            nap = (nap * 2).min(2000);
        }
    }
}

/// The stack pointer of an agent, which is a pattern like its registers: it has no stack.
pub fn stack_of(agent: Agent) -> u64 {
    0x5a5a_0000 + u64::from(agent.number) * 0x1000
}
