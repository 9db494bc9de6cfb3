//! Random operations with random arguments from several threads, and the checker after every step.
//!
//! `TUTTI_STEPS` and `TUTTI_SEED` say how many and which.

use std::collections::{BTreeMap, VecDeque};

use abi::{FaultKind, InWord, Kind, Op, Rights, Slots, THREAD_FPU, layout::PAGE};

use super::Bed;
use crate::arch::JUNK;
use crate::cap::{Cap, Flags};
use crate::fault::{self, Fault};
use crate::fpu::FpuState;
use crate::interrupt;
use crate::kernel::Kernel;
use crate::mm::{Phys, Ref};
use crate::object::{SchedContext, State, Thread, Trace};

/// Numbers that only look random.
pub(super) struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// Slots of a worker's table.
mod slot {
    pub const MEMORY: u32 = 4;
    pub const NOTIFICATION: u32 = 9;
    pub const ENDPOINT: u32 = 10;
    pub const OTHERS: u32 = 11;
    pub const IRQ: u32 = 13;
    pub const IRQ_CONTROL: u32 = 14;
    pub const DEVICES: u32 = 15;
    pub const OTHER_TABLE: u32 = 16;
    pub const DEBUG: u32 = 17;
    pub const DMA: u32 = 18;
    pub const CONSOLE: u32 = 19;
    pub const SCHED_CONTROL: u32 = 20;
    pub const TIMER: u32 = 7;
    pub const OTHER_ENDPOINT: u32 = 21;
    pub const TRACE: u32 = 22;
    pub const SMC_CONTROL: u32 = 23;
    pub const FREE: u32 = 24;
}

/// A vendor's function of the firmware.
const FUNCTION: u64 = 0xc300_0000;
const WORKERS: usize = 4;
/// Init's slots.
const WORLD: u32 = 40;
const DEVICES: u32 = 41;
const ENDPOINTS: u32 = 42;
const NOTIFICATIONS: u32 = 44;
const PROCESSES: u32 = 50;

struct Fuzz {
    bed: Bed,
    random: Random,
    seed: u64,
    step: u64,
    recent: VecDeque<String>,
    workers: Vec<Ref<Thread>>,
    free: Option<BTreeMap<Kind, u64>>,
    done: [u64; 256],
    touched: u64,
    /// By thread: what it left in its vector registers.
    left: BTreeMap<u64, u64>,
    computed: u64,
}

impl Fuzz {
    fn new(seed: u64) -> Self {
        let mut bed = Bed::new();
        bed.make(Kind::Untyped, 512, WORLD);
        bed.ok(
            Op::Retype,
            abi::SLOT_DEVICES,
            &[Kind::Untyped as u64, 64, 0, abi::SLOT_TABLE.into(), DEVICES.into(), 0x900_0000],
        );
        let mut fuzz = Self {
            bed,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            seed,
            step: 0,
            recent: VecDeque::new(),
            workers: Vec::new(),
            free: None,
            done: [0; 256],
            touched: 0,
            left: BTreeMap::new(),
            computed: 0,
        };
        fuzz.build();
        fuzz
    }

