//! What a player is told to do: calls that make sense, calls that nearly do, and calls that do not.

use abi::{InWord, Kind, Op, Slots};
use agent::code;
use alloc::vec::Vec;

use crate::random::Random;
use crate::system::ticks;

/// x0–x9.
pub type Call = [u64; 10];

/// Slots of a player's table, as it begins.
pub mod slots {
    pub const TABLE: u32 = 1;
    pub const THREAD: u32 = 2;
    pub const SPACE: u32 = 3;
    pub const MEMORY: u32 = 4;
    pub const TIME: u32 = 5;
    /// SchedControl of one core, and of another.
    pub const CONTROL: [u32; 2] = [6, 30];
    /// A table that all share.
    pub const SHARED: u32 = 7;
    pub const REPLIES: [u32; 2] = [8, 9];
    pub const ENDPOINTS: [u32; 4] = [10, 11, 12, 13];
    pub const NOTIFICATIONS: [u32; 4] = [14, 15, 16, 17];
    /// The last two are shared.
    pub const FRAMES: [u32; 4] = [18, 19, 20, 21];
    pub const TIMERS: [u32; 2] = [22, 23];
    /// Of other players.
    pub const THREADS: [u32; 3] = [24, 25, 26];
    pub const OTHER_SPACE: u32 = 27;
    pub const OTHER_TIME: u32 = 28;
    pub const OTHER_TABLE: u32 = 29;
    pub const DEBUG: u32 = 31;
    /// From here on the player works.
    pub const FREE: u32 = 32;
    pub const END: u32 = 64;
}

/// Where players map memory.
const DATA: u64 = 0x4000_0000;
/// Where Reserves begin.
const RESERVES: u64 = 0x5000_0000;

/// A list that is being written.
pub struct Plan<'a> {
    random: &'a mut Random,
    /// The counter when it was begun.
    now: u64,
    /// The calls so far.
    pub calls: Vec<Call>,
}

/// Adds a call whose arguments may be random.
macro_rules! add {
    ($plan:ident, $call:expr) => {{
        let call = $call;
        $plan.calls.push(call);
    }};
}

/// An operation on a slot.
fn call<const N: usize>(op: Op, target: u32, words: [u64; N]) -> Call {
    let mut x = [0; 10];
    x[..N].copy_from_slice(&words);
    x[8] = InWord::new(op as u8, N as u8, 0, 0).0;
    x[9] = Slots::new(target, 0).0;
    x
}

impl<'a> Plan<'a> {
    /// A list of at most so many calls.
    pub fn write(random: &'a mut Random, now: u64, most: usize) -> Vec<Call> {
        let mut plan = Self { random, now, calls: Vec::with_capacity(most + 16) };
        while plan.calls.len() < most {
            match plan.random.below(32) {
                0 | 1 => plan.nonsense(),
                2 => plan.thread(),
                3 => plan.server(),
                4 => plan.space(),
                5 => plan.memory(),
                6 => plan.reserve(),
                7 => plan.family(),
                8..=12 => plan.message(),
                _ => plan.ordinary(),
            }
        }
        plan.calls.truncate(most);
        plan.calls
    }

    fn free(&mut self) -> u32 {
        slots::FREE + self.random.below((slots::END - slots::FREE).into()) as u32
    }

    /// Mostly a slot of the table, sometimes one just outside or far away.
    fn any_slot(&mut self) -> u32 {
        match self.random.below(32) {
            0 => self.random.next() as u32,
            1 => slots::END.wrapping_sub(1).wrapping_add(self.random.below(3) as u32),
            2..=15 => self.random.below(slots::FREE.into()) as u32,
            _ => self.free(),
        }
    }

    /// Mostly one of these, sometimes another.
    fn one_of(&mut self, all: &[u32]) -> u32 {
        match self.random.below(8) {
            0 => self.any_slot(),
            1 => self.free(),
            _ => self.random.pick(all),
        }
    }

