//! The kernel's state against the model's: everything that anybody could ever see of it.

use abi::{Kind, layout::MemoryType, layout::PAGE};

use super::caps::names_object;
use super::memory::Books;
use super::{At, Cap, Leaf, Mapping, Model, Name, PAGE_FRAME, Place, Space, State, Thread, Time, Work};
use crate::arch::JUNK;
use crate::cap::{CapTable, Flags, Slot};
use crate::deadline::Node;
use crate::fpu::{self, FpuState};
use crate::kernel::Kernel;
use crate::mm::raw::GRANULE;
use crate::mm::{Object, Phys, Ref};
use crate::object;
use crate::testbed::bed::{RAM, RAM_BYTES};

/// What differs.
pub type Same = Result<(), String>;

macro_rules! same {
    ($kernel:expr, $model:expr, $($text:tt)*) => {
        let (kernel, model) = (&$kernel, &$model);
        if kernel != model {
            return Err(format!("{}: the kernel has {kernel:x?}, the model {model:x?}", format_args!($($text)*)));
        }
    };
}

/// Where an object lies.
pub fn place_of<T>(k: &Kernel, object: Ref<T>) -> At {
    k.mem.address(object).0
}

/// The object at a place.
pub fn object_at<T>(at: At) -> Ref<T> {
    Ref::from_number((at - RAM) / GRANULE).expect("no object lies at the start of RAM")
}

/// What a capability of the kernel names, as the model does.
pub fn object_of(k: &Kernel, cap: &crate::cap::Cap) -> At {
    if names_object(cap.kind, cap.object) { k.mem.start().0 + cap.object * GRANULE } else { cap.object }
}

/// A slot inside a thread.
pub fn held_slot(thread: Ref<object::Thread>, which: usize) -> Ref<Slot> {
    let offset = core::mem::offset_of!(object::Thread, held) / size_of::<Slot>() + which;
    thread.offset(offset as u32)
}

/// Every entry of the tables below `table` that is not empty: address, level, and its value if it maps something.
pub fn walk(k: &Kernel, table: Phys, level: u32, base: u64, found: &mut impl FnMut(u64, u32, Option<u64>)) {
    for (index, &value) in k.mem.words(table, 512).iter().enumerate() {
        if value == 0 {
            continue;
        }
        let address = base + ((index as u64) << (39 - 9 * level));
        // ARM DDI 0487, D8.3: bits 1:0 are 11 for a table and for a page, 01 for a block.
        match (level, value & 3) {
            (3, 3) | (1..=2, 1) => found(address, level, Some(value)),
            (0..=2, 3) => {
                found(address, level + 1, None);
                walk(k, Phys(value & 0xffff_ffff_f000), level + 1, address, found);
            }
            _ => found(address, level, Some(value)),
        }
    }
}

/// Where the range of a Reserve in a slot begins now.
pub fn range_starts(k: &Kernel, place: Place) -> u64 {
    let slot = slot_at(place);
    if k.mem[slot].cap.kind == Kind::Reserve { k.mem[slot].cap.word } else { 0 }
}

/// Whether anything is mapped at an address.
pub fn is_mapped(k: &Kernel, mut table: Phys, address: u64) -> bool {
    for level in 0..4 {
        let value = k.mem.read_u64(Phys(table.0 + (address >> (39 - 9 * level) & 511) * 8));
        if value == 0 || level == 3 || value & 2 == 0 {
            return value != 0;
        }
        table = Phys(value & 0xffff_ffff_f000);
    }
    unreachable!("level 3 is the last")
}

/// What an entry maps; `None` when it is no such entry as user space has.
pub fn leaf_of(value: u64, level: u32) -> Option<Leaf> {
    // AP[1] user, SH inner, AF, nG, PXN; the type of memory in 3:2 and AP[2] (read-only) and UXN are left.
    const FIXED: u64 = 1 << 6 | 3 << 8 | 1 << 10 | 1 << 11 | 1 << 53;
    const OPEN: u64 = 3 << 2 | 1 << 7 | 1 << 54 | 0xffff_ffff_f000;
    let kind = if level == 3 { 3 } else { 1 };
    (value & !OPEN == FIXED | kind).then(|| Leaf {
        level,
        base: value & 0xffff_ffff_f000,
        write: value & 1 << 7 == 0,
        execute: value & 1 << 54 == 0,
        memory: MemoryType::from_number(value >> 2 & 3).expect("two bits"),
    })
}