    /// Four processes that hold capabilities to themselves, to each other, and to devices.
    fn build(&mut self) {
        let bed = &mut self.bed;
        bed.k.machine.preempt_every = 0;
        self.workers.clear();
        self.left.clear();
        for index in 0..2 {
            bed.make_of(WORLD, Kind::Endpoint, 0, ENDPOINTS + index);
            bed.make_of(WORLD, Kind::Notification, 0, NOTIFICATIONS + index);
        }
        for worker in 0..WORKERS as u32 {
            let base = PROCESSES + worker * 10;
            let priority = [100, 100, 120, 80][worker as usize];
            let thread = bed.process(WORLD, base, priority, if worker == 1 { ENDPOINTS } else { 0 });
            bed.make_of(WORLD, Kind::Untyped, 40, base + 6);
            bed.make_of(WORLD, Kind::Irq, 0, base + 7);
            bed.ok(Op::Move, base, &[slot::MEMORY.into(), 1, (base + 6).into()]);
            bed.ok(Op::Move, base, &[slot::IRQ.into(), 1, (base + 7).into()]);
            bed.make_of(WORLD, Kind::Timer, 0, base + 7);
            bed.ok(Op::Move, base, &[slot::TIMER.into(), 1, (base + 7).into()]);
            let all = Rights::from_bits_retain(0xf);
            bed.give(base, slot::NOTIFICATION, NOTIFICATIONS + worker % 2, all, 0);
            bed.give(base, slot::ENDPOINT, ENDPOINTS + worker / 2, all, u64::from(worker + 1) << 40);
            bed.give(base, slot::OTHER_ENDPOINT, ENDPOINTS + 1 - worker / 2, all, u64::from(worker + 5) << 40);
            bed.give(base, slot::IRQ_CONTROL, abi::SLOT_IRQ_CONTROL, all, 0);
            bed.give(base, slot::DEBUG, abi::SLOT_DEBUG, all, 0);
            bed.give(base, slot::DMA, abi::SLOT_DMA, all, 0);
            bed.give(base, slot::TRACE, abi::SLOT_TRACE, all, 0);
            bed.give(base, slot::SMC_CONTROL, abi::SLOT_SMC_CONTROL, all, 0);
            bed.give(base, slot::CONSOLE, abi::SLOT_CONSOLE, all, 0);
            bed.give(base, slot::SCHED_CONTROL, abi::SLOT_SCHED_CONTROL, all, 0);
            // One is unlimited, one has its fault handler told; two are alone with what they run on.
            let (budget, period, flags) = [(1, 1, 0), (400, 2000, 1), (300, 1000, 0), (500, 900, 0)][worker as usize];
            bed.ok(Op::SchedConfigure, abi::SLOT_SCHED_CONTROL, &[(base + 5).into(), budget, period, flags]);
            if worker >= 2 {
                bed.ok(Op::Revoke, abi::SLOT_TABLE, &[(base + 5).into()]);
                bed.ok(Op::Move, base, &[6, abi::SLOT_TABLE.into(), (base + 5).into()]);
            }
            self.workers.push(thread);
        }
        for worker in 0..WORKERS as u32 {
            let base = PROCESSES + worker * 10;
            let next = PROCESSES + (worker + 1) % WORKERS as u32 * 10;
            let all = Rights::from_bits_retain(0xf);
            bed.give(base, slot::OTHERS, next + 2, all, 0);
            bed.give(base, slot::OTHERS + 1, next + 1, all, 0);
            bed.give(base, slot::OTHER_TABLE, next, all, 0);
        }
        let args = [Kind::Untyped as u64, 8, 0, (PROCESSES).into(), slot::DEVICES.into(), 0x900_0000];
        bed.ok(Op::Retype, DEVICES, &args);
    }

    /// Everything that was made is revoked: its memory must be whole again.
    fn tear_down(&mut self) {
        let bed = &mut self.bed;
        bed.ok(Op::Revoke, abi::SLOT_TABLE, &[WORLD.into()]);
        bed.ok(Op::Revoke, abi::SLOT_TABLE, &[DEVICES.into()]);
        for control in [
            abi::SLOT_IRQ_CONTROL,
            abi::SLOT_DEBUG,
            abi::SLOT_DMA,
            abi::SLOT_CONSOLE,
            abi::SLOT_TRACE,
            abi::SLOT_SMC_CONTROL,
            abi::SLOT_SCHED_CONTROL,
        ] {
            bed.ok(Op::Revoke, abi::SLOT_TABLE, &[control.into()]);
        }
        assert!(bed.k.graves.is_none(), "the dead are buried");
        let census = bed.census();
        let first = self.free.get_or_insert_with(|| census.clone());
        assert_eq!(*first, census, "memory leaked");
        assert!(bed.k.machine.open.is_empty(), "lines stay open");
    }

    fn note(&mut self, text: String) {
        if self.recent.len() == 40 {
            self.recent.pop_front();
        }
        self.recent.push_back(text);
    }