    fn word(&mut self) -> u64 {
        match self.random.below(8) {
            0 => self.random.next(),
            1 => 1 << self.random.below(64),
            2 => (1u64 << self.random.below(64)).wrapping_neg(),
            3 => self.random.below(0x10_0000_0000) & !0xfff,
            4 => self.random.below(20),
            _ => self.any_slot().into(),
        }
    }

    fn address(&mut self) -> u64 {
        match self.random.below(8) {
            0 => self.word(),
            1 => DATA + (self.random.below(4) << 21),
            _ => DATA + (self.random.below(24) << 12),
        }
    }

    fn nonsense(&mut self) {
        let mut x: Call = core::array::from_fn(|_| self.word());
        let number = match self.random.below(4) {
            0 => self.random.next() as u8,
            _ => self.random.pick(Op::ALL) as u8,
        };
        x[8] = match self.random.below(2) {
            0 => self.random.next() & !0xff | u64::from(number),
            _ => InWord::new(number, self.random.below(9) as u8, 0, self.random.next() as u32).0,
        };
        x[9] = Slots::new(self.any_slot(), self.any_slot()).0;
        self.awaken(number);
        add!(self, x);
    }

    /// Whoever may wait for ever is let go.
    fn awaken(&mut self, number: u8) {
        let waits = [Op::Call, Op::Receive, Op::ReplyReceive, Op::Wait].iter().any(|&op| op as u8 == number);
        if waits && !self.random.once_in(16) {
            let deadline = self.now + ticks(self.random.below(3000));
            let timer = self.random.pick(&slots::TIMERS);
            add!(self, call(Op::TimerArm, timer, [deadline, slots::THREAD.into(), 0]));
        }
    }

    /// A message one way or the other.
    fn message(&mut self) {
        let op = self.random.pick(&[Op::Call, Op::Call, Op::Call, Op::Receive, Op::ReplyReceive, Op::Reply, Op::Wait]);
        let target = match op {
            Op::Reply => self.one_of(&slots::REPLIES),
            Op::Wait => self.one_of(&slots::NOTIFICATIONS),
            _ => self.one_of(&slots::ENDPOINTS),
        };
        let mut x: Call = core::array::from_fn(|_| self.word());
        let words = self.random.pick(&[0, 1, 4, 7, 8, 8, 9, 20, 64, 70]);
        let caps = self.random.pick(&[0, 0, 0, 0, 1, 2, 4, 5]);
        x[8] = InWord::new(op as u8, words, caps, self.random.next() as u32).0;
        x[9] = Slots::new(target, self.one_of(&slots::REPLIES)).0;
        self.awaken(op as u8);
        add!(self, x);
    }

    fn retype(&mut self, memory: u32, kind: Kind, size: u64, slot: u32) {
        add!(self, call(Op::Retype, memory, [kind as u64, size, 0, slots::TABLE.into(), slot.into(), 0, 0]));
    }

    /// A budget and a period, mostly small.
    fn budget(&mut self) -> [u64; 2] {
        let period = self.random.pick(&[0, 1, 200, 1000, 5000]);
        match self.random.below(6) {
            0 => [1, 1],
            1 => [self.word(), self.word()],
            _ => [ticks(self.random.below(period)).max(1), ticks(period)],
        }
    }

    /// A thread that runs something beside its maker, and its end, while it runs.
    fn thread(&mut self) {
        let (thread, time) = (self.free(), self.free());
        let pieces = [
            code::SPIN,
            code::COUNT,
            code::NOISE,
            code::NOISE,
            code::ECHO,
            code::READ,
            code::WRITE,
            code::BREAK,
            code::VECTOR,
            code::SUM,
        ];
        let pc = self.random.pick(&pieces);
        let (op, target) = match self.random.below(4) {
            0 => (Op::Signal, self.one_of(&slots::NOTIFICATIONS)),
            1 => (Op::Poll, self.one_of(&slots::NOTIFICATIONS)),
            2 => (Op::Call, self.one_of(&slots::ENDPOINTS)),
            _ => (self.random.pick(Op::ALL), self.any_slot()),
        };
        self.retype(slots::MEMORY, Kind::Thread, 0, thread);
        self.retype(slots::MEMORY, Kind::SchedContext, 0, time);
        self.begin(thread, time, pc, InWord::new(op as u8, 0, 0, 0).0, Slots::new(target, slots::REPLIES[1]).0);
        for _ in 0..self.random.below(6) {
            self.ordinary();
        }
        if !self.random.once_in(8) {
            for slot in [thread, time] {
                add!(self, call(Op::Delete, slots::TABLE, [slot.into()]));
            }
        }
    }

