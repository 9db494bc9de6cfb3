//! The kernel's state against the model's: everything that anybody could ever see of it.

mod books;
mod objects;
mod places;

use abi::{Kind, layout::PAGE};

pub use self::books::fill;
use self::books::used_of;
use self::objects::place;
pub use self::places::{held_slot, is_mapped, leaf_of, object_of, place_of, range_starts, walk};
use self::places::{inner_slot, object_at, slot_at};
use super::{At, Cap, Mapping, Model, Name, Place, Space, Work};
use crate::cap::{CapTable, Flags, Slot};
use crate::kernel::Kernel;
use crate::mm::raw::GRANULE;
use crate::mm::{Phys, Ref};
use crate::object;
use crate::testbed::bed::RAM_BYTES;

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
use same;

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
        // First, because junk in an object is no value that can be looked at.
        books::fresh(k, m)?;
        self.round += 1;
        running(k, m)?;
        for (&at, thread) in &m.threads {
            objects::same_thread(k, at, thread, m.dying.contains(&(Kind::Thread, at)))?;
        }
        self.slots(k, m)?;
        self.derivations(k, m)?;
        objects::objects(k, m)?;
        let is_dying = |at| {
            m.dying.iter().any(|&(kind, other)| matches!(kind, Kind::AddressSpace | Kind::DmaSpace) && other == at)
        };
        for (&at, space) in m.spaces.iter().filter(|&(&at, _)| !is_dying(at)) {
            self.pages(k, m, at, space)?;
        }
        objects::devices(k, m)?;
        books::books(k, m)
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
        same!(object.reach.stream().map(|stream| stream.id), space.stream, "the stream of the space at {at:#x}");
        let messages: Vec<At> = k.messages_of(object_at::<object::DmaSpace>(at)).map(|irq| place_of(k, irq)).collect();
        same!(messages, space.messages, "messages of the device of the space at {at:#x}");
        same!(object.events != Phys(0), space.events, "whether the device of the space at {at:#x} has a table");
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
            object::Work::Unmap => Work::Unmap,
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

fn running(k: &Kernel, m: &Model) -> Same {
    for number in 0..m.cores.len() {
        runs(k, m, number)?;
    }
    Ok(())
}

/// Who runs on a core, who waits there, and that it will notice what comes.
fn runs(k: &Kernel, m: &Model, number: usize) -> Same {
    let (current, time, since, slice_end) = k.running(number);
    let core = &m.cores[number];
    same!(place(k, current), core.current, "who runs on core {number}");
    same!(place(k, time), core.time, "the time that is being used on core {number}");
    same!(since, core.since, "up to when time was charged on core {number}");
    let ready: Vec<At> = k.ready_threads(number)?.into_iter().map(|at| place_of(k, at)).collect();
    // The kernel's list begins with the least urgent.
    let mut wanted = core.ready.clone();
    wanted.sort_by_key(|at| m.threads[at].priority);
    same!(ready, wanted, "the ready queues of core {number}");
    let (here, told) = (number == m.here, k.machine.kicked.contains(&number) || k.machine.stopped.contains(&number));
    if !here && !told {
        let urgency = |at: At| i32::from(m.threads[&at].priority);
        let first = core.ready.first().map_or(-1, |&first| urgency(first));
        if first > core.current.map_or(-1, urgency) {
            return Err(format!("core {number} was not told that somebody can run there"));
        }
    }
    let (loaded, deadline) = if here { (k.machine.loaded, k.machine.deadline) } else { k.machine.others[number] };
    let mut end = m.deadlines(number).min().unwrap_or(u64::MAX);
    if let (Some(current), Some(time)) = (core.current, core.time) {
        same!(slice_end, core.slice_end, "the end of the slice on core {number}");
        let time = &m.times[&time];
        let budget_ends = if time.unlimited() { u64::MAX } else { core.since + time.left };
        end = end.min(core.slice_end).min(budget_ends);
        let space = k.mem[object_at::<object::Thread>(current)].space().expect("who runs has an address space");
        if here {
            same!(loaded, k.mem[space].ttbr, "the address space that is loaded");
        }
    }
    if !told && deadline > end {
        return Err(format!("the timer of core {number} is set to {deadline}, but something happens at {end}"));
    }
    Ok(())
}