    /// A thread that is ready and has time, among those that exist.
    fn ready(&mut self) -> Option<Ref<Thread>> {
        let list: Vec<_> = self.workers.iter().filter(|&&thread| self.bed.runnable(thread)).copied().collect();
        if list.is_empty() { None } else { Some(self.random.pick(&list)) }
    }

    fn any_slot(&mut self) -> u64 {
        match self.random.below(40) {
            0 => 0,
            1 => self.random.below(40),
            2 => self.random.next(),
            _ => 1 + self.random.below(31),
        }
    }

    /// A slot that likely holds this kind.
    fn slot_of(&mut self, thread: Ref<Thread>, kind: Kind) -> u64 {
        self.slot_where(thread, |_, cap| cap.kind == kind)
    }

    /// A slot that likely holds what is looked for.
    fn slot_where(&mut self, thread: Ref<Thread>, wanted: impl Fn(&Kernel, &Cap) -> bool) -> u64 {
        if self.random.one_in(12) {
            return self.any_slot();
        }
        let k = &self.bed.k;
        let Some(table) = k.mem[thread].table() else { return 1 };
        let slots = k.mem[table].end();
        let start = self.random.below(slots.into()) as u32;
        (0..slots)
            .map(|index| u64::from((start + index) % slots))
            .find(|&index| k.slot(table, index, 0).is_ok_and(|slot| wanted(k, &k.mem[slot].cap)))
            .unwrap_or(1)
    }

    /// A thread that stands still, often.
    fn suspended(&mut self, thread: Ref<Thread>) -> u64 {
        let asleep = |k: &Kernel, cap: &Cap| {
            let other = cap.object_of::<Thread>();
            other.is_some_and(|other| matches!(k.mem[other].state, State::Suspended | State::Faulted))
        };
        if self.random.one_in(3) { self.slot_of(thread, Kind::Thread) } else { self.slot_where(thread, asleep) }
    }

    /// A mapped Frame, often with the address space it is mapped in.
    fn mapped(&mut self, thread: Ref<Thread>) -> (u64, u64, u64) {
        let frame = self.slot_where(thread, |_, cap| cap.kind == Kind::Frame && cap.space.is_some());
        let cap = self.bed.k.get_cap(thread, frame, Kind::Frame, Rights::empty(), 0).map_or(Cap::NULL, |(_, cap)| cap);
        let space = self.slot_where(thread, |_, other| {
            other.kind == Kind::AddressSpace && cap.space.is_none_or(|space| other.object_of() == Some(space))
        });
        (frame, space, cap.word)
    }

    /// A slot that likely holds a Reserve, and what is in it.
    fn reserved(&mut self, thread: Ref<Thread>) -> (u64, Cap) {
        let index = self.slot_of(thread, Kind::Reserve);
        let cap = self.bed.k.get_cap(thread, index, Kind::Reserve, Rights::empty(), 0);
        (index, cap.map_or(Cap::NULL, |(_, cap)| cap))
    }

    /// A thread writes somewhere, often where memory is reserved: a page that comes with that is clean.
    fn touch(&mut self, thread: Ref<Thread>) {
        let Some(space) = self.bed.k.mem[thread].space() else { return };
        let ranges: Vec<_> = self.bed.k.windows(space).map(|window| (window.start, window.end)).collect();
        let address = if self.random.one_in(40) {
            self.address()
        } else if ranges.is_empty() {
            return;
        } else {
            let (start, end) = self.random.pick(&ranges);
            start + self.random.below((end - start).min(6 * PAGE))
        };
        let there = self.bed.k.translate_for_tests(space, address);
        let place = self.bed.touch(thread, address);
        self.note(format!("{thread:?} touches {address:#x}: {there:x?} {place:x?}"));
        if let (None, Some(place)) = (there, place) {
            self.touched += 1;
            let page = place.0 & !(PAGE - 1);
            for place in [page, page + 64, page + PAGE - 8].map(Phys) {
                assert_eq!(self.bed.k.mem.read_u64(place), 0, "a page of a Reserve is not clean");
                self.bed.k.mem.write_u64(place, u64::from_ne_bytes([JUNK; 8]));
            }
        }
    }