/// Room for a comparison, used again and again.
#[derive(Clone, Default)]
pub struct Comparison {
    /// By granule: the name of the capability in the slot there, and the round in which it was found.
    names: Vec<(u32, Name)>,
    round: u32,
    leaves: Vec<(u64, u32, u64)>,
    tables: Vec<(u32, u64)>,
}

impl Comparison {
    pub fn new() -> Self {
        Self { names: vec![(0, 0); (RAM_BYTES / GRANULE) as usize], ..Self::default() }
    }

    /// Says what differs, if anything does.
    pub fn compare(&mut self, k: &Kernel, m: &Model) -> Same {
        self.round += 1;
        running(k, m)?;
        for (&at, thread) in &m.threads {
            same_thread(k, at, thread, m.dying.contains(&(Kind::Thread, at)))?;
        }
        self.slots(k, m)?;
        self.derivations(k, m)?;
        objects(k, m)?;
        for (&at, space) in m.spaces.iter().filter(|&(&at, _)| !m.dying.contains(&(Kind::AddressSpace, at))) {
            self.pages(k, m, at, space)?;
        }
        devices(k, m)?;
        books(k, m)?;
        fresh(k, m)
    }

    fn slots(&mut self, k: &Kernel, m: &Model) -> Same {
        let mut count = 0;
        for (&at, table) in &m.tables {
            let object: Ref<CapTable> = object_at(at);
            same!(k.mem[object].slots() as usize, table.slots.len(), "slots of the table at {at:#x}");
            let parts = k.mem[object].parts.map(|part| place(k, part));
            same!(parts, table.parts, "where the slots of the table at {at:#x} lie");
            for (index, name) in table.slots.iter().enumerate().skip(1) {
                let slot = object.offset(index as u32);
                count += self.slot(k, m, slot, *name, Place::Table(at, index))?;
            }
            let mut next = k.mem[object].memory;
            for name in &table.memory {
                same!(next, Some(slot_at(m.caps[name].place)), "what has the slots of the table at {at:#x}");
                next = next.and_then(|slot| k.mem[slot].links.map_next);
            }
            same!(next, None, "what has more slots of the table at {at:#x}");
        }
        for cap in m.caps.values().filter(|cap| cap.slots_of.is_some()) {
            for at in (cap.object..cap.object + cap.used).step_by(GRANULE as usize) {
                let name = m.grown.get(&at).copied().flatten();
                count += self.slot(k, m, object_at(at), name, Place::Grown(at))?;
            }
        }
        for (&at, thread) in &m.threads {
            for (which, name) in thread.held.iter().enumerate() {
                count += self.slot(k, m, held_slot(object_at(at), which), *name, Place::Thread(at, which))?;
            }
        }
        for (&at, irq) in &m.irqs {
            count += self.slot(k, m, inner_slot(at), irq.held, Place::Irq(at))?;
        }
        for (&at, timer) in &m.timers {
            count += self.slot(k, m, inner_slot(at), timer.held, Place::Timer(at))?;
        }
        assert_eq!(count, m.caps.len(), "the model knows where its capabilities lie");
        Ok(())
    }

    fn slot(
        &mut self,
        k: &Kernel,
        m: &Model,
        slot: Ref<Slot>,
        name: Option<Name>,
        place: Place,
    ) -> Result<usize, String> {
        let have = &k.mem[slot].cap;
        let Some(name) = name else {
            if have.kind == Kind::Null {
                return Ok(0);
            }
            return Err(format!("{place:x?}: the kernel has {have:x?}, the model nothing"));
        };
        let cap = &m.caps[&name];
        assert_eq!(cap.place, place, "the model knows where its capabilities lie");
        same_cap(k, have, k.mem[slot].links.child.is_some(), cap).map_err(|text| format!("{place:x?}: {text}"))?;
        self.names[slot.number() as usize] = (self.round, name);
        Ok(1)
    }

