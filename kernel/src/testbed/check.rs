//! What must always hold, whatever was called: looked at from outside, between two system calls.

use std::collections::{BTreeMap, HashMap};

use abi::{Kind, layout::PAGE};

use crate::arch::pte;
use crate::cap::{Cap, CapTable, Flags, Slot};
use crate::fpu::FpuState;
use crate::kernel::Kernel;
use crate::mm::raw::GRANULE;
use crate::mm::{Direct, Object, Phys, Ref};
use crate::object::{
    AddressSpace, Endpoint, Gate, Grave, Header, Irq, Notification, Reply, SchedContext, State, Thread, Timer, Trace,
};

/// What is wrong.
type Check = Result<(), String>;

macro_rules! must {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return Err(format!($($text)*));
        }
    };
}

mod dma;
mod fpu;
mod messages;
mod reserve;
mod space;
mod time;
mod tree;

use self::space::leaves;

/// A piece of memory that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Extent {
    start: u64,
    end: u64,
    kind: Kind,
}

/// The checker, with room that it uses again and again.
pub struct Checker {
    table: Ref<CapTable>,
    ram: (u64, u64),
    /// By granule: the round in which a capability slot was found there.
    seen: Vec<u32>,
    /// By granule: the round in which an object was found there, and its capabilities.
    named: Vec<(u32, u32)>,
    round: u32,
    slots: Vec<Ref<Slot>>,
    objects: Vec<(Kind, u64)>,
    extents: Vec<Extent>,
    deep: bool,
    boot: Option<Ref<AddressSpace>>,
    /// By TTBR: how many flushes there were when its leaves were looked at, and those.
    cached: HashMap<u64, (usize, Vec<(u64, u64)>)>,
    /// The same by stream, of what its IOMMU was told.
    reached: HashMap<u16, (usize, Vec<(u64, u64)>)>,
}

fn object<T: Object>(number: u64) -> Ref<T> {
    Ref::from_number(number).expect("objects are not at 0")
}

fn header(k: &Kernel, kind: Kind, number: u64) -> Option<&Header> {
    Some(match kind {
        Kind::CapTable => &k.mem[object::<CapTable>(number)].header,
        Kind::Thread => &k.mem[object::<Thread>(number)].header,
        Kind::Endpoint => &k.mem[object::<Endpoint>(number)].header,
        Kind::Reply => &k.mem[object::<Reply>(number)].header,
        Kind::Notification => &k.mem[object::<Notification>(number)].header,
        Kind::AddressSpace | Kind::DmaSpace => &k.mem[object::<AddressSpace>(number)].header,
        Kind::Irq => &k.mem[object::<Irq>(number)].header,
        Kind::SchedContext => &k.mem[object::<SchedContext>(number)].header,
        Kind::Timer => &k.mem[object::<Timer>(number)].header,
        Kind::Trace => &k.mem[object::<Trace>(number)].header,
        _ => return None,
    })
}

fn bytes_of(k: &Kernel, kind: Kind, number: u64) -> u64 {
    match kind {
        Kind::CapTable => u64::from(k.mem[object::<CapTable>(number)].slots()) * GRANULE,
        Kind::Thread => Thread::BYTES as u64,
        Kind::AddressSpace | Kind::DmaSpace => u64::from(k.mem[object::<AddressSpace>(number)].pages) * PAGE,
        // Its records are what Frames show.
        Kind::Trace => PAGE,
        Kind::Irq => size_of::<Irq>() as u64,
        Kind::Reply => size_of::<Reply>() as u64,
        Kind::SchedContext => size_of::<SchedContext>() as u64,
        Kind::Timer => size_of::<Timer>() as u64,
        _ => GRANULE,
    }
}

fn grave(k: &Kernel, grave: Grave) -> (Kind, u64) {
    match grave {
        Grave::Table(object) => (Kind::CapTable, object.number()),
        Grave::Thread(object) => (Kind::Thread, object.number()),
        Grave::Endpoint(object) => (Kind::Endpoint, object.number()),
        Grave::Space(object) => (k.mem[object].header.kind, object.number()),
    }
}