    /// A thread uses vector registers: it finds what it left there, or zeros if it is new.
    fn compute(&mut self, thread: Ref<Thread>) {
        let value = thread.number() << 32 | self.step;
        let left = self.left.get(&thread.number()).copied().unwrap_or(0);
        let Some(registers) = self.bed.vectors(thread) else { return };
        let found = registers.v[31][1];
        *registers = FpuState { v: [[value; 2]; 32], ..FpuState::default() };
        self.note(format!("{thread:?} finds {found:#x} in its vector registers"));
        assert_eq!(found, left, "{thread:?} finds what is not its own");
        self.left.insert(thread.number(), value);
        self.computed += u64::from(found != 0);
    }

    /// A slot that likely holds a Thread without time of its own, or such time.
    fn homeless(&mut self, thread: Ref<Thread>, kind: Kind) -> u64 {
        for _ in 0..4 {
            let index = self.slot_of(thread, kind);
            let k = &self.bed.k;
            if let Ok((_, cap)) = k.get_cap(thread, index, kind, Rights::empty(), 0)
                && (cap.object_of::<Thread>().is_some_and(|thread| k.mem[thread].home.is_none())
                    || cap.object_of::<SchedContext>().is_some_and(|time| k.mem[time].home.is_none()))
            {
                return index;
            }
        }
        self.slot_of(thread, kind)
    }

    fn empty_slot(&mut self) -> u64 {
        match self.random.below(8) {
            0 | 1 => self.any_slot(),
            2 => 32 + self.random.below(32),
            _ => u64::from(slot::FREE) + self.random.below(11),
        }
    }

    fn address(&mut self) -> u64 {
        match self.random.below(30) {
            0 => self.random.next(),
            1 => abi::layout::USER_END - PAGE * self.random.below(4),
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
            _ => 1 + self.random.below(6),
        }
    }

