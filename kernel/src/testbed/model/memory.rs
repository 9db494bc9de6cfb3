//! Memory: Untyped, what is made of it, what words it holds, and the books that say how much of it is where.

use abi::{
    ErrorCode, Kind,
    layout::{MemoryType, PAGE},
};

use super::{
    At, Call, Cap, Endpoint, Irq, Model, Name, Next, Notification, Out, Reply, Ring, Space, State, Table, Thread,
};
use super::{Time, Timer, caps, refuse};
use crate::arch::JUNK;
use crate::object;

const RETYPE: u8 = 1;
const PUT: u8 = 2;
const RING_MAP: u8 = 2;
/// What objects are made of comes in pieces of this.
const GRANULE: u64 = 64;
const WORD_OF_JUNK: u64 = u64::from_ne_bytes([JUNK; 8]);

/// Bytes of RAM that init was given: their sum stays the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Books {
    /// In an Untyped that can hand it out.
    pub free: u64,
    /// Objects, Frames, page table memory.
    pub used: u64,
    /// Handed out, and nothing lives there any more: it waits until all of its Untyped's children are gone.
    pub stranded: u64,
}

/// Bytes and alignment.
fn measure(kind: Kind, size: u64) -> Result<(u64, u64), super::Stop> {
    let bytes = match kind {
        Kind::Thread => object::Thread::BYTES,
        Kind::Endpoint => size_of::<object::Endpoint>(),
        Kind::Reply => size_of::<object::Reply>(),
        Kind::Notification => size_of::<object::Notification>(),
        Kind::Irq => size_of::<object::Irq>(),
        Kind::SchedContext => size_of::<object::SchedContext>(),
        Kind::Timer => size_of::<object::Timer>(),
        Kind::CapTable if (4..=16).contains(&size) => return Ok((GRANULE << size, GRANULE)),
        Kind::Trace if (2..=(1 << 14) + 1).contains(&size) && (size - 1).is_power_of_two() => {
            return Ok((size * PAGE, PAGE));
        }
        Kind::DmaSpace if (3..0x1_0000).contains(&size) => return Ok((size * PAGE, PAGE)),
        Kind::AddressSpace if (2..0x1_0000).contains(&size) => return Ok((size * PAGE, PAGE)),
        Kind::Untyped | Kind::Frame if (1..=0xffff_ffff).contains(&size) => return Ok((size * PAGE, PAGE)),
        Kind::CapTable | Kind::AddressSpace | Kind::DmaSpace | Kind::Trace | Kind::Untyped | Kind::Frame => {
            return bad(2);
        }
        _ => return bad(1),
    };
    Ok(((bytes as u64).next_multiple_of(GRANULE), GRANULE))
}

fn bad<T>(argument: u8) -> Result<T, super::Stop> {
    refuse(ErrorCode::InvalidArgument, argument)
}

pub fn retype(m: &mut Model, call: &Call) -> Out {
    m.bury()?;
    let [kind, size, align, table, index, address, memory, _] = call.x;
    let untyped = m.get(call, call.target, Kind::Untyped, RETYPE, 0)?;
    let Some(kind) = (kind < 0x100).then(|| Kind::from_number(kind as u8)).flatten() else { return bad(1) };
    let (bytes, natural) = measure(kind, size)?;
    if align > 30 {
        return bad(3);
    }
    let align = natural.max(1 << align);
    let Some(memory) = MemoryType::from_number(memory) else { return bad(7) };
    let table = m.object(call, table, Kind::CapTable, PUT, 4)?;
    let place = m.empty_slot(table, index, 5)?;
    let source = m.caps[&untyped].clone();
    if source.is_tied() {
        return refuse(ErrorCode::HasChildren, 0);
    }
    let is_device = matches!(memory, MemoryType::DeviceNgnre | MemoryType::DeviceNgnrne);
    if !source.device && is_device {
        return bad(7);
    }
    if (source.device || source.keep) && !matches!(kind, Kind::Frame | Kind::Untyped) {
        return bad(1);
    }
    let memory = match memory {
        MemoryType::Normal if source.device && kind == Kind::Frame => MemoryType::DeviceNgnre,
        other => other,
    };
    let base = if source.device {
        device_place(m, &source, address, bytes, align)?
    } else {
        if address != 0 {
            return bad(6);
        }
        let base = (source.object + source.used).next_multiple_of(align);
        if base.checked_add(bytes).is_none_or(|end| end > source.end()) {
            return refuse(ErrorCode::OutOfMemory, 0);
        }
        let skipped = base - source.object - source.used;
        m.books.free -= skipped + bytes;
        m.books.stranded += skipped;
        *if kind == Kind::Untyped { &mut m.books.free } else { &mut m.books.used } += bytes;
        m.cap(untyped).used = base + bytes - source.object;
        base
    };
    let mut cap = Cap { device: source.device, keep: source.keep, ..Cap::of(kind, base) };
    match kind {
        Kind::Untyped => cap.pages = size,
        Kind::Frame => (cap.pages, cap.memory) = (size, memory),
        _ => m.create(kind, base, size),
    }
    if kind == Kind::Trace {
        cap.rights = RING_MAP;
    }
    if kind != Kind::Untyped && !source.device && !source.keep {
        m.fresh.push((kind, base, base + bytes));
        m.words.retain(|&place, _| place < base || place >= base + bytes);
        m.records.retain(|&from, &mut to| to <= base || from >= base + bytes);
    }
    if kind == Kind::Trace {
        m.records.insert(base + PAGE, base + bytes);
    }
    m.insert(place, cap, Some(untyped));
    Ok(Next::Done)
}