impl Checker {
    /// A checker of a kernel whose first capabilities were made in `table`, which stays; `boot` is init's address space.
    pub fn new(table: Ref<CapTable>, boot: Option<Ref<AddressSpace>>, ram: (u64, u64)) -> Self {
        let granules = (ram.1 / GRANULE) as usize;
        Self {
            table,
            ram,
            seen: vec![0; granules],
            named: vec![(0, 0); granules],
            round: 0,
            slots: Vec::new(),
            objects: Vec::new(),
            extents: Vec::new(),
            deep: true,
            boot,
            cached: HashMap::new(),
            reached: HashMap::new(),
        }
    }

    /// Says what is wrong, if anything is.
    pub fn check(&mut self, k: &Kernel) -> Check {
        self.round += 1;
        self.slots.clear();
        self.objects.clear();
        self.extents.clear();
        self.walk_tree(k)?;
        self.count_capabilities(k)?;
        self.check_places(k)?;
        self.check_memory(k)?;
        self.check_scheduler(k)?;
        for index in 0..self.objects.len() {
            let (kind, number) = self.objects[index];
            match kind {
                Kind::Thread => self.check_thread(k, object(number))?,
                Kind::Endpoint => self.check_endpoint(k, object(number))?,
                Kind::Reply => self.check_reply(k, object(number))?,
                Kind::Notification => self.check_notification(k, object(number))?,
                Kind::AddressSpace | Kind::DmaSpace => self.check_space(k, object(number))?,
                Kind::Irq => self.check_irq(k, object(number))?,
                Kind::SchedContext => self.check_sched_context(k, object(number))?,
                Kind::Timer => self.check_timer(k, object(number))?,
                Kind::Trace => Self::check_ring(k, object(number))?,
                _ => {}
            }
        }
        self.check_deadlines(k)?;
        self.check_fpu(k)?;
        self.check_loaded(k)?;
        if self.deep {
            self.check_lost_asids(k)?;
            self.check_lost_streams(k)?;
        }
        self.check_messages(k)?;
        self.check_lines(k)
    }

    /// As [`Self::check`] without the page tables, which are long.
    pub fn check_quickly(&mut self, k: &Kernel) -> Check {
        self.deep = false;
        let result = self.check(k);
        self.deep = true;
        result
    }

    /// Whether an object had capabilities at the last check.
    pub fn lives<T: Object>(&self, reference: Ref<T>) -> bool {
        let at = self.named[reference.number() as usize];
        at.0 == self.round && at.1 > 0 && self.exists(reference)
    }

    /// Bytes in use by kind, as of the last check.
    pub fn census(&self) -> BTreeMap<Kind, u64> {
        let mut sums = BTreeMap::new();
        for extent in &self.extents {
            *sums.entry(extent.kind).or_default() += extent.end - extent.start;
        }
        sums
    }

    /// Everything but the registers of threads and whose turn it is, to compare.
    pub fn picture(&mut self, k: &Kernel) -> Vec<String> {
        self.check(k).unwrap();
        let mut lines: Vec<_> = self.slots.iter().map(|&slot| format!("{slot:?} {:?}", k.mem[slot])).collect();
        lines.extend(self.objects.iter().map(|&(kind, number)| match kind {
            Kind::Thread => {
                let t = &k.mem[object::<Thread>(number)];
                let queue = if t.queued { (None, None) } else { (t.prev, t.next) };
                let vectors = &k.mem[FpuState::of(object(number))];
                let rest = (t.state, t.priority, t.ceiling, t.fault, t.reply, t.debts, t.bound, t.page, vectors.place);
                format!("{number:#x} {rest:?} {queue:?} {:?}", t.header)
            }
            Kind::AddressSpace | Kind::DmaSpace => {
                let s = &k.mem[object::<AddressSpace>(number)];
                let pages = (s.free, s.fresh, s.dirty, s.lost, s.free_pages);
                let windows: Vec<_> = k.windows(object(number)).collect();
                format!("{number:#x} {:?} {:?} {pages:?} {:?} {windows:?}", s.header, s.maps, leaves(k, s.root, 0, 0))
            }
            Kind::Endpoint => format!("{:?}", k.mem[object::<Endpoint>(number)]),
            Kind::Reply => format!("{:?}", k.mem[object::<Reply>(number)]),
            Kind::Notification => format!("{:?}", k.mem[object::<Notification>(number)]),
            Kind::Irq => format!("{:?}", k.mem[object::<Irq>(number)]),
            Kind::SchedContext => format!("{:?}", k.mem[object::<SchedContext>(number)]),
            Kind::Timer => format!("{:?}", k.mem[object::<Timer>(number)]),
            _ => String::new(),
        }));
        lines.push(format!("{:?} {} {:?}", k.machine.open, k.machine.printed.len(), k.machine.calls));
        lines
    }

