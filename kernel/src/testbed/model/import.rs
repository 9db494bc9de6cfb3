//! The model's beginning: what boot made. Only init's objects exist, and nothing was done with them yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use abi::{Kind, layout::MemoryType, layout::PAGE};

use super::compare::{self, place_of};
use super::{
    Cap, Core, Endpoint, Irq, Model, Name, Notification, Place, Reply, Reserve, Space, Table, Thread, Time, Timer,
};
use crate::cap::{Flags, Slot};
use crate::kernel::Kernel;
use crate::mm::{Phys, Ref};
use crate::object::Window;
use crate::testbed::bed::{Bed, RAM};

impl Model {
    /// The state of a kernel that was just booted.
    pub fn of_boot(bed: &Bed) -> Self {
        let k = &*bed.k;
        let mut model = Self {
            now: k.machine.clock,
            caps: BTreeMap::new(),
            next_name: 0,
            tables: BTreeMap::new(),
            threads: BTreeMap::new(),
            endpoints: BTreeMap::<_, Endpoint>::new(),
            replies: BTreeMap::new(),
            notifications: BTreeMap::new(),
            spaces: BTreeMap::new(),
            times: BTreeMap::new(),
            irqs: BTreeMap::<_, Irq>::new(),
            timers: BTreeMap::<_, Timer>::new(),
            rings: BTreeMap::new(),
            grown: BTreeMap::new(),
            records: BTreeMap::new(),
            streams: BTreeMap::new(),
            lines: BTreeMap::new(),
            open: BTreeSet::new(),
            routes: BTreeMap::new(),
            dying: Vec::new(),
            cores: vec![Core::default(); k.sched.count()],
            here: 0,
            words: HashMap::new(),
            boot: Rc::new((RAM, Vec::new())),
            fresh: Vec::new(),
            printed: Vec::new(),
            firmware: Vec::new(),
            books: Default::default(),
            fuel: None,
            oracle: 0,
            buries: false,
            ties: 0,
        };
        model.objects(bed);
        let table = k.mem[bed.init].table().expect("init has a table");
        let mut names = HashMap::new();
        for index in 1..k.mem[table].slots() {
            let slot = table.offset::<Slot>(index);
            model.cap_of(k, slot, Place::Table(place_of(k, table), index as usize), &mut names);
        }
        for which in 0..4 {
            let slot = compare::held_slot(bed.init, which);
            model.cap_of(k, slot, Place::Thread(place_of(k, bed.init), which), &mut names);
        }
        model.derivations(k, &names);
        model.ties(k, bed.init, &names);
        let ram = |cap: &&Cap| cap.kind == Kind::Untyped && !cap.device;
        let first = model.caps.values().filter(ram).map(|cap| cap.object).min().expect("init has memory");
        model.boot = Rc::new((RAM, (RAM..first).step_by(8).map(|at| k.mem.read_u64(Phys(at))).collect()));
        let reserves = model.caps.values().filter(|cap| cap.kind == Kind::Reserve && cap.object >= first);
        model.books.used = reserves.map(|cap| cap.pages * PAGE).sum();
        model.books.free = model.caps.values().filter(ram).map(|cap| cap.pages * PAGE).sum();
        let (current, time, since, slice_end) = k.running(0);
        let core = model.core();
        (core.current, core.time) = (current.map(|at| place_of(k, at)), time.map(|at| place_of(k, at)));
        (core.since, core.slice_end) = (since, slice_end);
        model
    }

    fn objects(&mut self, bed: &Bed) {
        let (k, thread) = (&*bed.k, &bed.k.mem[bed.init]);
        let (table, space) = (thread.table().expect("a table"), thread.space().expect("an address space"));
        self.tables.insert(place_of(k, table), Table::new(k.mem[table].slots() as usize));
        let mut pages = Space::new(k.mem[space].pages.into());
        compare::walk(k, k.mem[space].root, 0, 0, &mut |address, level, value| {
            if let Some(value) = value {
                pages.leaves.insert(address, compare::leaf_of(value, level).expect("boot maps user pages"));
            }
        });
        self.spaces.insert(place_of(k, space), pages);
        let at = |_| place_of(k, bed.init);
        let (bound, home) = (thread.bound.expect("a Notification"), thread.home.expect("time"));
        let notification = Notification { bits: 0, waiter: None, bound: Some(at(())) };
        self.notifications.insert(place_of(k, bound), notification);
        let time = &k.mem[home];
        let time = Time {
            budget: time.budget,
            period: time.period,
            left: time.left,
            slice: time.slice,
            home: Some(at(())),
            ..Time::default()
        };
        self.times.insert(place_of(k, home), time);
        let reply = k.slot(table, abi::SLOT_REPLY.into(), 0).expect("a slot");
        let reply: Ref<crate::object::Reply> = k.mem[reply].cap.object_of().expect("init has a Reply");
        self.replies.insert(place_of(k, reply), Reply::default());
        let context = &thread.context;
        let init = Thread {
            x: context.x,
            sp: context.sp,
            pc: context.pc,
            tpidr: context.tpidr,
            priority: thread.priority,
            ceiling: thread.ceiling,
            state: super::State::Ready,
            fpu: k.may_use_fpu(bed.init),
            home: Some(place_of(k, home)),
            bound: Some(place_of(k, bound)),
            ..Thread::new()
        };
        self.threads.insert(at(()), init);
    }

    fn cap_of(&mut self, k: &Kernel, slot: Ref<Slot>, place: Place, names: &mut HashMap<u64, Name>) {
        let have = &k.mem[slot].cap;
        if have.kind == Kind::Null {
            return;
        }
        let cap = Cap {
            rights: have.rights.bits(),
            pages: have.pages.into(),
            memory: MemoryType::from_number(have.memory.into()).expect("a memory type"),
            device: have.flags.contains(Flags::DEVICE),
            keep: have.flags.contains(Flags::KEEP),
            reserve: k.window_of(have).map(|window| range_of(k, have, window)),
            ..Cap::of(have.kind, compare::object_of(k, have))
        };
        let name = self.insert(place, cap, None);
        names.insert(slot.number(), name);
    }

    /// What is tied to init's address space.
    fn ties(&mut self, k: &Kernel, init: Ref<crate::object::Thread>, names: &HashMap<u64, Name>) {
        let space = k.mem[init].space().expect("an address space");
        let mut next = k.mem[space].maps;
        while let Some(slot) = next {
            self.space(place_of(k, space)).mapped.push(names[&slot.number()]);
            next = k.mem[slot].links.map_next;
        }
    }

    fn derivations(&mut self, k: &Kernel, names: &HashMap<u64, Name>) {
        for (&number, &parent) in names {
            let slot: Ref<Slot> = Ref::from_number(number).expect("a slot");
            let mut at = k.mem[slot].links.child;
            while let Some(child) = at {
                let name = names[&child.number()];
                self.cap(name).parent = Some(parent);
                self.cap(parent).children.push(name);
                at = k.mem[child].links.next;
            }
        }
    }
}

fn range_of(k: &Kernel, cap: &crate::cap::Cap, window: &Window) -> Reserve {
    assert_eq!((window.fresh, window.returned), (0, 0), "nothing was touched yet");
    let space = place_of(k, cap.space.expect("a Reserve is tied"));
    Reserve { space, start: window.start, end: window.end, fresh: 0, returned: Vec::new(), alive: true }
}
