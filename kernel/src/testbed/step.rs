//! What can happen to a kernel, as plain values: a sequence of them is a test that can be run again, cut and printed.

use core::fmt;

use abi::{FaultKind, InWord, Op, Slots, layout::USER_END};

use super::bed::{BEHIND, Bed};
use super::model::compare;
use crate::fault::{self, Fault};
use crate::fpu::FpuState;
use crate::interrupt;
use crate::mm::{Phys, Ref};
use crate::object::Thread;

/// One thing that happens, on one core.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub core: usize,
    pub event: Event,
}

/// What happens. Who runs does it; with nobody there, nothing happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A system call; or the one that made way is made again.
    Call(Box<Call>),
    /// A system call that made way is made again.
    Again,
    /// An exception: kind, address, syndrome.
    Fault(FaultKind, u64, u64),
    /// A write to an address at which nothing is mapped.
    Touch(u64),
    /// Vector registers are used: see [`vectors`].
    Compute(u64),
    /// A line fires, if it is open.
    Interrupt(u32),
    /// Ticks pass, at most up to the timer's deadline; then it fires.
    Pass(u64),
    /// Ticks pass, and the timer is late.
    Late(u64),
    /// The timer fires, early or late.
    Tick,
    /// The core was told to look for work, or was stopped: it does that.
    Look,
    /// From now on every so many looks for an interrupt find one; 0: none does.
    Preempt(u32),
}

/// What a program does in a system call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// Its number.
    pub op: u8,
    pub target: u32,
    pub reply: u32,
    pub regs: [u64; 8],
    pub words: u8,
    pub caps: u8,
    pub label: u32,
    /// What it writes into its message page before.
    pub page: Option<Page>,
}

/// The contents of a message page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub send: [u32; 4],
    pub window: (u32, u32),
    /// The first of the words; each is one more than the one before. 0: they stay.
    pub first: u64,
}

/// What a step did.
#[derive(Default)]
pub struct Done {
    /// The system call made way for an interrupt.
    pub made_way: bool,
    /// x0 of the caller afterwards.
    pub first: u64,
    /// What the thread found in its vector registers.
    pub vectors: Option<Box<[u64; 66]>>,
}

/// ESR_EL1 of a write that found no translation at level 3.
pub const TOUCH_SYNDROME: u64 = 0x9200_0047;
/// ESR_EL1 of a vector instruction that was trapped.
pub const FPU_SYNDROME: u64 = 0x1fe0_0000;

/// What a thread leaves in its vector registers, FPCR and FPSR behind them.
pub fn vectors(value: u64) -> [u64; 66] {
    core::array::from_fn(|index| value.wrapping_add(index as u64))
}

impl Page {
    /// Offsets and words.
    pub fn words(&self) -> impl Iterator<Item = (u64, u64)> {
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let [a, b, c, d] = self.send;
        let header = [(0, pair(a, b)), (8, pair(c, d)), (16, pair(self.window.0, self.window.1))];
        let count = if self.first == 0 { 0 } else { abi::PAGE_WORDS as u64 };
        let first = self.first;
        header.into_iter().chain((0..count).map(move |index| (64 + 8 * index, first.wrapping_add(index))))
    }
}

impl Call {
    /// x0–x30.
    pub fn registers(&self) -> [u64; 31] {
        core::array::from_fn(|index| match index {
            0..8 => self.regs[index],
            8 => InWord::new(self.op, self.words, self.caps, self.label).0,
            9 => Slots::new(self.target, self.reply).0,
            _ => 0x5ec2_e700 + index as u64,
        })
    }
}

impl Event {
    /// Whether it is worth a look at all page tables by the checker.
    pub fn is_deep(&self) -> bool {
        let Self::Call(call) = self else {
            return matches!(self, Self::Again | Self::Tick | Self::Look | Self::Pass(_) | Self::Touch(_));
        };
        let op = Op::from_number(call.op);
        matches!(
            op,
            Some(
                Op::Map
                    | Op::Unmap
                    | Op::Protect
                    | Op::DmaAttach
                    | Op::DmaDetach
                    | Op::IrqMessage
                    | Op::DmaClear
                    | Op::AddPool
                    | Op::Reserve
                    | Op::ReserveRelease
                    | Op::Delete
                    | Op::TableGrow
                    | Op::Revoke
            )
        )
    }
}