/// Device memory is taken where the caller says.
fn device_place(m: &Model, source: &Cap, address: u64, bytes: u64, align: u64) -> Result<At, super::Stop> {
    if !address.is_multiple_of(align) {
        return refuse(ErrorCode::Misaligned, 6);
    }
    let Some(end) = address.checked_add(bytes) else { return bad(6) };
    if address < source.object || end > source.end() {
        return refuse(ErrorCode::OutOfMemory, 0);
    }
    let (ram, ram_end) = (super::super::bed::RAM, super::super::bed::RAM_END);
    let taken = |child: &Name| m.caps[child].object < end && address < m.caps[child].end();
    if address < ram_end && ram < end || source.children.iter().any(taken) {
        return refuse(ErrorCode::Overlap, 0);
    }
    Ok(address)
}

impl Model {
    /// A new object.
    fn create(&mut self, kind: Kind, at: At, size: u64) {
        match kind {
            Kind::CapTable => drop(self.tables.insert(at, Table::new(1 << size))),
            Kind::Thread => drop(self.threads.insert(at, Thread::new())),
            Kind::Endpoint => drop(self.endpoints.insert(at, Endpoint::default())),
            Kind::Reply => drop(self.replies.insert(at, Reply::default())),
            Kind::Notification => drop(self.notifications.insert(at, Notification::default())),
            Kind::AddressSpace => drop(self.spaces.insert(at, Space::new(size))),
            Kind::DmaSpace => drop(self.spaces.insert(at, Space { own: 3, ..Space::new(size) })),
            Kind::SchedContext => drop(self.times.insert(at, Time::default())),
            Kind::Irq => drop(self.irqs.insert(at, Irq::default())),
            Kind::Timer => drop(self.timers.insert(at, Timer::default())),
            Kind::Trace => drop(self.rings.insert(at, Ring { pages: size - 1, core: None })),
            _ => unreachable!("{kind:?} is not made of memory"),
        }
    }

    /// What a capability covers of the memory that the books are about.
    fn bytes_of(&self, cap: &Cap) -> u64 {
        if cap.kind == Kind::Reserve
            || cap.device
            || cap.keep
            || cap.object < self.boot.0 + 8 * self.boot.1.len() as u64
        {
            return 0;
        }
        let size = match cap.kind {
            Kind::Untyped | Kind::Frame => cap.pages,
            Kind::CapTable => u64::from(self.tables[&cap.object].slots.len().ilog2()),
            Kind::AddressSpace | Kind::DmaSpace => self.spaces[&cap.object].pages,
            Kind::Trace if cap.object != 0 => self.rings[&cap.object].pages + 1,
            kind if caps::names_object(kind, cap.object) => 0,
            _ => return 0,
        };
        measure(cap.kind, size).map_or(0, |(bytes, _)| bytes)
    }

    /// An Untyped that is being deleted hands nothing out any more.
    pub fn give_up_memory(&mut self, name: Name) {
        let cap = self.caps[&name].clone();
        self.cap(name).rights = 0;
        if cap.rights != 0 && !cap.device && !cap.keep {
            self.books.free -= cap.pages * PAGE - cap.used;
            self.books.stranded += cap.pages * PAGE - cap.used;
        }
    }

    /// A capability goes: if it is the last one of its memory, nothing lives there any more.
    pub fn memory_gone(&mut self, name: Name) {
        let cap = self.caps[&name].clone();
        if cap.kind == Kind::Untyped {
            return self.give_up_memory(name);
        }
        let (start, end) = (cap.object, cap.object + self.bytes_of(&cap));
        let range = |other: &Cap| (other.object, other.object + self.bytes_of(other));
        let others = self.caps.iter().filter(|&(&other, cap)| other != name && cap.kind != Kind::Untyped);
        // A ring and the Frames of its records are the only ones that share memory.
        let shared =
            others.map(|(_, other)| range(other)).map(|(from, to)| to.min(end).saturating_sub(from.max(start)));
        let bytes = end - start - shared.max().unwrap_or(0);
        self.books.used -= bytes;
        self.books.stranded += bytes;
    }

    /// An Untyped whose last child went is whole again.
    pub fn perhaps_whole(&mut self, name: Name) {
        let cap = self.cap(name);
        if cap.kind == Kind::Untyped && cap.rights & RETYPE != 0 && cap.children.is_empty() {
            let back = core::mem::take(&mut cap.used);
            if !cap.device && !cap.keep {
                self.books.free += back;
                self.books.stranded -= back;
            }
        }
    }

    // What words memory holds, as far as anybody can see them: that of Frames.

    pub fn read_word(&self, place: u64) -> u64 {
        let (start, words) = &*self.boot;
        let at_boot = || words.get((place.wrapping_sub(*start) / 8) as usize).copied();
        // The driver of the test fills every new Frame with junk.
        self.words.get(&place).copied().or_else(at_boot).unwrap_or(WORD_OF_JUNK)
    }

    pub fn write_word(&mut self, place: u64, word: u64) {
        self.words.insert(place, word);
    }
}

impl Thread {
    pub fn new() -> Self {
        Self {
            x: [0; 31],
            sp: 0,
            pc: 0,
            tpidr: 0,
            priority: 0,
            ceiling: 0,
            state: State::Suspended,
            held: [None; 4],
            home: None,
            reply: None,
            debts: Vec::new(),
            bound: None,
            badge: 0,
            fault: None,
            fpu: false,
            vectors: [0; 66],
        }
    }
}

impl Space {
    pub fn new(pages: u64) -> Self {
        let (leaves, mapped) = Default::default();
        let (messages, events) = (Vec::new(), false);
        Self { pages, own: 2, leaves, mapped, lost: false, bound: false, stream: None, messages, events }
    }
}