    /// An operation with arguments that often make sense.
    fn operation(&mut self, thread: Ref<Thread>) -> (InWord, Slots, [u64; 8]) {
        let op = match self.random.below(100) {
            0..30 => self.random.pick(&[Op::Call, Op::Receive, Op::ReplyReceive, Op::Reply]),
            30..45 => Op::Retype,
            53..55 => self.random.pick(&[Op::TraceStart, Op::TraceStop, Op::TraceStop, Op::TraceStop]),
            55 => self.random.pick(&[Op::SmcMake, Op::SmcMake, Op::SmcNarrow, Op::SmcCall]),
            45..53 => self.random.pick(&[Op::Map, Op::Unmap, Op::Protect, Op::Copy, Op::Move]),
            _ => self.random.pick(Op::ALL),
        };
        let mut regs = [0; 8];
        regs.fill_with(|| self.random.below(64));
        let mut reply = 0;
        let kind = |fuzz: &mut Self, kind| fuzz.slot_of(thread, kind);
        let target = match op {
            Op::Call => kind(self, Kind::Endpoint),
            Op::Receive | Op::ReplyReceive => {
                reply = kind(self, Kind::Reply) as u32;
                kind(self, Kind::Endpoint)
            }
            Op::Reply => kind(self, Kind::Reply),
            Op::EndpointOpen | Op::EndpointClose => kind(self, Kind::Endpoint),
            Op::Signal | Op::Poll | Op::Wait => kind(self, Kind::Notification),
            Op::Retype => {
                let what = self.random.pick(&[
                    Kind::Untyped,
                    Kind::Trace,
                    Kind::CapTable,
                    Kind::Thread,
                    Kind::Endpoint,
                    Kind::Reply,
                    Kind::Notification,
                    Kind::AddressSpace,
                    Kind::Frame,
                    Kind::Frame,
                    Kind::Irq,
                    Kind::SchedContext,
                    Kind::Timer,
                ]);
                let table = kind(self, Kind::CapTable);
                let align = if self.random.one_in(4) { self.random.below(17) } else { 0 };
                regs = [what as u64, self.size(what), align, table, self.empty_slot(), 0, 0, 0];
                if self.random.one_in(5) {
                    regs[5] = 0x900_0000 + PAGE * self.random.below(12);
                }
                if self.random.one_in(8) {
                    regs[6] = self.random.below(5);
                }
                kind(self, Kind::Untyped)
            }
            Op::Copy | Op::Move => {
                let (from, any) = (self.any_slot(), 1 + self.random.below(31));
                regs[0] = self.empty_slot();
                regs[1] = kind(self, Kind::CapTable);
                regs[2] = if self.random.one_in(2) { from } else { any };
                if op == Op::Copy && self.random.one_in(2) {
                    regs[2] = self.slot_where(thread, |_, cap| cap.is_copyable());
                }
                regs[3] = self.random.pick(&[0xf, 0xf, 0xf, 7, 3, 1, 0, 0xff]);
                regs[4] = self.random.pick(&[0, 0, 0, 5, 1 << 40]);
                kind(self, Kind::CapTable)
            }
            Op::Delete | Op::Revoke => {
                // The own slots live longer, so that something happens.
                regs[0] = if self.random.one_in(6) { self.any_slot() } else { self.empty_slot() };
                kind(self, Kind::CapTable)
            }
            Op::TableGrow => {
                regs[0] = self.slot_where(thread, |_, cap| {
                    cap.kind == Kind::Untyped && cap.word == 0 && cap.space.is_none() && cap.flags.is_empty()
                });
                regs[1] = 4 + self.random.below(5);
                kind(self, Kind::CapTable)
            }
            Op::ThreadConfigure => {
                regs[0] = kind(self, Kind::CapTable);
                regs[1] = kind(self, Kind::AddressSpace);
                regs[2] = if self.random.one_in(3) { 0 } else { kind(self, Kind::Frame) };
                regs[3] = self.address() & !4095;
                regs[4] = if self.random.one_in(2) { 0 } else { kind(self, Kind::Endpoint) };
                regs[5] = 0x5050 + self.random.below(3) + THREAD_FPU * self.random.below(4).min(1);
                self.suspended(thread)
            }
            Op::ThreadBind => {
                regs[0] = if self.random.one_in(3) { 0 } else { kind(self, Kind::Notification) };
                kind(self, Kind::Thread)
            }
            Op::ThreadSuspend if !self.random.one_in(3) => 0,
            Op::ThreadResume | Op::ThreadWriteRegisters => {
                // Nobody writes vector registers but their thread, so that what it finds there can be foreseen.
                (regs[0], regs[1]) = (self.random.below(36), self.random.below(8));
                self.suspended(thread)
            }
            Op::ThreadReadRegisters => {
                regs[0] = if self.random.one_in(2) { self.random.below(36) } else { self.random.below(132) };
                self.suspended(thread)
            }
            Op::ThreadSuspend | Op::ThreadCancel => kind(self, Kind::Thread),
            Op::SchedConfigure => {
                let period = self.random.pick(&[1, 100, 1000, 5000]);
                let some = self.random.below(period + 1);
                let budget = self.random.pick(&[period, period, 0, some, some]);
                regs[..4].copy_from_slice(&[kind(self, Kind::SchedContext), budget, period, self.random.below(2)]);
                kind(self, Kind::SchedControl)
            }
            Op::SchedBind => {
                regs[0] = self.homeless(thread, Kind::Thread);
                self.homeless(thread, Kind::SchedContext)
            }
            Op::SchedUnbind if !self.random.one_in(3) => 0,
            Op::SchedUnbind | Op::SchedConsumed => kind(self, Kind::SchedContext),
            Op::TimerArm => {
                regs[0] = self.bed.k.machine.clock + self.random.below(3000);
                let target = self.random.pick(&[Kind::Notification, Kind::Thread]);
                regs[1] = kind(self, target);
                regs[2] = if target == Kind::Thread { 0 } else { self.random.below(4) };
                kind(self, Kind::Timer)
            }
            Op::TimerCancel => kind(self, Kind::Timer),
            Op::TraceStart | Op::TraceStop => {
                let tied = op == Op::TraceStop;
                regs[0] = self.slot_where(thread, |k, cap| {
                    cap.object_of::<Trace>().is_some_and(|ring| k.mem[ring].core.is_some() == tied)
                });
                regs[1] = self.random.below(9) / 8;
                self.slot_where(thread, |_, cap| cap.kind == Kind::Trace && cap.object == 0)
            }
            Op::TraceMap => {
                regs[0] = self.empty_slot();
                self.slot_where(thread, |_, cap| cap.kind == Kind::Trace && cap.object != 0)
            }
            Op::Map => {
                regs[0] = self.slot_where(thread, |_, cap| cap.kind == Kind::Frame && cap.space.is_none());
                regs[1] = self.address();
                regs[2] = self.random.below(3) * self.random.below(2);
                regs[3] = 1 + self.random.below(3) * self.random.below(2);
                regs[4] = self.random.pick(&[1, 3, 3, 5, 7, 0]);
                kind(self, Kind::AddressSpace)
            }
            Op::Unmap | Op::Protect => {
                let (frame, space, _) = self.mapped(thread);
                (regs[0], regs[1]) = (frame, self.random.pick(&[1, 3, 5, 7]));
                space
            }
            Op::AddPool => {
                regs[0] = kind(self, Kind::Untyped);
                kind(self, Kind::AddressSpace)
            }
            Op::Reserve => {
                regs[0] = self.slot_where(thread, |_, cap| {
                    cap.kind == Kind::Untyped && cap.word == 0 && cap.space.is_none() && cap.flags.is_empty()
                });
                regs[1] = self.address();
                regs[2] = if self.random.one_in(9) { self.random.next() >> 16 } else { self.random.below(9) };
                kind(self, Kind::AddressSpace)
            }
            Op::ReserveRelease => {
                let (index, cap) = self.reserved(thread);
                regs[0] = cap.word + PAGE * self.random.below(5);
                regs[1] = self.random.below(6);
                index
            }
            Op::IrqSet => {
                regs[0] = kind(self, Kind::Irq);
                regs[1] = 30 + self.random.below(8);
                regs[2] = self.random.below(3).min(1);
                kind(self, Kind::IrqControl)
            }
            Op::IrqBind => {
                regs[0] = kind(self, Kind::Notification);
                kind(self, Kind::Irq)
            }
            Op::IrqAck => kind(self, Kind::Irq),
            Op::DmaAttach | Op::DmaDetach => {
                regs[0] = kind(self, Kind::Frame);
                kind(self, Kind::DmaSpace)
            }
            Op::SmcCall => {
                regs[0] = FUNCTION + self.random.below(9);
                kind(self, Kind::Smc)
            }
            Op::SmcMake | Op::SmcNarrow => {
                let (first, count) = (FUNCTION + self.random.below(4), 1 + self.random.below(6));
                (regs[0], regs[1], regs[2]) = (self.empty_slot(), first, count);
                kind(self, if op == Op::SmcMake { Kind::SmcControl } else { Kind::Smc })
            }
            Op::ConsoleWrite | Op::ConsoleRing => {
                regs[0] = self.empty_slot();
                kind(self, Kind::KernelConsole)
            }
            Op::DebugCap | Op::DebugRegisters | Op::DebugRead | Op::DebugThread => {
                (regs[0], regs[1]) = match op {
                    Op::DebugCap => (kind(self, Kind::CapTable), self.random.below(40)),
                    Op::DebugRead => {
                        let (_, space, address) = self.mapped(thread);
                        (space, address + 8 * self.random.below(1024))
                    }
                    _ => (kind(self, Kind::Thread), self.random.below(40)),
                };
                kind(self, Kind::Debug)
            }
        };
        if self.random.one_in(60) {
            let place = self.random.below(8) as usize;
            regs[place] = self.random.next() << self.random.below(20);
        }
        let words = if self.random.one_in(3) { self.random.below(70) as u8 } else { self.random.below(9) as u8 };
        let caps = if self.random.one_in(2) { 0 } else { self.random.below(6) as u8 };
        let label = self.random.below(3) as u32;
        let number = if self.random.one_in(200) { self.random.below(256) as u8 } else { op as u8 };
        (InWord::new(number, words, caps, label), Slots::new(target as u32, reply), regs)
    }