    fn name_of(&self, slot: Ref<Slot>) -> Option<Name> {
        let (round, name) = self.names[slot.number() as usize];
        (round == self.round).then_some(name)
    }

    /// Each capability is among the children of what it was derived from.
    fn derivations(&mut self, k: &Kernel, m: &Model) -> Same {
        for (&name, cap) in &m.caps {
            let slot = slot_at(cap.place);
            let (mut count, mut at) = (0, k.mem[slot].links.child);
            while let Some(child) = at {
                let parent = self.name_of(child).map(|child| m.caps[&child].parent);
                same!(Some(Some(name)), parent, "what the child at {child:?} of {:x?} was derived from", cap.place);
                (count, at) = (count + 1, k.mem[child].links.next);
            }
            same!(count, cap.children.len(), "children of {:x?}", cap.place);
        }
        Ok(())
    }

    fn pages(&mut self, k: &Kernel, m: &Model, at: At, space: &Space) -> Same {
        let object = &k.mem[object_at::<object::AddressSpace>(at)];
        same!(u64::from(object.pages), space.pages, "pages of the address space at {at:#x}");
        same!(object.lost, space.lost, "whether the address space at {at:#x} loses its tables");
        same!(u64::from(object.free_pages), m.free_pages(at), "free pages of the address space at {at:#x}");
        let Self { leaves, tables, .. } = self;
        leaves.clear();
        tables.clear();
        walk(k, object.root, 0, 0, &mut |address, level, value| match value {
            Some(value) => leaves.push((address, level, value)),
            None => tables.push((level, address)),
        });
        for (&(address, level, value), (&wanted, leaf)) in leaves.iter().zip(&space.leaves) {
            same!(address, wanted, "an address mapped in the address space at {at:#x}");
            same!(leaf_of(value, level), Some(*leaf), "{address:#x} ({value:#x}) in the address space at {at:#x}");
        }
        same!(leaves.len(), space.leaves.len(), "entries that map in the address space at {at:#x}");
        tables.sort_unstable();
        let mut wanted = space.tables();
        wanted.sort_unstable();
        same!(*tables, wanted, "tables of the address space at {at:#x}");
        Ok(())
    }
}

/// The kernel's slot at a place.
fn slot_at(place: Place) -> Ref<Slot> {
    match place {
        Place::Table(at, index) => object_at::<CapTable>(at).offset(index as u32),
        Place::Grown(at) => object_at(at),
        Place::Thread(at, which) => held_slot(object_at(at), which),
        Place::Irq(at) | Place::Timer(at) => inner_slot(at),
    }
}

/// The slot inside an Irq or a Timer.
fn inner_slot(at: At) -> Ref<Slot> {
    object_at::<object::Irq>(at).offset(1)
}