    fn granule(&self, number: u64) -> Result<usize, String> {
        let index = usize::try_from(number).ok().filter(|&index| index < self.seen.len());
        index.ok_or_else(|| format!("reference {number:#x} outside RAM"))
    }

    fn is_slot(&self, slot: Ref<Slot>) -> bool {
        self.granule(slot.number()).is_ok_and(|index| self.seen[index] == self.round)
    }

    /// Whether an object lives or waits to be taken apart.
    fn exists<T: Object>(&self, reference: Ref<T>) -> bool {
        self.objects.contains(&(T::KIND, reference.number()))
    }

    fn check_scheduler(&self, k: &Kernel) -> Check {
        let mut ready = Vec::new();
        for core in 0..k.sched.count() {
            ready.extend(k.ready_threads(core)?);
        }
        for &thread in &ready {
            must!(self.exists(thread), "{thread:?} is ready and does not exist");
            let state = k.mem[thread].state;
            must!(k.mem[thread].queued && state == State::Ready, "{thread:?} stands in a ready queue: {state:?}");
        }
        let queued = |&&(kind, number): &&(Kind, u64)| kind == Kind::Thread && k.mem[object::<Thread>(number)].queued;
        must!(self.objects.iter().filter(queued).count() == ready.len(), "a thread stands in no ready queue");
        for current in (0..k.sched.count()).filter_map(|core| k.sched.of(core).current()) {
            must!(self.exists(current), "the current thread does not exist");
            must!(!k.mem[current].queued, "the current thread stands in a ready queue");
        }
        for context in (0..k.sched.count()).filter_map(|core| k.running(core).1) {
            must!(self.exists(context), "time that is used does not exist");
        }
        k.check_current()
    }