impl Bed {
    /// The kernel takes a step; `None` when it did not notice.
    pub fn take(&mut self, step: &Step) -> Option<Done> {
        let own = self.k.sched.own();
        if step.core != own {
            let thread = self.k.sched.current().map_or(0, |thread| self.k.mem.context_address(thread));
            self.k.machine.go_to(own, thread, step.core);
            self.k.sched.set_own(step.core);
        }
        let done = self.happen(&step.event);
        if done.is_some() {
            self.k.machine.kicked.remove(&step.core);
            self.k.machine.stopped.remove(&step.core);
        }
        done
    }

    fn happen(&mut self, event: &Event) -> Option<Done> {
        match event {
            Event::Call(call) => {
                let thread = self.k.sched.current()?;
                if !self.restarts(thread) {
                    self.prepare(thread, call);
                }
                Some(self.svc(thread))
            }
            Event::Again => {
                let thread = self.k.sched.current()?;
                self.restarts(thread).then(|| self.svc(thread))
            }
            &Event::Fault(kind, address, syndrome) => {
                // The end of init is the end of the machine.
                let thread = self.k.sched.current().filter(|&thread| self.k.mem[thread].ceiling < u8::MAX)?;
                fault::handle(&mut self.k, thread, Fault { kind, address, syndrome });
                self.leave();
                Some(Done::default())
            }
            &Event::Touch(address) => {
                let thread = self.k.sched.current().filter(|&thread| self.k.mem[thread].ceiling < u8::MAX)?;
                let space = self.k.mem[thread].space()?;
                if address >= USER_END || compare::is_mapped(&self.k, self.k.mem[space].root, address) {
                    return None;
                }
                let fault = Fault { kind: FaultKind::Write, address, syndrome: TOUCH_SYNDROME };
                fault::untranslated(&mut self.k, thread, address, || fault);
                self.leave();
                Some(Done::default())
            }
            &Event::Compute(value) => {
                let thread = self.k.sched.current().filter(|&thread| self.k.mem[thread].ceiling < u8::MAX)?;
                Some(Done { vectors: self.compute(thread, value), ..Done::default() })
            }
            Event::Interrupt(line) => {
                if !self.k.machine.open.contains(line) {
                    return None;
                }
                Some(self.fire(*line))
            }
            &Event::Pass(ticks) => {
                let machine = &mut self.k.machine;
                machine.clock = machine.deadline.clamp(machine.clock, machine.clock.saturating_add(ticks));
                (machine.clock >= machine.deadline).then(|| self.fire(27))
            }
            &Event::Late(ticks) => {
                self.k.machine.clock += ticks;
                None
            }
            Event::Tick => Some(self.fire(27)),
            Event::Look => {
                self.leave();
                Some(Done::default())
            }
            Event::Preempt(every) => {
                self.k.machine.preempt_every = *every;
                None
            }
        }
    }

    /// A thread finds something in its vector registers and leaves something else there.
    fn compute(&mut self, thread: Ref<Thread>, value: u64) -> Option<Box<[u64; 66]>> {
        let own = self.k.sched.own();
        if !self.k.machine.fpu[own].open && !self.k.use_fpu(thread) {
            let fault = Fault { kind: FaultKind::Fpu, address: 0, syndrome: FPU_SYNDROME };
            fault::handle(&mut self.k, thread, fault);
            self.leave();
            return None;
        }
        let registers = &mut self.k.machine.fpu[own].registers;
        let numbers = || FpuState::FIRST..FpuState::END;
        let found = numbers().map(|number| registers.register(number)).collect::<Vec<_>>();
        numbers().zip(vectors(value)).for_each(|(number, value)| registers.set_register(number, value));
        self.leave();
        found.try_into().ok()
    }