fn same_cap(k: &Kernel, have: &crate::cap::Cap, has_children: bool, cap: &Cap) -> Same {
    same!(have.kind, cap.kind, "kind");
    same!(have.rights.bits(), cap.rights, "rights of a {:?}", cap.kind);
    same!(object_of(k, have), cap.object, "object of a {:?}", cap.kind);
    let held = Flags::IN_THREAD | Flags::IN_IRQ | Flags::IN_TIMER;
    let place = match cap.place {
        Place::Table(..) | Place::Grown(_) => Flags::empty(),
        Place::Thread(..) => Flags::IN_THREAD,
        Place::Irq(_) => Flags::IN_IRQ,
        Place::Timer(_) => Flags::IN_TIMER,
    };
    same!(have.flags & held, place, "where a {:?} says it lies", cap.kind);
    if matches!(cap.kind, Kind::Endpoint | Kind::Notification) {
        same!(have.word, cap.badge, "badge of a {:?}", cap.kind);
    }
    if cap.kind == Kind::Smc {
        same!(u64::from(have.pages), cap.pages, "functions of an Smc");
    }
    if matches!(cap.kind, Kind::Untyped | Kind::Reserve | Kind::Frame) {
        same!(u64::from(have.pages), cap.pages, "pages of a {:?}", cap.kind);
        let kept = (have.flags.contains(Flags::DEVICE), have.flags.contains(Flags::KEEP));
        same!(kept, (cap.device, cap.keep), "whether a {:?} is device memory, or kept", cap.kind);
    }
    let space = have.space.map(|space| place_of(k, space));
    if cap.kind == Kind::Frame {
        same!(u64::from(have.memory_type()), cap.memory as u64, "memory type");
        let work = match have.work().0 {
            object::Work::None => Work::None,
            object::Work::Map => Work::Map,
            object::Work::Undo(code) => Work::Undo(code),
            object::Work::Clean(perms) => Work::Clean(perms.bits().into()),
            object::Work::Protect(perms) => Work::Protect(perms.bits().into()),
        };
        let (address, pages, first) = (have.word, have.mapped(), have.holder.into());
        let mapping = space.map(|space| Mapping { space, address, pages, first, work });
        same!(mapping, cap.mapping, "mapping");
    } else if cap.kind == Kind::Reserve {
        let range = cap.reserve.as_ref();
        same!((space, have.word), (range.map(|range| range.space), range.map_or(0, |range| range.start)), "range");
        let window = k.window_of(have).map(|window| (window.start, window.end, u64::from(window.fresh)));
        let alive = range.filter(|range| range.alive);
        same!(window, alive.map(|range| (range.start, range.end, range.fresh)), "window");
        let (mut returned, mut next) = (Vec::new(), k.window_of(have).map_or(0, |window| window.returned));
        while next != 0 && returned.len() < 1000 {
            returned.insert(0, u64::from(next - 1));
            next = k.mem.read_u64(Phys(have.object + u64::from(next - 1) * PAGE)) as u32;
        }
        same!(returned, alive.map_or(Vec::new(), |range| range.returned.clone()), "pages that were given back");
    } else if cap.kind == Kind::Untyped {
        let table = have.table_of_slots().map(|table| place_of(k, table));
        same!(table, cap.slots_of, "whose slots it is");
        same!(space.filter(|_| table.is_none()), cap.pool, "whose page table memory it is");
        same!(used_of(have, has_children), cap.used, "bytes handed out");
    }
    Ok(())
}

/// Bytes of an Untyped that are handed out. Without children it is whole, unless it is going away.
fn used_of(have: &crate::cap::Cap, has_children: bool) -> u64 {
    let whole = !has_children && have.space.is_none() && !have.rights.is_empty();
    if whole || have.flags.contains(Flags::DEVICE) { 0 } else { have.word }
}

fn running(k: &Kernel, m: &Model) -> Same {
    let (current, time, since, slice_end) = k.running();
    let core = &m.cores[m.here];
    same!(current.map(|at| place_of(k, at)), core.current, "who runs");
    same!(time.map(|at| place_of(k, at)), core.time, "the time that is being used");
    same!(since, core.since, "up to when time was charged");
    let ready: Vec<At> = k.ready_threads()?.into_iter().map(|at| place_of(k, at)).collect();
    // The kernel's list begins with the least urgent.
    let mut wanted = core.ready.clone();
    wanted.sort_by_key(|at| m.threads[at].priority);
    same!(ready, wanted, "the ready queues");
    let mut end = m.next_deadline().unwrap_or(u64::MAX);
    if let (Some(current), Some(time)) = (core.current, core.time) {
        same!(slice_end, core.slice_end, "the end of the slice");
        let time = &m.times[&time];
        let budget_ends = if time.unlimited() { u64::MAX } else { core.since + time.left };
        end = end.min(core.slice_end).min(budget_ends);
        let space = k.mem[object_at::<object::Thread>(current)].space().expect("who runs has an address space");
        same!(k.machine.loaded, k.mem[space].ttbr, "the address space that is loaded");
    }
    if k.machine.deadline > end {
        return Err(format!("the timer is set to {}, but something happens at {end}", k.machine.deadline));
    }
    Ok(())
}

