//! Arguments that often make sense: what a thread with these capabilities might well ask.

use abi::{InWord, Kind, MAX_WORDS, Op, Rights, THREAD_FPU, layout::PAGE, layout::USER_END};

use super::numbers::Random;
use super::world::{DEVICE_BASE, slot};
use crate::arch::{FRAME, ITS};
use crate::cap::Cap;
use crate::kernel::Kernel;
use crate::mm::Ref;
use crate::object::{DmaSpace, Endpoint, SchedContext, State, Thread, Trace};
use crate::testbed::bed::SMMU;
use crate::testbed::step::{Call, Page};
use crate::testbed::{check, model};

/// A vendor's function of the firmware.
const FUNCTION: u64 = 0xc300_0000;

/// A thread about to make a system call.
pub struct Draw<'a> {
    pub random: &'a mut Random,
    pub k: &'a Kernel,
    pub thread: Ref<Thread>,
}

/// An Endpoint where somebody waits for a message.
fn receives(k: &Kernel, cap: &Cap) -> bool {
    cap.object_of::<Endpoint>().is_some_and(|endpoint| check::receivers(k, endpoint).is_ok_and(|list| !list.is_empty()))
}

/// An Endpoint where somebody waits with a message.
fn calls(k: &Kernel, cap: &Cap) -> bool {
    cap.object_of::<Endpoint>().is_some_and(|endpoint| k.mem[endpoint].senders.first().is_some())
}