    fn check_thread(&self, k: &Kernel, thread: Ref<Thread>) -> Check {
        let t = &k.mem[thread];
        let dead = t.header.capabilities == 0;
        must!(!dead || t.state == State::Suspended && t.bound.is_none(), "{thread:?} is dead and {:?}", t.state);
        must!(t.priority <= t.ceiling, "{thread:?} has priority {} over {}", t.priority, t.ceiling);
        let page = t.held[2].cap;
        let page = Phys(if page.kind == Kind::Frame { page.object } else { 0 });
        let words_at = if page == Phys(0) { 0 } else { k.mem.place_at(Phys(page.0 + crate::ipc::WORDS)) };
        must!((t.page, t.words_at) == (page, words_at), "{thread:?}: its page is stale");
        must!(t.context.spsr == 0, "{thread:?} runs with SPSR {:#x}", t.context.spsr);
        let asleep = matches!(t.state, State::Suspended | State::Faulted);
        must!(asleep || t.table().is_some() && t.space().is_some(), "{thread:?} is {:?} without table", t.state);
        match t.state {
            State::Ready => {
                let runs = k.runs(thread);
                let time = k.time_of(thread);
                must!(!t.queued || time.is_some(), "{thread:?} is queued and has nothing to run on");
                let time = time.is_some_and(|time| k.mem[time].has_time());
                must!(runs || t.queued || !time, "{thread:?} is ready, has time and is nowhere");
                must!(!t.fault.is_some(), "{thread:?} runs with a fault");
            }
            State::Sending(endpoint) => {
                must!(self.exists(endpoint), "{thread:?} sends to nothing");
                let count = k.mem[endpoint].senders.members(k)?.iter().filter(|&&other| other == thread).count();
                must!(count == 1, "{thread:?} sends and stands {count} times in the queue");
            }
            State::Receiving(endpoint) => {
                let endpoint = endpoint.into();
                must!(self.exists(endpoint) && t.reply.is_some(), "{thread:?} receives from nothing, or without Reply");
                let count = receivers(k, endpoint)?.iter().filter(|&&other| other == thread).count();
                must!(count == 1, "{thread:?} receives and stands {count} times in the queue");
                let held = t.reply.is_some_and(|reply| k.mem[reply].caller.is_some());
                must!(!held, "{thread:?} receives with a Reply that holds a caller");
            }
            State::AwaitingReply(reply) => {
                must!(self.exists(reply.into()), "{thread:?} waits for no Reply");
                must!(k.mem[reply].caller == Some(thread.into()), "{thread:?}: its Reply has another caller");
            }
            State::Waiting(notification) => {
                must!(self.exists(notification), "{thread:?} waits for nothing");
                must!(k.mem[notification].waiter == Some(thread), "{thread:?}: its Notification does not know it");
            }
            State::InFirmware => {
                let cores = (0..k.sched.count()).filter(|&core| k.sched.of(core).in_firmware == Some(thread)).count();
                must!(cores == 1, "{thread:?} waits for the firmware, and {cores} cores are there for it");
            }
            State::Suspended | State::Faulted => {}
        }
        must!(!t.queued || t.state == State::Ready, "{thread:?} is queued and {:?}", t.state);
        if let Some(notification) = t.bound {
            must!(self.exists(notification), "{thread:?} is bound to nothing");
            must!(k.mem[notification].bound == Some(thread), "{thread:?} is bound alone");
            let missed = k.mem[notification].bits != 0 && matches!(t.state, State::Receiving(..));
            must!(!missed, "{thread:?} sleeps over bits");
        }
        self.check_time_of(k, thread)?;
        if let Some(reply) = t.reply {
            must!(
                self.exists(reply) && k.mem[reply].receiver == Some(thread),
                "{thread:?}: {reply:?} is not its Reply"
            );
        }
        if t.fast_reply != k.no_fast_reply(thread) && t.fast_reply != 0 {
            let known = t.reply.is_some_and(|reply| Direct::from(reply).word() == t.fast_reply);
            must!(known, "{thread:?}: the fast path takes {:#x} for its Reply", t.fast_reply);
            let bits = t.bound.is_some_and(|notification| k.mem[notification].bits != 0);
            must!(!bits, "{thread:?}: the fast path would sleep over bits");
        }
        let (mut before, mut at, mut count) = (None, t.debts, 0);
        while let Some(reply) = at {
            must!(self.exists(reply) && count < 1000, "{thread:?} owes a Reply that does not exist");
            let debt = &k.mem[reply];
            must!(debt.receiver == Some(thread) && debt.prev == before, "{thread:?}: the list of its debts is broken");
            must!(debt.caller.is_some() && t.reply != Some(reply), "{thread:?} owes {reply:?} nothing, or twice");
            let sorted = debt.time.is_none() || before.is_none_or(|before| k.mem[before].time.is_some());
            must!(sorted, "{thread:?} owes {reply:?}, which brought time, behind one that did not");
            (before, at, count) = (Some(reply), debt.next, count + 1);
        }
        must!(t.last_debt == before, "{thread:?}: the last of its debts is another");
        Ok(())
    }

    fn check_endpoint(&self, k: &Kernel, endpoint: Ref<Endpoint>) -> Check {
        let e = &k.mem[endpoint];
        let (senders, receivers) = (e.senders.members(k)?, receivers(k, endpoint)?);
        for &thread in &senders {
            let right = self.exists(thread) && k.mem[thread].state == State::Sending(endpoint);
            must!(right, "{endpoint:?}: {thread:?} does not send to it");
        }
        for &thread in &receivers {
            let right =
                self.exists(thread) && matches!(k.mem[thread].state, State::Receiving(other) if other == endpoint);
            must!(right, "{endpoint:?}: {thread:?} does not receive from it");
        }
        must!(senders.is_empty() || receivers.is_empty(), "{endpoint:?}: senders and receivers wait for each other");
        Ok(())
    }

    fn check_reply(&self, k: &Kernel, reply: Ref<Reply>) -> Check {
        let r = &k.mem[reply];
        must!(r.caller.is_none() || r.receiver.is_some(), "{reply:?}: a caller without receiver");
        if let Some(caller) = r.caller {
            let right = self.exists(caller.into()) && k.mem[caller].state == State::AwaitingReply(reply.into());
            must!(right, "{reply:?}: {caller:?} does not wait for it");
        }
        if let Some(receiver) = r.receiver {
            must!(self.exists(receiver), "{reply:?}: its receiver does not exist");
            let mut at = k.mem[receiver].debts;
            while let Some(debt) = at
                && debt != reply
            {
                at = k.mem[debt].next;
            }
            let known = at.is_some() || k.mem[receiver].reply == Some(reply);
            must!(known, "{reply:?} is not among the debts of {receiver:?}");
        }
        self.check_lending(k, reply)
    }