fn state_of(k: &Kernel, state: object::State) -> State {
    match state {
        object::State::Suspended => State::Suspended,
        object::State::Ready => State::Ready,
        object::State::Sending(endpoint) => State::Sending(place_of(k, endpoint)),
        object::State::AwaitingReply(reply) => State::AwaitingReply(place_of(k, reply.into())),
        object::State::Receiving(endpoint) => State::Receiving(place_of(k, endpoint.into())),
        object::State::Waiting(notification) => State::Waiting(place_of(k, notification)),
        object::State::Faulted => State::Faulted,
        // The fake firmware returns at once.
        object::State::InFirmware => unreachable!("nobody waits for the firmware behind a step"),
    }
}

fn place<T>(k: &Kernel, object: Option<Ref<T>>) -> Option<At> {
    object.map(|object| place_of(k, object))
}

fn same_thread(k: &Kernel, at: At, thread: &Thread, dead: bool) -> Same {
    let have = &k.mem[object_at::<object::Thread>(at)];
    same!(state_of(k, have.state), thread.state, "state of the thread at {at:#x}");
    for (index, (have, wanted)) in have.context.x.iter().zip(&thread.x).enumerate() {
        same!(have, wanted, "x{index} of the thread at {at:#x}");
    }
    let others = (have.context.sp, have.context.pc, have.context.tpidr);
    same!(others, (thread.sp, thread.pc, thread.tpidr), "sp, pc, tpidr of the thread at {at:#x}");
    same!((have.priority, have.ceiling), (thread.priority, thread.ceiling), "priority of the thread at {at:#x}");
    same!(place(k, have.reply), thread.reply, "the Reply of the thread at {at:#x}");
    same!(place(k, have.home), thread.home, "the time of the thread at {at:#x}");
    same!(place(k, have.bound), thread.bound, "what the thread at {at:#x} is bound to");
    same!(have.fault, thread.fault, "the fault of the thread at {at:#x}");
    if matches!(thread.state, State::Sending(_)) {
        same!(have.badge, thread.badge, "what the thread at {at:#x} calls with");
    }
    let mut next = have.debts;
    for debt in &thread.debts {
        same!(place(k, next), Some(*debt), "a debt of the thread at {at:#x}");
        next = next.and_then(|reply| k.mem[reply].next);
    }
    same!(place(k, next), None, "one debt more of the thread at {at:#x}");
    let vectors: Ref<FpuState> = FpuState::of(object_at(at));
    same!(k.mem[vectors].place != fpu::Place::Forbidden, thread.fpu, "whether the thread at {at:#x} may use vectors");
    let core =
        (0..k.sched.count()).find(|&core| k.machine.fpu[core].owner as u64 == k.mem.mapped_at(object_of_thread(at)));
    let registers = core.map_or(&k.mem[vectors], |core| &k.machine.fpu[core].registers);
    // What a dead one had in them is forgotten.
    for (index, wanted) in thread.vectors.iter().enumerate().filter(|_| !dead) {
        same!(registers.register(FpuState::FIRST + index), *wanted, "vector register {index} of the thread at {at:#x}");
    }
    same!(have.page != Phys(0), thread.held[PAGE_FRAME].is_some(), "the message page of the thread at {at:#x}");
    Ok(())
}

fn object_of_thread(at: At) -> Ref<object::Thread> {
    object_at(at)
}

fn threads(k: &Kernel, list: Vec<Ref<object::Thread>>) -> Vec<At> {
    list.into_iter().map(|thread| place_of(k, thread)).collect()
}