    /// A thread that answers calls.
    fn server(&mut self) {
        let (thread, time) = (self.free(), self.free());
        let endpoint = self.random.pick(&slots::ENDPOINTS);
        let reply = self.free();
        self.retype(slots::MEMORY, Kind::Thread, 0, thread);
        self.retype(slots::MEMORY, Kind::SchedContext, 0, time);
        self.retype(slots::MEMORY, Kind::Reply, 0, reply);
        let words = self.random.below(9) as u8;
        let request = InWord::new(Op::ReplyReceive as u8, words, 0, 0).0;
        self.begin(thread, time, code::ECHO, request, Slots::new(endpoint, reply).0);
        for _ in 0..self.random.below(12) {
            let mut x: Call = core::array::from_fn(|_| self.word());
            x[8] = InWord::new(Op::Call as u8, self.random.below(9) as u8, 0, 7).0;
            x[9] = Slots::new(endpoint, 0).0;
            self.awaken(Op::Call as u8);
            add!(self, x);
        }
        for slot in [thread, time, reply] {
            if !self.random.once_in(4) {
                add!(self, call(Op::Delete, slots::TABLE, [slot.into()]));
            }
        }
    }

    /// Lets a new thread run with x19 and x20 as told.
    fn begin(&mut self, thread: u32, time: u32, pc: u64, x19: u64, x20: u64) {
        let priority = 80 + self.random.below(21);
        let fault = if self.random.once_in(2) { self.random.pick(&slots::ENDPOINTS).into() } else { 0 };
        let table = if self.random.once_in(8) { slots::OTHER_TABLE } else { slots::TABLE };
        let space = if self.random.once_in(8) { slots::OTHER_SPACE } else { slots::SPACE };
        let fpu = if self.random.once_in(3) { abi::THREAD_FPU } else { 0 };
        let core = self.random.pick(&slots::CONTROL);
        let [budget, period] = self.budget();
        let rounds = self.random.below(200);
        let target = if self.random.once_in(2) { self.address() } else { RESERVES + (self.random.below(8) << 12) };
        add!(
            self,
            call(Op::ThreadConfigure, thread, [table.into(), space.into(), 0, 0, fault, (priority * 0x101) | fpu])
        );
        add!(self, call(Op::ThreadWriteRegisters, thread, [19, 4, x19, x20, self.random.next(), rounds]));
        add!(self, call(Op::ThreadWriteRegisters, thread, [1, 1, target]));
        add!(self, call(Op::ThreadWriteRegisters, thread, [32, 1, pc]));
        add!(self, call(Op::SchedConfigure, core, [time.into(), budget, period, self.random.below(2)]));
        add!(self, call(Op::SchedBind, time, [thread.into()]));
        add!(self, call(Op::ThreadResume, thread, []));
    }

    /// An address space that comes and goes.
    fn space(&mut self) {
        let (space, frame) = (self.free(), self.free());
        let address = self.address();
        let size = self.random.below(4);
        self.retype(slots::MEMORY, Kind::AddressSpace, 4 + size, space);
        self.retype(slots::MEMORY, Kind::Frame, 1 + size, frame);
        add!(self, call(Op::Map, space, [frame.into(), address, 0, 1, self.random.below(4)]));
        self.ordinary();
        if self.random.once_in(2) {
            add!(self, call(Op::Protect, space, [frame.into(), self.random.below(8)]));
            add!(self, call(Op::Unmap, space, [frame.into()]));
        }
        for slot in [space, frame] {
            add!(self, call(Op::Delete, slots::TABLE, [slot.into()]));
        }
    }