    /// What user space writes into its message page.
    fn scribble(&mut self, thread: Ref<Thread>) {
        if self.bed.k.mem[thread].page == Phys(0) {
            return;
        }
        let mut slots = [0; 4];
        slots.fill_with(|| 1 + self.random.below(31) as u32);
        self.bed.send_slots(thread, slots);
        let base = if self.random.one_in(20) { self.random.next() as u32 } else { slot::FREE };
        let count = self.random.below(6) as u32;
        self.bed.window(thread, base + self.random.below(8) as u32 % 64, count);
    }

    /// What became of a retype must be clean.
    fn check_new(&mut self, thread: Ref<Thread>, regs: [u64; 8]) {
        let Ok((table, _)) = self.bed.k.get::<crate::object::CapTable>(thread, regs[3], Rights::empty(), 0) else {
            return;
        };
        let Ok(slot) = self.bed.k.slot(table, regs[4], 0) else { return };
        let cap = self.bed.k.mem[slot].cap;
        if cap.kind == Kind::Frame && !cap.flags.intersects(Flags::DEVICE | Flags::KEEP) {
            for page in 0..u64::from(cap.pages) {
                for offset in [0, 64, PAGE - 8] {
                    let place = Phys(cap.object + page * PAGE + offset);
                    assert_eq!(self.bed.k.mem.read_u64(place), 0, "a new Frame is not clean");
                    self.bed.k.mem.write_u64(place, u64::from_ne_bytes([JUNK; 8]));
                }
            }
        }
    }