fn objects(k: &Kernel, m: &Model) -> Same {
    for (&at, endpoint) in &m.endpoints {
        let have: Ref<object::Endpoint> = object_at(at);
        let gate = match k.mem[have].gate {
            object::Gate::Open => None,
            object::Gate::Closed(reason) => Some(reason),
        };
        same!(gate, endpoint.closed, "whether the endpoint at {at:#x} is closed");
        same!(threads(k, k.mem[have].senders.members(k)?), endpoint.senders, "who calls the endpoint at {at:#x}");
        let receivers = threads(k, crate::testbed::check::receivers(k, have)?);
        same!(receivers, endpoint.receivers, "who receives from the endpoint at {at:#x}");
    }
    for (&at, reply) in &m.replies {
        let have = &k.mem[object_at::<object::Reply>(at)];
        let parties = (have.caller.map(|caller| place_of(k, caller.into())), place(k, have.receiver));
        same!(parties, (reply.caller, reply.receiver), "caller and receiver of the Reply at {at:#x}");
        same!(have.debt, reply.debt, "debt of the Reply at {at:#x}");
        let time = have.time.map(|time| place_of(k, time.into()));
        same!(time, reply.time, "the time that came through the Reply at {at:#x}");
    }
    for (&at, notification) in &m.notifications {
        let have = &k.mem[object_at::<object::Notification>(at)];
        same!(have.bits, notification.bits, "bits of the Notification at {at:#x}");
        let threads = (place(k, have.waiter), place(k, have.bound));
        same!(threads, (notification.waiter, notification.bound), "who waits for the Notification at {at:#x}");
    }
    for (&at, time) in &m.times {
        same_time(k, at, time)?;
    }
    for (&at, timer) in &m.timers {
        let have = &k.mem[object_at::<object::Timer>(at)];
        same!(deadline(&have.node), timer.deadline, "deadline of the Timer at {at:#x}");
        if timer.deadline.is_some() {
            same!(have.bits, timer.bits, "bits of the Timer at {at:#x}");
        }
    }
    for (&at, ring) in &m.rings {
        let have = &k.mem[object_at::<object::Trace>(at)];
        let tied = (u64::from(have.pages), have.core.map(usize::from));
        same!(tied, (ring.pages, ring.core), "pages and core of the ring at {at:#x}");
    }
    let traced = m.rings.values().any(|ring| ring.core.is_some());
    same!((k.trace.is_on(), k.machine.traced), (traced, traced), "whether anybody is traced");
    let mut dying: Vec<_> =
        crate::testbed::check::dead(k).into_iter().map(|(kind, number)| (kind, RAM + number * GRANULE)).collect();
    dying.reverse();
    same!(dying, m.dying, "what is dead and not taken apart");
    Ok(())
}

fn deadline(node: &Node) -> Option<u64> {
    node.queued.then_some(node.deadline)
}

fn same_time(k: &Kernel, at: At, time: &Time) -> Same {
    let have = &k.mem[object_at::<object::SchedContext>(at)];
    let limits = (have.budget, have.period, have.fault);
    same!(limits, (time.budget, time.period, time.fault), "budget, period, flag of the SchedContext at {at:#x}");
    let used = (have.left, have.debt, have.consumed, have.slice);
    same!(
        used,
        (time.left, time.debt, time.consumed, time.slice),
        "left, owed, consumed, slice of the SchedContext at {at:#x}"
    );
    let out: Vec<_> = have.refills[..have.out.into()].iter().map(|refill| (refill.at, refill.amount)).collect();
    same!(out, time.out, "what comes back of the SchedContext at {at:#x}");
    same!(place(k, have.home), time.home, "whose the SchedContext at {at:#x} is");
    same!(place(k, have.used_for), time.used_for, "who pays for the SchedContext at {at:#x}");
    same!(deadline(&have.node), time.wakes, "when the SchedContext at {at:#x} is looked at");
    Ok(())
}

fn devices(k: &Kernel, m: &Model) -> Same {
    for (&at, irq) in &m.irqs {
        let have = &k.mem[object_at::<object::Irq>(at)];
        let line = (have.line, have.edge, have.pending);
        same!(line, (irq.line, irq.edge, irq.pending), "line, trigger, pending of the Irq at {at:#x}");
        if irq.held.is_some() {
            same!(have.bits, irq.bits, "bits of the Irq at {at:#x}");
        }
    }
    for (&line, sharers) in &m.lines {
        let have: Vec<At> = k.sharers(line).map(|irq| place_of(k, irq)).collect();
        same!(have, *sharers, "who shares line {line}");
        if let Some(first) = sharers.first() {
            same!(k.machine.triggers.get(&line), Some(&m.irqs[first].edge), "the trigger of line {line}");
        }
    }
    same!(k.machine.open, m.open, "lines that may fire");
    same!(k.machine.routes, m.routes, "where lines go");
    same!(k.machine.calls, m.firmware, "calls of the firmware");
    same!(k.machine.printed.len(), m.printed.len(), "bytes printed");
    let last = m.printed.len().saturating_sub(512);
    same!(k.machine.printed[last..], m.printed[last..], "what was printed last");
    Ok(())
}