impl Draw<'_> {
    /// Any system call.
    pub fn call(&mut self) -> Call {
        let op = loop {
            let op = match self.random.below(100) {
                0..30 => self.message_operation(),
                30..45 => Op::Retype,
                53..55 => self.random.pick(&[Op::TraceStart, Op::TraceStop, Op::TraceStop, Op::TraceStop]),
                55..57 => self.random.pick(&[
                    Op::SmcMake,
                    Op::SmcMake,
                    Op::SmcNarrow,
                    Op::SmcNarrow,
                    Op::SmcNarrow,
                    Op::SmcCall,
                ]),
                45..53 => self.random.pick(&[Op::Map, Op::Unmap, Op::Protect, Op::Copy, Op::Move]),
                _ => self.random.pick(Op::ALL),
            };
            if !model::LATER.contains(&op) {
                break op;
            }
        };
        let mut call = Call { op: op as u8, ..Call::default() };
        call.regs.fill_with(|| self.random.below(64));
        self.message(&mut call);
        self.arguments(op, &mut call);
        if self.random.one_in(60) {
            let place = self.random.below(8) as usize;
            call.regs[place] = self.random.next() << self.random.below(20);
        }
        if self.random.one_in(200) {
            let number = self.random.below(256) as u8;
            if Op::from_number(number).is_none_or(|op| !model::LATER.contains(&op)) {
                call.op = number;
            }
        }
        call
    }

    /// One that likely meets somebody: where all wait for each other nothing happens any more.
    fn message_operation(&mut self) -> Op {
        let owes = self.k.mem[self.thread].debts.is_some();
        match self.random.below(8) {
            0 => self.random.pick(&[Op::Call, Op::Receive, Op::ReplyReceive, Op::Reply]),
            1..4 if owes => self.random.pick(&[Op::ReplyReceive, Op::Reply]),
            _ if self.has(receives) => Op::Call,
            _ if self.has(calls) => self.random.pick(&[Op::ReplyReceive, Op::Receive]),
            _ if owes => Op::Reply,
            _ => self.random.pick(Op::ALL),
        }
    }

    fn has(&self, wanted: fn(&Kernel, &Cap) -> bool) -> bool {
        (1..slot::FREE).filter_map(|index| self.cap(index.into())).any(|cap| wanted(self.k, &cap))
    }

    /// An address that is worth being touched.
    pub fn touched(&mut self) -> u64 {
        let ranges: Vec<_> =
            self.k.mem[self.thread].space().into_iter().flat_map(|space| self.k.windows(space)).collect();
        if ranges.is_empty() || self.random.one_in(12) {
            return self.address() & (USER_END - 1);
        }
        let range = ranges[self.random.below(ranges.len() as u64) as usize];
        range.start + self.random.below((range.end - range.start).min(6 * PAGE))
    }

    /// Target and registers of an operation.
    fn arguments(&mut self, op: Op, call: &mut Call) {
        let Call { regs, reply, .. } = call;
        let target = match op {
            Op::Call => self.meeting(receives),
            Op::Receive | Op::ReplyReceive => {
                *reply = self.slot_of(Kind::Reply) as u32;
                self.meeting(calls)
            }
            Op::Reply => self.slot_of(Kind::Reply),
            Op::EndpointOpen | Op::EndpointClose => self.slot_of(Kind::Endpoint),
            Op::Signal | Op::Poll | Op::Wait => self.slot_of(Kind::Notification),
            Op::Retype => self.retype(regs),
            Op::Copy | Op::Move => {
                let (from, any) = (self.any_slot(), 1 + self.random.below(31));
                regs[0] = self.empty_slot();
                regs[1] = self.slot_of(Kind::CapTable);
                regs[2] = if self.random.one_in(2) { from } else { any };
                if op == Op::Copy && self.random.one_in(2) {
                    regs[2] = self.slot_where(|_, cap| cap.is_copyable());
                }
                regs[3] = self.random.pick(&[0xf, 0xf, 0xf, 7, 3, 1, 0, 0xff]);
                regs[4] = self.random.pick(&[0, 0, 0, 5, 1 << 40]);
                self.slot_of(Kind::CapTable)
            }
            Op::Delete | Op::Revoke => {
                // The own slots live longer, so that something happens.
                regs[0] = if self.random.one_in(6) { self.any_slot() } else { self.empty_slot() };
                self.slot_of(Kind::CapTable)
            }
            Op::ThreadConfigure => {
                regs[0] = self.slot_of(Kind::CapTable);
                regs[1] = self.slot_of(Kind::AddressSpace);
                regs[2] = if self.random.one_in(3) { 0 } else { self.slot_of(Kind::Frame) };
                regs[3] = self.address() & !4095;
                regs[4] = if self.random.one_in(2) { 0 } else { self.slot_of(Kind::Endpoint) };
                regs[5] = 0x5050 + self.random.below(3) + THREAD_FPU * self.random.below(4).min(1);
                self.suspended()
            }
            Op::ThreadBind => {
                regs[0] = if self.random.one_in(3) { 0 } else { self.slot_of(Kind::Notification) };
                self.slot_of(Kind::Thread)
            }
            Op::ThreadSuspend if !self.random.one_in(3) => 0,
            Op::ThreadResume | Op::ThreadWriteRegisters | Op::ThreadReadRegisters => {
                (regs[0], regs[1]) = (self.random.below(36), self.random.below(8));
                if self.random.one_in(2) {
                    regs[0] = self.random.below(134);
                }
                self.suspended()
            }
            Op::ThreadSuspend | Op::ThreadCancel => self.slot_of(Kind::Thread),
            Op::SchedConfigure => {
                let period = self.random.pick(&[1, 100, 1000, 5000]);
                let some = self.random.below(period + 1);
                let budget = self.random.pick(&[period, period, 0, some, some]);
                regs[..4].copy_from_slice(&[self.slot_of(Kind::SchedContext), budget, period, self.random.below(2)]);
                self.slot_of(Kind::SchedControl)
            }
            Op::SchedBind => {
                regs[0] = self.homeless(Kind::Thread);
                self.homeless(Kind::SchedContext)
            }
            Op::SchedUnbind if !self.random.one_in(3) => 0,
            Op::SchedUnbind | Op::SchedConsumed => self.slot_of(Kind::SchedContext),
            Op::TimerArm => {
                regs[0] = self.k.machine.clock + self.random.below(3000);
                let target = self.random.pick(&[Kind::Notification, Kind::Thread]);
                regs[1] = self.slot_of(target);
                regs[2] = if target == Kind::Thread { 0 } else { self.random.below(4) };
                self.slot_of(Kind::Timer)
            }
            Op::TimerCancel => self.slot_of(Kind::Timer),
            Op::Map => self.map(regs),
            Op::Unmap | Op::Protect => {
                let (frame, space, _) = self.mapped();
                (regs[0], regs[1]) = (frame, self.random.pick(&[1, 3, 5, 7]));
                space
            }
            Op::AddPool => {
                regs[0] = self.slot_of(Kind::Untyped);
                self.slot_of(Kind::AddressSpace)
            }
            Op::Reserve => {
                regs[0] = self.slot_where(|_, cap| {
                    cap.kind == Kind::Untyped && cap.word == 0 && cap.space.is_none() && cap.flags.is_empty()
                });
                regs[1] = self.address();
                regs[2] = if self.random.one_in(9) { self.random.next() >> 16 } else { self.random.below(9) };
                self.slot_of(Kind::AddressSpace)
            }
            Op::ReserveRelease => {
                let index = self.slot_of(Kind::Reserve);
                let start = self.cap(index).filter(|cap| cap.kind == Kind::Reserve).map_or(0, |cap| cap.word);
                regs[0] = start + PAGE * self.random.below(5);
                regs[1] = self.random.below(6);
                index
            }
            Op::IrqSet => {
                regs[0] = self.slot_of(Kind::Irq);
                regs[1] = 30 + self.random.below(8);
                regs[2] = self.random.below(3).min(1);
                self.slot_of(Kind::IrqControl)
            }
            Op::IrqBind => {
                regs[0] = self.slot_of(Kind::Notification);
                self.slot_of(Kind::Irq)
            }
            Op::IrqAck => self.slot_of(Kind::Irq),
            Op::IrqMessage => {
                regs[0] = self.slot_of(Kind::Irq);
                regs[1] = self.slot_of(Kind::DmaSpace);
                regs[2] = self.random.pick(&[0, 1, 2, 3, 255, 256]);
                regs[3] = self.random.below(17);
                regs[4] = self.random.pick(&[ITS, ITS, ITS, ITS, FRAME, 0]);
                self.slot_of(Kind::IrqControl)
            }
            Op::IrqTarget => self.slot_of(Kind::Irq),
            Op::DmaClear => {
                (regs[0], regs[1]) = (self.address(), self.random.pick(&[1, 1, 3, 40, 600]));
                self.slot_of(Kind::DmaSpace)
            }
            Op::DmaAttach => {
                regs[0] = self.slot_where(|_, cap| cap.kind == Kind::Frame && cap.space.is_none());
                regs[1] = self.address();
                regs[2] = self.random.pick(&[1, 3, 3, 3, 2]);
                regs[3] = self.cap(regs[0]).map_or(1, |cap| u64::from(cap.pages)).max(self.random.below(3));
                self.slot_of(Kind::DmaSpace)
            }
            Op::DmaDetach => {
                let (frame, _, _) = self.mapped();
                let space = self.cap(frame).and_then(|cap| cap.space);
                regs[0] = frame;
                self.slot_where(|_, cap| {
                    cap.object_of::<DmaSpace>().is_some_and(|own| space.is_none_or(|space| own.tables() == space))
                })
            }
            Op::DmaBind => {
                regs[0] = self.slot_of(Kind::DmaSpace);
                regs[1] = self.random.pick(&[SMMU, SMMU, SMMU, SMMU, 0, 0x1234]);
                regs[2] = self.random.pick(&[0, 1, 0x18, 0x47, 0x100, 0xffff, 0x1_0000]);
                self.slot_of(Kind::IommuControl)
            }
            Op::DmaFault | Op::IommuInfo => {
                regs[0] = self.random.below(6) / 5;
                self.slot_of(Kind::IommuControl)
            }
            Op::SmcCall => {
                regs[0] = FUNCTION + self.random.below(9);
                self.slot_of(Kind::Smc)
            }
            Op::SmcMake | Op::SmcNarrow => {
                let first = self.random.pick(&[FUNCTION, FUNCTION, FUNCTION, 0x8400_0008, 0x8000_7ffd, 0xc400_fffe]);
                let (first, count) = (first + self.random.below(4), 1 + self.random.below(6));
                (regs[0], regs[1], regs[2]) = (self.empty_slot(), first, count);
                self.slot_of(if op == Op::SmcMake { Kind::SmcControl } else { Kind::Smc })
            }
            Op::ConsoleWrite | Op::ConsoleRing => {
                regs[0] = self.empty_slot();
                self.slot_of(Kind::KernelConsole)
            }
            Op::DebugCap => {
                (regs[0], regs[1]) = (self.slot_of(Kind::CapTable), self.random.below(40));
                self.slot_of(Kind::Debug)
            }
            Op::DebugRead => {
                let (_, space, address) = self.mapped();
                (regs[0], regs[1]) = (space, address + 8 * self.random.below(1024));
                self.slot_of(Kind::Debug)
            }
            Op::DebugRegisters | Op::DebugThread => {
                (regs[0], regs[1]) = (self.slot_of(Kind::Thread), self.random.below(40));
                self.slot_of(Kind::Debug)
            }
            Op::TableGrow => {
                regs[0] = self.slot_where(|_, cap| {
                    cap.kind == Kind::Untyped && cap.word == 0 && cap.space.is_none() && cap.flags.is_empty()
                });
                regs[1] = 4 + self.random.below(5);
                self.slot_of(Kind::CapTable)
            }
            Op::TraceStart | Op::TraceStop => {
                let tied = op == Op::TraceStop;
                regs[0] = self.slot_where(|k, cap| {
                    cap.object_of::<Trace>().is_some_and(|ring| k.mem[ring].core.is_some() == tied)
                });
                regs[1] = self.random.below(9) / 8;
                self.slot_where(|_, cap| cap.kind == Kind::Trace && cap.object == 0)
            }
            Op::TraceMap => {
                regs[0] = self.empty_slot();
                self.slot_where(|_, cap| cap.kind == Kind::Trace && cap.object != 0)
            }
            #[allow(unreachable_patterns)]
            _ => self.any_slot(),
        };
        call.target = target as u32;
    }

    fn retype(&mut self, regs: &mut [u64; 8]) -> u64 {
        let what = self.random.pick(&[
            Kind::Untyped,
            Kind::Trace,
            Kind::CapTable,
            Kind::Thread,
            Kind::Endpoint,
            Kind::Reply,
            Kind::Notification,
            Kind::AddressSpace,
            Kind::DmaSpace,
            Kind::Frame,
            Kind::Frame,
            Kind::Irq,
            Kind::SchedContext,
            Kind::Timer,
        ]);
        let table = self.slot_of(Kind::CapTable);
        let align = if self.random.one_in(4) { self.random.below(17) } else { 0 };
        *regs = [what as u64, self.size(what), align, table, self.empty_slot(), 0, 0, 0];
        if self.random.one_in(5) {
            regs[5] = DEVICE_BASE + PAGE * self.random.below(12);
        }
        if self.random.one_in(8) {
            regs[6] = self.random.below(5);
        }
        self.slot_of(Kind::Untyped)
    }

    fn map(&mut self, regs: &mut [u64; 8]) -> u64 {
        regs[0] = self.slot_where(|_, cap| cap.kind == Kind::Frame && cap.space.is_none());
        regs[1] = self.address();
        regs[2] = self.random.below(3) * self.random.below(2);
        regs[3] = 1 + self.random.below(3) * self.random.below(2);
        regs[4] = self.random.pick(&[1, 3, 3, 5, 7, 0]);
        if self.cap(regs[0]).is_some_and(|cap| cap.pages >= 512) {
            // Blocks fit only where both sides are aligned.
            regs[1] = 0x20_0000 * self.random.below(8) + PAGE * self.random.pick(&[0, 0, 0, 500, 512]);
            regs[2] = self.random.pick(&[0, 0, 12, 511, 512]);
            regs[3] = self.random.pick(&[512, 512, 1024, 600, 512 + 24]);
        }
        self.slot_of(Kind::AddressSpace)
    }

    /// How long the message is, what it carries, and what the program writes into its page.
    fn message(&mut self, call: &mut Call) {
        let most = MAX_WORDS as u64 + 6;
        call.words = if self.random.one_in(3) { self.random.below(most) as u8 } else { self.random.below(9) as u8 };
        call.caps = if self.random.one_in(2) { 0 } else { self.random.below(6) as u8 };
        call.label = self.random.below(3) as u32;
        // What does not fit the format does not get through it.
        let input = InWord::new(0, call.words, call.caps, call.label);
        (call.words, call.caps) = (input.words(), input.caps());
        if self.random.one_in(3) {
            return;
        }
        let mut page = Page::default();
        page.send.fill_with(|| 1 + self.random.below(31) as u32);
        let base = if self.random.one_in(20) { self.random.next() as u32 } else { slot::FREE };
        page.window = (base.wrapping_add(self.random.below(8) as u32), self.random.below(6) as u32);
        page.first = if call.words > 8 { self.random.next() } else { 0 };
        call.page = Some(page);
    }

    fn any_slot(&mut self) -> u64 {
        match self.random.below(40) {
            0 => 0,
            1 => self.random.below(40),
            2 => self.random.next(),
            _ => 1 + self.random.below(31),
        }
    }

    fn cap(&self, index: u64) -> Option<Cap> {
        let slot = self.k.slot(self.k.mem[self.thread].table()?, index, 0).ok()?;
        Some(self.k.mem[slot].cap)
    }

    /// A slot that likely holds this kind.
    fn slot_of(&mut self, kind: Kind) -> u64 {
        self.slot_where(|_, cap| cap.kind == kind)
    }

    /// A slot that likely holds what is looked for.
    fn slot_where(&mut self, wanted: impl Fn(&Kernel, &Cap) -> bool) -> u64 {
        if self.random.one_in(12) {
            return self.any_slot();
        }
        let k = self.k;
        let Some(table) = k.mem[self.thread].table() else { return 1 };
        let slots = k.mem[table].end();
        let start = self.random.below(slots.into()) as u32;
        (0..slots)
            .map(|index| u64::from((start + index) % slots))
            .find(|&index| k.slot(table, index, 0).is_ok_and(|slot| wanted(k, &k.mem[slot].cap)))
            .unwrap_or(1)
    }

    /// An Endpoint, likely one where somebody waits.
    fn meeting(&mut self, wanted: fn(&Kernel, &Cap) -> bool) -> u64 {
        let any = !self.has(wanted) || self.random.one_in(4);
        self.slot_where(|k, cap| if any { cap.kind == Kind::Endpoint } else { wanted(k, cap) })
    }

    /// A thread that stands still, often.
    fn suspended(&mut self) -> u64 {
        let asleep = |k: &Kernel, cap: &Cap| {
            let other = cap.object_of::<Thread>();
            other.is_some_and(|other| matches!(k.mem[other].state, State::Suspended | State::Faulted))
        };
        if self.random.one_in(3) { self.slot_of(Kind::Thread) } else { self.slot_where(asleep) }
    }

    /// A mapped Frame, often with the address space it is mapped in.
    fn mapped(&mut self) -> (u64, u64, u64) {
        let frame = self.slot_where(|_, cap| cap.kind == Kind::Frame && cap.space.is_some());
        let cap = self.cap(frame).filter(|cap| cap.kind == Kind::Frame).unwrap_or(Cap::NULL);
        let space = self.slot_where(|_, other| {
            other.kind == Kind::AddressSpace && cap.space.is_none_or(|space| other.object_of() == Some(space))
        });
        (frame, space, cap.word)
    }

    /// A slot that likely holds a Thread without time of its own, or such time.
    fn homeless(&mut self, kind: Kind) -> u64 {
        for _ in 0..4 {
            let index = self.slot_of(kind);
            let k = self.k;
            if let Ok((_, cap)) = k.get_cap(self.thread, index, kind, Rights::empty(), 0)
                && (cap.object_of::<Thread>().is_some_and(|thread| k.mem[thread].home.is_none())
                    || cap.object_of::<SchedContext>().is_some_and(|time| k.mem[time].home.is_none()))
            {
                return index;
            }
        }
        self.slot_of(kind)
    }

    fn empty_slot(&mut self) -> u64 {
        match self.random.below(8) {
            0 | 1 => self.any_slot(),
            2 => 32 + self.random.below(32),
            _ => u64::from(slot::FREE) + self.random.below(9),
        }
    }

    fn address(&mut self) -> u64 {
        match self.random.below(30) {
            0 => self.random.next(),
            1 => USER_END - PAGE * self.random.below(4),
            2 => 0x20_0000 * self.random.below(4),
            _ => 0x10_0000 + PAGE * self.random.below(24) + 0x4000_0000 * self.random.below(2),
        }
    }

    fn size(&mut self, kind: Kind) -> u64 {
        match (kind, self.random.below(20)) {
            (_, 0) => self.random.next(),
            (Kind::CapTable, _) => 4 + self.random.below(2),
            (Kind::Trace, _) => 2 + self.random.below(2),
            (Kind::AddressSpace, _) => 2 + self.random.below(6),
            (Kind::DmaSpace, _) => 3 + self.random.below(6),
            _ => 1 + self.random.below(6),
        }
    }
}