    fn syscall(&mut self, thread: Ref<Thread>) -> bool {
        if self.bed.restarts(thread) {
            self.note(format!("{thread:?} goes on"));
            self.bed.again(thread);
            return true;
        }
        self.scribble(thread);
        let (input, slots, regs) = self.operation(thread);
        let op = Op::from_number(input.op());
        self.note(format!(
            "{thread:?} {op:?} target {} reply {} words {} caps {} {regs:x?}",
            slots.target(),
            slots.reply(),
            input.words(),
            input.caps()
        ));
        self.bed.trap(thread, input, slots, regs);
        let x8 = self.bed.k.mem[thread].context.x[8];
        let fine = x8 & 0xff == 0 && self.bed.k.mem[thread].state == State::Ready && !self.bed.restarts(thread);
        if let Some(last) = self.recent.back_mut() {
            last.push_str(&format!(" -> {x8:#x} {:?}", self.bed.k.mem[thread].state));
        }
        let taken = op == Some(Op::Call) && matches!(self.bed.k.mem[thread].state, State::AwaitingReply(_));
        if (fine || taken)
            && let Some(op) = op
        {
            self.done[op as usize] += 1;
            if op == Op::Retype {
                self.check_new(thread, regs);
            }
        }
        matches!(op, Some(Op::Map | Op::Unmap | Op::Protect | Op::AddPool | Op::Delete | Op::Revoke))
    }

    /// Threads of the workers that exist: some were destroyed, some were made.
    fn find_threads(&mut self) {
        let mut found = Vec::new();
        for &thread in &self.workers {
            if self.bed.exists(thread) {
                found.push(thread);
            }
        }
        self.workers = found;
    }

