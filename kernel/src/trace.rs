//! What happens, for those who look later: while a core has a ring, its events go there. The fast paths are closed then, so
//! that every switch comes this way.

#[cfg(all(test, loom))]
mod models;

use core::sync::atomic::{Ordering, fence};

use abi::trace::{Event, Record, Sink};

use crate::gate::MAX_CORES;
use crate::kernel::Kernel;
use crate::mm::{Mem, Phys, Ref};
use crate::object::{Thread, Trace};

/// Which core writes where.
#[derive(Debug, Default)]
pub struct Tracing {
    rings: [Option<Ref<Trace>>; MAX_CORES],
    /// By core: the number of the thread of its last switch.
    last: [u64; MAX_CORES],
    /// Whether any core has a ring.
    on: bool,
}

impl Tracing {
    /// No core has a ring.
    pub const fn new() -> Self {
        Self { rings: [None; MAX_CORES], last: [0; MAX_CORES], on: false }
    }

    /// Whether there is anything to be written.
    #[inline(always)]
    pub const fn is_on(&self) -> bool {
        self.on
    }

    /// The ring of a core.
    pub fn ring(&self, core: usize) -> Option<Ref<Trace>> {
        self.rings.get(core).copied().flatten()
    }
}

/// The records of a ring, in memory that holds no object.
struct Words<'m>(&'m mut Mem, Phys);

impl Sink for Words<'_> {
    fn store(&mut self, index: usize, value: u64, order: Ordering) {
        self.0.store(Phys(self.1.0 + index as u64 * 8), value, order);
    }

    fn fence(&self) {
        fence(Ordering::Release);
    }
}

impl Kernel {
    /// Something happened on this core. The words are those of [`Event`].
    #[inline(always)]
    pub(crate) fn trace(&mut self, event: Event, a: u64, b: u64) {
        if self.trace.on {
            self.record(self.sched.own(), event, a, b);
        }
    }

    /// This core goes on with a thread, or with none.
    #[inline(always)]
    pub(crate) fn trace_switch(&mut self, thread: Option<Ref<Thread>>) {
        if self.trace.on {
            self.record_switch(thread);
        }
    }

    #[cold]
    fn record_switch(&mut self, thread: Option<Ref<Thread>>) {
        let core = self.sched.own();
        let number = thread.map_or(0, Ref::number);
        if core::mem::replace(&mut self.trace.last[core], number) != number {
            let priority = thread.map_or(0, |thread| self.mem[thread].priority);
            self.record(core, Event::Switch, number, priority.into());
        }
    }

    #[cold]
    fn record(&mut self, core: usize, event: Event, a: u64, b: u64) {
        let Some(ring) = self.trace.ring(core) else { return };
        let ticks = self.machine.now();
        let at = self.mem.address(ring);
        let object = &mut self.mem[ring];
        let (sequence, records, place) = (object.next, object.records(), object.place(at));
        object.next += 1;
        let record = Record { sequence, core: core as u8, event: event as u8, ticks, a, b };
        abi::trace::write(&mut Words(&mut self.mem, place), records, &record);
    }

    /// A core writes into this ring from now on.
    pub(crate) fn tie_ring(&mut self, ring: Ref<Trace>, core: usize) {
        self.trace.rings[core] = Some(ring);
        self.mem[ring].core = Some(core as u8);
        let runs = self.sched.of(core).current().map_or(0, Ref::number);
        self.trace.last[core] = runs;
        self.tell_fast_paths();
        let cores = self.sched.count() as u64;
        self.record(core, Event::Start, runs, cores);
    }

    /// No core writes into this ring any more.
    pub(crate) fn untie_ring(&mut self, ring: Ref<Trace>) {
        if let Some(core) = self.mem[ring].core.take() {
            self.trace.rings[usize::from(core)] = None;
            self.tell_fast_paths();
        }
    }

    fn tell_fast_paths(&mut self) {
        self.trace.on = self.trace.rings.iter().any(Option::is_some);
        self.machine.trace_fast_paths(self.trace.on);
    }
}

/// Two numbers in one word.
pub(crate) fn pair<T, U>(low: Ref<T>, high: Option<Ref<U>>) -> u64 {
    low.number() | high.map_or(0, Ref::number) << 32
}