    /// All of the own memory comes back, whatever it was used for.
    fn memory(&mut self) {
        let (part, inner) = (self.free(), self.free());
        let size = self.random.below(4);
        self.retype(slots::MEMORY, Kind::Untyped, 1 + size, part);
        for _ in 0..self.random.below(4) {
            let kind = self.random.pick(Kind::ALL);
            let slot = self.free();
            let size = self.random.below(4);
            self.retype(part, kind, size, slot);
        }
        match self.random.below(4) {
            0 => add!(self, call(Op::TableGrow, slots::TABLE, [part.into(), 6 + self.random.below(3)])),
            1 => add!(self, call(Op::AddPool, slots::SPACE, [part.into()])),
            2 => self.retype(part, Kind::CapTable, 6, inner),
            _ => {}
        }
        self.ordinary();
        let whole = if self.random.once_in(4) { slots::MEMORY } else { part };
        add!(self, call(Op::Revoke, slots::TABLE, [whole.into()]));
        add!(self, call(Op::Delete, slots::TABLE, [part.into()]));
    }

    fn reserve(&mut self) {
        let part = self.free();
        let address = RESERVES + (self.random.below(4) << 12);
        let size = self.random.below(4);
        self.retype(slots::MEMORY, Kind::Untyped, 1 + size, part);
        add!(self, call(Op::Reserve, slots::SPACE, [part.into(), address, 1 + self.random.below(8)]));
        let thread = self.free();
        let time = self.free();
        self.retype(slots::MEMORY, Kind::Thread, 0, thread);
        self.retype(slots::MEMORY, Kind::SchedContext, 0, time);
        self.begin(thread, time, code::WRITE, 0, 0);
        add!(self, call(Op::ReserveRelease, part, [address, self.random.below(4)]));
        for slot in [thread, time, part] {
            add!(self, call(Op::Delete, slots::TABLE, [slot.into()]));
        }
    }

    /// Copies of copies, in the shared table too, and the end of all of them.
    fn family(&mut self) {
        let from = self.any_slot();
        let (first, second) = (self.free(), self.free());
        let shared = self.random.below(60) + 1;
        let table = u64::from(slots::TABLE);
        add!(self, call(Op::Copy, slots::TABLE, [first.into(), table, from.into(), self.random.below(16), 0]));
        add!(self, call(Op::Copy, slots::SHARED, [shared, table, first.into(), self.random.below(16), self.word()]));
        add!(
            self,
            call(Op::Copy, slots::TABLE, [second.into(), slots::SHARED.into(), self.random.below(60) + 1, 15, 0])
        );
        self.ordinary();
        add!(self, call(Op::Revoke, slots::TABLE, [first.into()]));
        add!(self, call(Op::Delete, slots::TABLE, [first.into()]));
        add!(self, call(Op::Delete, slots::SHARED, [self.random.below(60) + 1]));
    }

