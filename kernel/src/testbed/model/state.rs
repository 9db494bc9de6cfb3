//! All that the model remembers: plain values, by where things lie.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use abi::{ErrorCode, FaultKind, FaultMessage, Kind, layout::MemoryType};

use super::{grow, memory};

/// Where an object lies: that is also its name.
pub type At = u64;
/// A capability, wherever it lies.
pub type Name = u32;

/// Where a capability lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Table(At, usize),
    /// Behind the first part of a table: where it lies.
    Grown(At),
    Thread(At, usize),
    Irq(At),
    Timer(At),
}

/// Slots that a thread holds.
pub const TABLE: usize = 0;
pub const SPACE: usize = 1;
pub const PAGE_FRAME: usize = 2;
pub const FAULT: usize = 3;

/// A capability.
#[derive(Clone, Debug)]
pub struct Cap {
    pub kind: Kind,
    pub rights: u8,
    pub badge: u64,
    /// The object, or where the memory begins; 0 for what has neither.
    pub object: At,
    /// Untyped, Frame.
    pub pages: u64,
    /// Frame.
    pub memory: MemoryType,
    pub device: bool,
    pub keep: bool,
    /// Untyped: bytes handed out.
    pub used: u64,
    /// Untyped: the address space whose page table memory it is; `used` says how much of it is there already.
    pub pool: Option<At>,
    /// Untyped: the table whose slots it is; `used` says how many bytes of it.
    pub slots_of: Option<At>,
    /// Reserve: which range of what it is tied to.
    pub reserve: Option<Reserve>,
    /// Frame: where it is mapped.
    pub mapping: Option<Mapping>,
    pub place: Place,
    pub parent: Option<Name>,
    /// Newest first.
    pub children: Vec<Name>,
}

/// What of a Frame is mapped where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    pub space: At,
    pub address: u64,
    pub pages: u64,
    /// Its first page that is mapped.
    pub first: u64,
    pub work: Work,
}

/// What is being done with a mapping and is not finished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    None,
    Map,
    Undo(ErrorCode),
    Clean(u64),
    Protect(u64),
    Unmap,
}

/// A range whose pages come when they are touched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reserve {
    pub space: At,
    pub start: u64,
    pub end: u64,
    /// Pages, from the first on, that were ever given.
    pub fresh: u64,
    /// Pages that were given back, the last first to be given again.
    pub returned: Vec<u64>,
    /// Whether touches are answered: not when the address space lost its tables, or is dead.
    pub alive: bool,
}

#[derive(Clone, Debug)]
pub struct Table {
    /// The first part; the first one is never used.
    pub slots: Vec<Option<Name>>,
    /// For each doubling of it: where its slots lie.
    pub parts: [Option<At>; grow::PARTS],
    /// What those lie in, newest first.
    pub memory: Vec<Name>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Suspended,
    Ready,
    Sending(At),
    AwaitingReply(At),
    /// With its Reply.
    Receiving(At),
    Waiting(At),
    Faulted,
}

#[derive(Clone, Debug)]
pub struct Thread {
    pub x: [u64; 31],
    pub sp: u64,
    pub pc: u64,
    pub tpidr: u64,
    pub priority: u8,
    pub ceiling: u8,
    pub state: State,
    pub held: [Option<Name>; 4],
    /// Its own time.
    pub home: Option<At>,
    /// The Reply it takes calls with.
    pub reply: Option<At>,
    /// The others through which it owes answers, newest first.
    pub debts: Vec<At>,
    pub bound: Option<At>,
    /// What it calls with, or what its faults carry.
    pub badge: u64,
    pub fault: Option<(FaultKind, FaultMessage)>,
    /// Whether it may use vector registers.
    pub fpu: bool,
    /// They: halves of v0–v31, FPCR, FPSR.
    pub vectors: [u64; 66],
}

#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    /// The reason.
    pub closed: Option<u32>,
    pub senders: Vec<At>,
    pub receivers: Vec<At>,
}

#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub caller: Option<At>,
    /// Who takes calls with it, and owes the answer while there is a caller.
    pub receiver: Option<At>,
    /// What came with the call.
    pub time: Option<At>,
    pub debt: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Notification {
    pub bits: u64,
    pub waiter: Option<At>,
    pub bound: Option<At>,
}