    fn check_notification(&self, k: &Kernel, notification: Ref<Notification>) -> Check {
        let n = &k.mem[notification];
        if let Some(waiter) = n.waiter {
            let right = self.exists(waiter) && k.mem[waiter].state == State::Waiting(notification);
            must!(right && n.bits == 0, "{notification:?}: {waiter:?} does not wait for it, or sleeps over bits");
        }
        if let Some(bound) = n.bound {
            must!(self.exists(bound) && k.mem[bound].bound == Some(notification), "{notification:?} is bound alone");
        }
        Ok(())
    }

    fn check_irq(&self, k: &Kernel, irq: Ref<Irq>) -> Check {
        let i = &k.mem[irq];
        if let Some(line) = i.line {
            must!(k.sharers(line).filter(|&other| other == irq).count() == 1, "{irq:?} is not on its line");
        }
        must!(!i.pending || !i.held.is_empty(), "{irq:?} is pending for nobody");
        Ok(())
    }

    /// A line is open when somebody listens and nobody still has to acknowledge.
    fn check_lines(&self, k: &Kernel) -> Check {
        for line in 32..k.machine.lines() {
            let (mut listens, mut busy) = (false, false);
            for irq in k.sharers(line) {
                must!(self.exists(irq) && k.mem[irq].line == Some(line), "line {line} has an Irq that is not its own");
                listens |= !k.mem[irq].held.is_empty();
                busy |= k.mem[irq].pending;
            }
            must!(!k.machine.open.contains(&line) || listens && !busy, "line {line} is open");
        }
        Ok(())
    }
}

/// Dead objects that wait to be taken apart, in the order in which that happens.
pub fn dead(k: &Kernel) -> Vec<(Kind, u64)> {
    let (mut list, mut at) = (Vec::new(), k.graves);
    while let Some((kind, number)) = at.map(|at| grave(k, at)).filter(|_| list.len() < 1000) {
        list.push((kind, number));
        at = header(k, kind, number).and_then(|header| header.next_grave);
    }
    list
}

/// Who waits for a message: the queue, or the one that the fast path knows of.
pub fn receivers(k: &Kernel, endpoint: Ref<Endpoint>) -> Result<Vec<Ref<Thread>>, String> {
    let e = &k.mem[endpoint];
    let mut list = e.receivers.members(k)?;
    if e.word == Endpoint::SLOW {
        return Ok(list);
    }
    let alone = list.is_empty() && e.senders.first().is_none() && e.gate == Gate::Open;
    must!(alone, "{endpoint:?}: not the ordinary case, and the fast path takes it for that");
    if let Some(thread) = e.known_receiver() {
        let t = &k.mem[thread];
        let ordinary =
            t.key as u16 == t.priority.into() && t.reply.map(|reply| Direct::from(reply).word()) == Some(t.fast_reply);
        must!(ordinary, "{endpoint:?}: {thread:?} is not what the fast path expects");
        list.push(thread);
    }
    Ok(list)
}

impl Checker {
    /// A ring that is tied is its core's; while there is one nobody goes the fast way.
    fn check_ring(k: &Kernel, ring: Ref<Trace>) -> Check {
        let core = k.mem[ring].core;
        let tied = (0..k.sched.count()).find(|&core| k.trace.ring(core) == Some(ring));
        must!(core.map(usize::from) == tied, "{ring:?} is tied to {core:?} and written by {tied:?}");
        must!(core.is_none() || k.machine.traced && k.trace.is_on(), "{ring:?} is tied and there are fast paths");
        Ok(())
    }
}

fn header_kind(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::CapTable
            | Kind::Thread
            | Kind::Endpoint
            | Kind::Reply
            | Kind::Notification
            | Kind::AddressSpace
            | Kind::DmaSpace
            | Kind::Irq
            | Kind::SchedContext
            | Kind::Timer
            | Kind::Trace
    )
}

fn end_of(cap: &Cap) -> u64 {
    cap.object + u64::from(cap.pages) * PAGE
}

fn not(yes: bool) -> &'static str {
    if yes { "" } else { "not " }
}