    fn prepare(&mut self, thread: Ref<Thread>, call: &Call) {
        let page = self.k.mem[thread].page;
        if let Some(content) = call.page.as_ref().filter(|_| page != Phys(0)) {
            content.words().for_each(|(offset, word)| self.k.mem.write_u64(Phys(page.0 + offset), word));
        }
        self.k.mem[thread].context.x = call.registers();
    }

    fn svc(&mut self, thread: Ref<Thread>) -> Done {
        self.again(thread);
        let context = &self.k.mem[thread].context;
        Done { made_way: context.pc == BEHIND - 4, first: context.x[0], vectors: None }
    }

    fn fire(&mut self, line: u32) -> Done {
        self.k.machine.pending.push_back(line);
        interrupt::handle(&mut self.k);
        self.leave();
        Done::default()
    }
}

// How a step is written.

impl From<Event> for Step {
    fn from(event: Event) -> Self {
        Self { core: 0, event }
    }
}

/// A system call of whoever runs.
pub fn call(op: Op, target: u32, regs: &[u64]) -> Step {
    raw(op as u8, target, regs)
}

/// As [`call`], by number.
pub fn raw(op: u8, target: u32, args: &[u64]) -> Step {
    let mut regs = [0; 8];
    regs[..args.len()].copy_from_slice(args);
    Event::Call(Box::new(Call { op, target, regs, ..Call::default() })).into()
}

impl Step {
    fn change(mut self, change: impl FnOnce(&mut Call)) -> Self {
        if let Event::Call(call) = &mut self.event {
            change(call);
        }
        self
    }

    /// With a message.
    pub fn message(self, words: u8, caps: u8, label: u32) -> Self {
        self.change(|call| (call.words, call.caps, call.label) = (words, caps, label))
    }

    /// With this Reply.
    pub fn reply(self, reply: u32) -> Self {
        self.change(|call| call.reply = reply)
    }

    /// With this in the message page.
    pub fn page(self, send: [u32; 4], window: (u32, u32), first: u64) -> Self {
        self.change(|call| call.page = Some(Page { send, window, first }))
    }
}

impl Step {
    /// On this core.
    pub fn on(self, core: usize) -> Self {
        Self { core, ..self }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.event {
            Event::Call(call) => call.fmt(f)?,
            Event::Again => write!(f, "Step::from(Again)")?,
            Event::Fault(kind, address, syndrome) => {
                write!(f, "Step::from(Fault(FaultKind::{kind:?}, {address:#x}, {syndrome:#x}))")?;
            }
            Event::Touch(address) => write!(f, "Step::from(Touch({address:#x}))")?,
            Event::Compute(value) => write!(f, "Step::from(Compute({value:#x}))")?,
            Event::Interrupt(line) => write!(f, "Step::from(Interrupt({line}))")?,
            Event::Pass(ticks) => write!(f, "Step::from(Pass({ticks}))")?,
            Event::Late(ticks) => write!(f, "Step::from(Late({ticks}))")?,
            Event::Tick => write!(f, "Step::from(Tick)")?,
            Event::Look => write!(f, "Step::from(Look)")?,
            Event::Preempt(every) => write!(f, "Step::from(Preempt({every}))")?,
        }
        if self.core == 0 { Ok(()) } else { write!(f, ".on({})", self.core) }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Op::from_number(self.op) {
            Some(op) => write!(f, "call(Op::{op:?}, {}, &[", self.target)?,
            None => write!(f, "raw({}, {}, &[", self.op, self.target)?,
        }
        let count = self.regs.iter().rposition(|&word| word != 0).map_or(0, |last| last + 1);
        for (index, word) in self.regs[..count].iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            if *word < 10_000 { write!(f, "{comma}{word}")? } else { write!(f, "{comma}{word:#x}")? }
        }
        write!(f, "])")?;
        if (self.words, self.caps, self.label) != (0, 0, 0) {
            write!(f, ".message({}, {}, {})", self.words, self.caps, self.label)?;
        }
        if self.reply != 0 {
            write!(f, ".reply({})", self.reply)?;
        }
        if let Some(Page { send, window, first }) = &self.page {
            write!(f, ".page({send:?}, {window:?}, {first:#x})")?;
        }
        Ok(())
    }
}