#[derive(Clone, Debug)]
pub struct Space {
    /// Pages of the object, and how many of them are no tables below the root.
    pub pages: u64,
    pub own: u64,
    /// What is mapped, by address.
    pub leaves: BTreeMap<u64, Leaf>,
    /// Capabilities that are mapped here, tied to it, or memory of it, newest first.
    pub mapped: Vec<Name>,
    /// Memory for its tables is being taken away.
    pub lost: bool,
    /// Of a DmaSpace: whether it was bound, and to what.
    pub bound: bool,
    pub stream: Option<u16>,
    /// The Irqs that are messages of its device, newest first.
    pub messages: Vec<At>,
    /// Its device has a table of events.
    pub events: bool,
}

/// One entry of a page table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leaf {
    pub level: u32,
    pub base: u64,
    pub write: bool,
    pub execute: bool,
    pub memory: MemoryType,
}

/// A SchedContext.
#[derive(Clone, Debug, Default)]
pub struct Time {
    pub budget: u64,
    pub period: u64,
    pub left: u64,
    pub debt: u64,
    pub consumed: u64,
    /// What comes back: when, how much.
    pub out: Vec<(u64, u64)>,
    /// Ticks of its slice that are left; 0: the next one is whole.
    pub slice: u64,
    /// Where it is the right to run.
    pub core: usize,
    /// Running out is a fault.
    pub fault: bool,
    pub home: Option<At>,
    /// The call that pays for what is used.
    pub used_for: Option<At>,
    /// When it stands among the deadlines.
    pub wakes: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Irq {
    pub line: Option<u32>,
    pub edge: bool,
    pub pending: bool,
    pub bits: u64,
    pub held: Option<Name>,
    pub message: Option<Message>,
}

/// What an Irq can be instead of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    pub space: At,
    pub device: u32,
    pub event: u32,
    /// It goes through the ITS, else through the frame.
    pub its: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Timer {
    pub deadline: Option<u64>,
    /// Where it was armed.
    pub core: usize,
    pub bits: u64,
    pub held: Option<Name>,
}

/// A Trace with a ring.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    /// Pages of its records.
    pub pages: u64,
    /// Who writes there.
    pub core: Option<usize>,
}

/// One core.
#[derive(Clone, Debug, Default)]
pub struct Core {
    pub current: Option<At>,
    /// The time that is being used.
    pub time: Option<At>,
    /// Since when.
    pub since: u64,
    pub slice_end: u64,
    /// Threads that could run, the most urgent first, those of one priority in their order.
    pub ready: Vec<At>,
}

/// All state.
#[derive(Clone)]
pub struct Model {
    pub now: u64,
    pub caps: BTreeMap<Name, Cap>,
    pub(super) next_name: Name,
    pub tables: BTreeMap<At, Table>,
    pub threads: BTreeMap<At, Thread>,
    pub endpoints: BTreeMap<At, Endpoint>,
    pub replies: BTreeMap<At, Reply>,
    pub notifications: BTreeMap<At, Notification>,
    pub spaces: BTreeMap<At, Space>,
    pub times: BTreeMap<At, Time>,
    pub irqs: BTreeMap<At, Irq>,
    pub timers: BTreeMap<At, Timer>,
    pub rings: BTreeMap<At, Ring>,
    /// What lies in slots behind the first parts of tables.
    pub grown: BTreeMap<At, Option<Name>>,
    /// Memory that the kernel wrote records into: from, to.
    pub records: BTreeMap<u64, u64>,
    /// Which DmaSpace a stream goes through.
    pub streams: BTreeMap<u16, At>,
    /// Who shares a line, newest first.
    pub lines: BTreeMap<u32, Vec<At>>,
    pub open: BTreeSet<u32>,
    /// Where they go.
    pub routes: BTreeMap<u32, usize>,
    /// Dead objects that are not taken apart yet, newest last.
    pub dying: Vec<(Kind, At)>,
    pub cores: Vec<Core>,
    /// The core that is in the kernel.
    pub here: usize,
    /// Words of memory that user space or a message wrote since its page became a Frame.
    pub words: HashMap<u64, u64>,
    /// What lay in memory when the first thread was started, up to the first Untyped.
    pub boot: Rc<(u64, Vec<u64>)>,
    /// Memory that a step handed out: from, to. It must be zero.
    pub fresh: Vec<(Kind, u64, u64)>,
    pub printed: Vec<u8>,
    pub firmware: Vec<u64>,
    pub books: memory::Books,
    /// Steps that a long operation may still take before it makes way.
    pub(super) fuel: Option<u32>,
    /// x0 of the kernel's caller afterwards: where a call that made way goes on; a word of what the kernel records.
    pub oracle: u64,
    /// Some of the dead are taken apart behind this system call; how many is left open.
    pub buries: bool,
    /// Which of several deadlines at one tick comes first.
    pub ties: u32,
}