    /// One call whose arguments are of the right kinds, mostly.
    fn ordinary(&mut self) {
        let op = self.random.pick(Op::ALL);
        let call = match op {
            Op::Call | Op::Receive | Op::ReplyReceive | Op::Reply | Op::Wait => return self.message(),
            Op::EndpointOpen | Op::EndpointClose => call(op, self.one_of(&slots::ENDPOINTS), [self.random.below(9)]),
            Op::Signal => call(op, self.one_of(&slots::NOTIFICATIONS), [self.word()]),
            Op::Poll => call(op, self.one_of(&slots::NOTIFICATIONS), []),
            Op::Retype => {
                let memory = self.one_of(&[slots::MEMORY]);
                let slot = self.free();
                let kind = self.random.below(21);
                let arguments =
                    [kind, self.random.below(6), self.random.below(14), slots::TABLE.into(), slot.into(), 0, 0];
                call(op, memory, arguments)
            }
            Op::Copy => {
                let arguments =
                    [self.free().into(), slots::TABLE.into(), self.any_slot().into(), self.random.below(16), 0];
                call(op, self.one_of(&[slots::TABLE, slots::SHARED, slots::OTHER_TABLE]), arguments)
            }
            Op::Move => {
                let from = if self.random.once_in(16) { self.any_slot() } else { self.free() };
                let arguments = [self.free().into(), slots::TABLE.into(), from.into()];
                call(op, self.one_of(&[slots::TABLE, slots::SHARED, slots::OTHER_TABLE]), arguments)
            }
            Op::Delete | Op::Revoke => {
                let slot = if self.random.once_in(16) { self.any_slot() } else { self.free() };
                call(op, self.one_of(&[slots::TABLE, slots::SHARED, slots::OTHER_TABLE]), [slot.into()])
            }
            Op::TableGrow => call(op, self.one_of(&[slots::TABLE]), [self.free().into(), self.random.below(10)]),
            Op::ThreadConfigure => {
                let frame = if self.random.once_in(2) { 0 } else { self.one_of(&slots::FRAMES).into() };
                let arguments = [slots::TABLE.into(), slots::SPACE.into(), frame, self.address(), 0, self.word()];
                call(op, self.one_of(&[slots::THREAD]), arguments)
            }
            Op::ThreadResume | Op::ThreadSuspend | Op::ThreadCancel => {
                let all = [slots::THREADS[0], slots::THREADS[1], slots::THREADS[2], slots::THREAD];
                call(op, self.one_of(&all), [])
            }
            Op::ThreadWriteRegisters | Op::ThreadReadRegisters => {
                let arguments = [self.random.below(140), self.random.below(8), self.word(), self.word(), self.word()];
                call(op, self.one_of(&slots::THREADS), arguments)
            }
            Op::ThreadBind => {
                let bell = if self.random.once_in(3) { 0 } else { self.one_of(&slots::NOTIFICATIONS).into() };
                call(op, self.one_of(&[slots::THREAD]), [bell])
            }
            Op::Map => {
                let frame = self.one_of(&slots::FRAMES);
                let arguments =
                    [frame.into(), self.address(), self.random.below(4), self.random.below(4), self.random.below(8)];
                call(op, self.one_of(&[slots::SPACE, slots::SPACE, slots::OTHER_SPACE]), arguments)
            }
            Op::Unmap | Op::Protect => {
                let frame = self.one_of(&slots::FRAMES);
                call(op, self.one_of(&[slots::SPACE]), [frame.into(), self.random.below(8)])
            }
            Op::AddPool => call(op, self.one_of(&[slots::SPACE]), [self.free().into()]),
            Op::Reserve => call(op, self.one_of(&[slots::SPACE]), [self.free().into(), RESERVES, self.random.below(9)]),
            Op::ReserveRelease => call(op, self.free(), [RESERVES, self.random.below(9)]),
            Op::DebugCap => call(op, slots::DEBUG, [slots::TABLE.into(), self.any_slot().into()]),
            Op::DebugRegisters | Op::DebugThread => {
                call(op, slots::DEBUG, [self.one_of(&slots::THREADS).into(), self.random.below(140)])
            }
            Op::DebugRead => call(op, slots::DEBUG, [slots::SPACE.into(), self.address()]),
            Op::SchedConfigure => {
                let [budget, period] = self.budget();
                let time = self.one_of(&[slots::TIME, slots::OTHER_TIME]);
                call(op, self.one_of(&slots::CONTROL), [time.into(), budget, period, self.random.below(3)])
            }
            Op::SchedBind | Op::SchedUnbind | Op::SchedConsumed => {
                if op == Op::SchedUnbind && !self.random.once_in(4) {
                    return;
                }
                let thread = self.one_of(&slots::THREADS);
                call(op, self.one_of(&[slots::TIME, slots::OTHER_TIME]), [thread.into()])
            }
            Op::TimerArm => {
                let deadline = self.now + ticks(self.random.below(2000));
                let on = match self.random.below(3) {
                    0 => self.one_of(&slots::THREADS),
                    _ => self.one_of(&slots::NOTIFICATIONS),
                };
                call(op, self.one_of(&slots::TIMERS), [deadline, on.into(), self.random.below(2)])
            }
            Op::TimerCancel => call(op, self.one_of(&slots::TIMERS), []),
            _ => call(op, self.any_slot(), core::array::from_fn::<u64, 4, _>(|_| self.word())),
        };
        add!(self, call);
    }
}