    fn step(&mut self) -> bool {
        if self.random.one_in(50) {
            self.bed.k.machine.preempt_every = self.random.pick(&[0, 0, 1, 2, 3]);
        }
        match self.random.below(60) {
            0 => {
                let line = 32 + self.random.below(6) as u32;
                self.note(format!("interrupt {line}"));
                if self.bed.k.machine.open.contains(&line) {
                    self.bed.k.machine.pending.push_back(line);
                }
                interrupt::handle(&mut self.bed.k);
                self.bed.leave();
                return false;
            }
            1 => {
                self.note("tick".into());
                self.bed.k.machine.clock += self.random.below(9000);
                self.bed.k.machine.pending.push_back(27);
                interrupt::handle(&mut self.bed.k);
                self.bed.leave();
                return false;
            }
            _ => {}
        }
        self.find_threads();
        if self.random.one_in(4) {
            let ticks = self.random.below(60);
            self.time_passes(ticks);
        }
        let Some(thread) = self.ready() else {
            let k = &self.bed.k;
            match k.sched.deadlines.first(&k.mem) {
                Some(next) if !self.random.one_in(8) => self.time_passes(next.saturating_sub(k.machine.clock)),
                _ => self.rescue(),
            }
            return true;
        };
        if self.random.one_in(80) {
            self.note(format!("{thread:?} faults"));
            self.bed.k.force(thread);
            let fault = Fault { kind: FaultKind::Read, address: 0x1234, syndrome: 0x9200_0004 };
            fault::handle(&mut self.bed.k, thread, fault);
            self.bed.leave();
            return false;
        }
        if self.random.one_in(12) {
            self.touch(thread);
            return true;
        }
        if self.random.one_in(12) {
            self.compute(thread);
            return false;
        }
        self.syscall(thread)
    }

    /// The clock moves on; the timer fires when its deadline came.
    fn time_passes(&mut self, ticks: u64) {
        let ticks = ticks.min(1 << 20);
        self.note(format!("{ticks} ticks pass"));
        self.bed.k.machine.clock += ticks;
        // Sometimes a system call comes first.
        if self.bed.k.machine.clock >= self.bed.k.machine.deadline && !self.random.one_in(4) {
            self.bed.k.machine.pending.push_back(27);
            interrupt::handle(&mut self.bed.k);
            self.bed.leave();
        }
    }

    /// Everybody sleeps: init wakes them, or begins anew.
    fn rescue(&mut self) {
        let worker = self.random.below(WORKERS as u64) as u32;
        let thread = PROCESSES + worker * 10 + 2;
        self.note(format!("init wakes worker {worker}"));
        let init = self.bed.init;
        let (budget, period) = self.random.pick(&[(1, 1), (500, 1000), (300, 300), (100, 5000)]);
        let time = [(thread + 3).into(), budget, period, 0];
        let _ = self.bed.call(init, Op::SchedConfigure, abi::SLOT_SCHED_CONTROL, &time);
        let _ = self.bed.call(init, Op::SchedBind, thread + 3, &[thread.into()]);
        let _ = self.bed.call(init, Op::ThreadCancel, thread, &[]);
        let _ = self.bed.call(init, Op::ThreadResume, thread, &[]);
        for index in 0..2 {
            let _ = self.bed.call(init, Op::EndpointOpen, ENDPOINTS + index, &[]);
        }
        if self.random.one_in(6) {
            self.note("init begins anew".into());
            self.tear_down();
            self.build();
        }
    }

    fn run(&mut self, steps: u64) {
        while self.step < steps {
            self.step += 1;
            if self.step.is_multiple_of(4000) {
                self.note("init begins anew".into());
                self.tear_down();
                self.build();
            }
            let deep = self.step();
            if let Err(wrong) = self.bed.try_check(deep || self.step.is_multiple_of(64)) {
                panic!("invariant broken: {wrong}");
            }
        }
    }
}

/// Prints what came last when a step fails.
impl Drop for Fuzz {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("TUTTI_SEED={} TUTTI_STEPS={}", self.seed, self.step);
            for line in &self.recent {
                println!("  {line}");
            }
        }
    }
}

fn variable(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn random_operations_keep_every_invariant() {
    let steps = variable("TUTTI_STEPS", 200_000);
    let mut fuzz = Fuzz::new(variable("TUTTI_SEED", 1));
    fuzz.run(steps);
    let counts: Vec<_> = Op::ALL.iter().map(|&op| (op, fuzz.done[op as usize])).collect();
    println!("operations that succeeded: {counts:?}");
    // Enough of everything came about to mean something.
    let rare = |&&(_, count): &&(Op, u64)| count < steps / 20_000;
    assert_eq!(counts.iter().find(rare), None, "an operation hardly ever succeeds");
    assert!(fuzz.computed >= steps / 100, "{} times a thread found its vector registers", fuzz.computed);
    assert!(fuzz.touched >= steps / 2000, "{} pages of Reserves were touched", fuzz.touched);
}