/// Free and used memory as the kernel has them: what every Untyped can still hand out, and what lives.
fn kernel_books(k: &Kernel, m: &Model) -> (u64, u64) {
    let (mut free, mut used) = (0, Vec::new());
    let first = m.boot.0 + 8 * m.boot.1.len() as u64;
    for cap in m.caps.values() {
        let slot = slot_at(cap.place);
        let have = &k.mem[slot].cap;
        if have.flags.intersects(Flags::DEVICE | Flags::KEEP) {
            continue;
        }
        let (start, pages) = (object_of(k, have), u64::from(have.pages) * PAGE);
        match have.kind {
            Kind::Untyped if have.space.is_none() && !have.rights.is_empty() => {
                free += pages - used_of(have, k.mem[slot].links.child.is_some());
            }
            Kind::Untyped | Kind::Reserve if have.space.is_some() && start >= first => used.push((start, pages)),
            Kind::Frame if start >= first => used.push((start, pages)),
            kind if names_object(kind, start) && start >= first => used.push((start, size_of_object(k, kind, start))),
            _ => {}
        }
    }
    used.sort_unstable();
    // A ring covers the Frames of its records, and copies of a Frame are one.
    let (mut end, mut sum) = (0, 0);
    for (start, bytes) in used {
        sum += (start + bytes).saturating_sub(start.max(end));
        end = end.max(start + bytes);
    }
    (free, sum)
}

fn size_of_object(k: &Kernel, kind: Kind, at: At) -> u64 {
    fn of<T: Object>() -> u64 {
        (size_of::<T>() as u64).next_multiple_of(GRANULE)
    }
    match kind {
        Kind::CapTable => u64::from(k.mem[object_at::<CapTable>(at)].slots()) * GRANULE,
        Kind::AddressSpace => u64::from(k.mem[object_at::<object::AddressSpace>(at)].pages) * PAGE,
        Kind::Thread => object::Thread::BYTES as u64,
        Kind::Endpoint => of::<object::Endpoint>(),
        Kind::Reply => of::<object::Reply>(),
        Kind::Notification => of::<object::Notification>(),
        Kind::SchedContext => of::<object::SchedContext>(),
        Kind::Irq => of::<object::Irq>(),
        Kind::Timer => of::<object::Timer>(),
        Kind::Trace => u64::from(k.mem[object_at::<object::Trace>(at)].pages + 1) * PAGE,
        _ => 0,
    }
}

/// No byte is lost and none is there twice: free, in use, or waiting for the rest of its Untyped, the sum is constant.
fn books(k: &Kernel, m: &Model) -> Same {
    let Books { free, used, stranded } = m.books;
    same!(kernel_books(k, m), (free, used), "bytes free and in use");
    let all = RAM + RAM_BYTES - m.boot.0 - 8 * m.boot.1.len() as u64;
    same!(free + used + stranded, all, "the sum of all memory");
    Ok(())
}

/// Memory that was just handed out is zero, but for the object in it.
fn fresh(k: &Kernel, m: &Model) -> Same {
    for &(kind, from, to) in &m.fresh {
        let skip = match kind {
            Kind::Frame => 0,
            Kind::CapTable => GRANULE,
            Kind::AddressSpace | Kind::Trace => PAGE,
            _ => continue,
        };
        let words = k.mem.words(Phys(from + skip), ((to - from - skip) / 8) as usize);
        if let Some(place) = words.iter().position(|&word| word != 0) {
            return Err(format!("word {place} of a new {kind:?} at {from:#x} is {:#x}", words[place]));
        }
    }
    Ok(())
}

/// User space writes to its new Frames, so that nobody finds zeros by chance.
pub fn fill(k: &mut Kernel, m: &mut Model) {
    for (kind, from, to) in m.fresh.drain(..) {
        if kind == Kind::Frame {
            k.mem.fill(Phys(from), to - from, JUNK);
        }
    }
}
