//! Who runs: round-robin within a priority, the most urgent priority first.

use core::sync::atomic::Ordering;

use abi::{OutWord, trace::Event};

use crate::deadline::{Deadlines, Due};
use crate::gate::{Area, key};
use crate::kernel::{Kernel, Next};
use crate::mm::{Direct, Mem, Ref};
use crate::object::{SchedContext, State, Thread};

#[cfg(test)]
mod probe;

/// Threads in order, linked through themselves. A thread stands in at most one queue.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Queue {
    head: Option<Ref<Thread>>,
    tail: Option<Ref<Thread>>,
}

impl Queue {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { head: None, tail: None }
    }

    /// The thread that stands here alone.
    pub fn only(&self) -> Option<Ref<Thread>> {
        if self.head == self.tail { self.head } else { None }
    }

    /// The first thread.
    pub const fn first(&self) -> Option<Ref<Thread>> {
        self.head
    }

    /// Puts a thread at the end.
    pub fn push_back(&mut self, mem: &mut Mem, thread: Ref<Thread>) {
        let links = &mut mem[thread];
        (links.prev, links.next) = (self.tail, None);
        match self.tail {
            Some(tail) => mem[tail].next = Some(thread),
            None => self.head = Some(thread),
        }
        self.tail = Some(thread);
    }

    /// Puts a thread at the front.
    pub fn push_front(&mut self, mem: &mut Mem, thread: Ref<Thread>) {
        let links = &mut mem[thread];
        (links.prev, links.next) = (None, self.head);
        match self.head {
            Some(head) => mem[head].prev = Some(thread),
            None => self.tail = Some(thread),
        }
        self.head = Some(thread);
    }

    /// Takes a thread out that stands in this queue.
    pub fn remove(&mut self, mem: &mut Mem, thread: Ref<Thread>) {
        let (prev, next) = (mem[thread].prev.take(), mem[thread].next.take());
        match prev {
            Some(prev) => mem[prev].next = next,
            None => self.head = next,
        }
        match next {
            Some(next) => mem[next].prev = prev,
            None => self.tail = prev,
        }
    }
}

/// Ready queues by priority, and who runs on what. On a cache line that no other core's lies on.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Scheduler {
    /// The most urgent occupied queue, -1 when all are empty.
    pub(crate) top: i32,
    /// The thread that runs. Exact for the core that is in the kernel, and for cores that were stopped.
    pub(crate) current: Option<Ref<Thread>>,
    /// The thread whose address space is loaded, as long as nothing about it changed.
    pub(crate) loaded: Option<Ref<Thread>>,
    /// The thread for which the core is in the firmware, or is about to be.
    pub(crate) in_firmware: Option<Ref<Thread>>,
    /// What the fast path sees of this core; none in the tests.
    pub(crate) area: Option<&'static Area>,
    /// Refills and Timers.
    pub deadlines: Deadlines,
    /// The time that is being used.
    pub(crate) context: Option<Ref<SchedContext>>,
    /// When the time that is being used began to be. The fast path writes it together with the next.
    pub(crate) stretch: u64,
    /// When the slice ends.
    pub(crate) slice_end: u64,
    /// Until when no deadline makes the hardware timer fire.
    quiet: u64,
    /// When the hardware timer fires. The fast path leaves it alone if that is early enough.
    pub(crate) armed: u64,
    /// Ticks of a whole slice.
    pub(crate) whole_slice: u64,
    /// By priority.
    pub(crate) queues: [Queue; 256],
    /// A bit for each queue that is not empty.
    pub(crate) occupied: [u64; 4],
    /// The hardware timer may be set too late.
    stale: bool,
}

/// Length of a slice in milliseconds.
const SLICE_MS: u64 = 5;

/// Deadlines that are served one after the other.
const DEADLINES: u32 = 16;

impl Scheduler {
    /// Nobody runs.
    pub const fn new() -> Self {
        Self {
            top: -1,
            current: None,
            loaded: None,
            in_firmware: None,
            area: None,
            deadlines: Deadlines::new(),
            queues: [Queue::new(); 256],
            occupied: [0; 4],
            context: None,
            stretch: 0,
            slice_end: 0,
            quiet: 0,
            armed: u64::MAX,
            whole_slice: 0,
            stale: false,
        }
    }

    /// The fast paths of a core see this scheduler from now on.
    pub fn attach(&mut self, area: &'static Area, ticks_per_ms: u64) {
        self.whole_slice = SLICE_MS * ticks_per_ms;
        area.scheduler.store(core::ptr::from_mut(self).expose_provenance(), Ordering::Relaxed);
        self.area = Some(area);
    }

    fn highest(&self) -> i32 {
        match (0..4).rev().find(|&word| self.occupied[word] != 0) {
            Some(word) => (word as u32 * 64 + 63 - self.occupied[word].leading_zeros()) as i32,
            None => -1,
        }
    }

    /// A thread came into this queue.
    fn came(&mut self, priority: u8) {
        self.occupied[usize::from(priority / 64)] |= 1 << (priority % 64);
        self.top = self.top.max(priority.into());
        self.tell_floor();
    }

    /// A thread left this queue.
    fn left(&mut self, priority: u8) {
        if self.queues[usize::from(priority)].first().is_some() {
            return;
        }
        self.occupied[usize::from(priority / 64)] &= !(1 << (priority % 64));
        if self.top == i32::from(priority) {
            self.top = self.highest();
            self.tell_floor();
        }
    }

    /// Tells the fast paths what they may not pass over.
    pub(crate) fn tell_floor(&self) {
        if let Some(area) = self.area {
            area.set_floor(self.top);
        }
    }

    /// This time is being used from now on.
    fn use_time(&mut self, context: Option<Ref<SchedContext>>) {
        self.context = context;
        if let Some(area) = self.area {
            area.context.store(context.map_or(0, |context| Direct::from(context).word()), Ordering::Relaxed);
        }
    }

    /// The time that is being used.
    pub(crate) const fn time_in_use(&self) -> Option<Ref<SchedContext>> {
        self.context
    }

    /// The thread that runs.
    pub const fn current(&self) -> Option<Ref<Thread>> {
        self.current
    }
}

impl Default for Scheduler {
    fn default() -> Self {
        Self::new()
    }
}

impl Kernel {
    /// A thread that stands in no queue may run, as soon as it has time.
    pub fn make_ready(&mut self, thread: Ref<Thread>) {
        self.mem[thread].state = State::Ready;
        let time = self.time_of(thread);
        let core = self.set_key_on(thread, time);
        if self.sched.current == Some(thread) || self.mem[thread].queued {
            return;
        }
        if time.is_some_and(|time| self.has_time(time)) {
            self.enqueue_on(core, thread, false);
        } else {
            self.out_of_time(thread, false);
        }
    }

    /// The fast paths of the core it runs on may let this thread go on.
    pub(crate) fn set_key(&mut self, thread: Ref<Thread>) {
        let time = self.time_of(thread);
        self.set_key_on(thread, time);
    }

    /// The same, with the time it has; returns the core.
    pub(crate) fn set_key_on(&mut self, thread: Ref<Thread>, time: Option<Ref<SchedContext>>) -> usize {
        let core = time.map_or(self.sched.own(), |time| self.mem[time].core.into());
        self.mem[thread].key = key(core, self.mem[thread].priority.into());
        core
    }

    /// Whether a thread has time to run on.
    fn can_run(&mut self, thread: Ref<Thread>) -> bool {
        self.time_of(thread).is_some_and(|time| self.has_time(time))
    }

    /// Whether a thread can run on this now.
    fn has_time(&mut self, context: Ref<SchedContext>) -> bool {
        if !self.mem[context].has_time() {
            let now = self.machine.now();
            self.mem[context].refill(now);
        }
        self.mem[context].has_time()
    }

    fn enqueue(&mut self, thread: Ref<Thread>, front: bool) {
        let core = self.core_of(thread).unwrap_or(0);
        self.enqueue_on(core, thread, front);
    }

    fn enqueue_on(&mut self, core: usize, thread: Ref<Thread>, front: bool) {
        debug_assert!(!self.mem[thread].queued);
        let object = &mut self.mem[thread];
        (object.queued, object.core) = (true, core as u8);
        let priority = object.priority;
        let sched = self.sched.of_mut(core);
        let queue = &mut sched.queues[usize::from(priority)];
        if front {
            queue.push_front(&mut self.mem, thread);
        } else {
            queue.push_back(&mut self.mem, thread);
        }
        sched.came(priority);
        if sched.top == i32::from(priority) {
            self.kick(core);
        }
    }

    /// Takes a thread out of its ready queue, if it stands in one, or from the other core that runs it.
    pub(crate) fn unqueue(&mut self, thread: Ref<Thread>) {
        if self.sched.current == Some(thread) {
            self.sched.loaded = None;
        } else if core::mem::take(&mut self.mem[thread].queued) {
            let Thread { priority, core, .. } = self.mem[thread];
            let sched = self.sched.of_mut(core.into());
            sched.queues[usize::from(priority)].remove(&mut self.mem, thread);
            sched.left(priority);
        } else {
            self.take_from_other_core(thread);
        }
    }

    /// Whether what a thread has is the time that is being used.
    pub(crate) fn uses_time(&self, thread: Ref<Thread>) -> bool {
        self.sched.context.is_some() && self.time_of(thread) == self.sched.context
    }

    /// Carries out what a system call decided. Afterwards [`Self::pick`] says who runs.
    pub fn finish(&mut self, caller: Ref<Thread>, next: Next) {
        match next {
            Next::Done => self.mem[caller].context.finish(OutWord(0), 0),
            Next::Restart => {
                let context = &mut self.mem[caller].context;
                context.pc = context.pc.wrapping_sub(4);
            }
            Next::Answered | Next::Schedule => {}
            Next::Switch(partner) => {
                let goes_on = self.uses_time(partner) && self.sched.top <= i32::from(self.mem[partner].priority);
                if goes_on {
                    // Time followed the call: the partner goes on in the caller's place.
                    self.sched.current = Some(partner);
                } else if self.can_run(partner) {
                    self.enqueue(partner, true);
                } else {
                    self.make_ready(partner);
                }
            }
        }
    }

    /// The current thread, if it simply goes on: the short way out of most system calls.
    #[inline(always)]
    pub fn stay(&self) -> Option<Ref<Thread>> {
        let current = self.sched.current?;
        let thread = &self.mem[current];
        let goes_on = thread.state == State::Ready
            && self.sched.top <= i32::from(thread.priority)
            && self.sched.loaded == Some(current)
            && !self.sched.stale;
        goes_on.then_some(current)
    }

    /// Whether this thread, which runs, simply goes on after a system call that is over.
    #[inline(always)]
    pub fn stays(&self, thread: Ref<Thread>) -> bool {
        let (object, sched) = (&self.mem[thread], &*self.sched);
        // What takes the core from it takes its address space from the core first.
        sched.loaded == Some(thread)
            && object.state == State::Ready
            && sched.top <= i32::from(object.priority)
            && !sched.stale
    }

    /// The thread to run now: the current one, unless it cannot or a more urgent one can. `None`: the core is idle.
    pub fn pick(&mut self) -> Option<Ref<Thread>> {
        let next = self.choose();
        if self.sched.stale {
            self.set_timer();
        }
        next
    }

    fn choose(&mut self) -> Option<Ref<Thread>> {
        if let Some(current) = self.sched.current
            && self.mem[current].state == State::Ready
        {
            let time = self.time_of(current);
            let uses_it = time.is_some() && time == self.sched.context;
            if uses_it && self.sched.top <= i32::from(self.mem[current].priority) {
                return Some(current);
            }
            self.settle_time();
            self.sched.current = None;
            match time {
                Some(time) if self.has_time(time) => {
                    let SchedContext { slice, core, .. } = self.mem[time];
                    self.enqueue_on(core.into(), current, slice > 0);
                }
                _ => self.out_of_time(current, true),
            }
        }
        self.settle_time();
        self.sched.current = None;
        self.sched.use_time(None);
        let Some((next, time)) = self.take_first() else {
            // Nothing better to do; whoever is woken by that runs, also when something interrupted it.
            let buried = self.graves.is_some() && self.bury().is_ok();
            return if buried || self.sched.top >= 0 { self.choose() } else { None };
        };
        self.sched.current = Some(next);
        self.sched.use_time(Some(time));
        let slice = &mut self.mem[time].slice;
        if *slice == 0 {
            *slice = self.machine.ticks_of_ms(SLICE_MS);
        }
        self.sched.slice_end = self.sched.stretch + *slice;
        self.sched.stale = true;
        Some(next)
    }

    /// Takes the first thread out of the ready queues, and says what it runs on. Time that was in use until now may have ended
    /// while its next holder stood there already.
    fn take_first(&mut self) -> Option<(Ref<Thread>, Ref<SchedContext>)> {
        loop {
            let top = usize::try_from(self.sched.top).ok()?;
            let next = self.sched.queues[top].first()?;
            self.unqueue(next);
            match self.time_of(next) {
                Some(time) if self.has_time(time) => return Some((next, time)),
                _ => self.out_of_time(next, false),
            }
        }
    }

    /// This thread goes on in the place of the one that runs, on its time.
    #[inline(always)]
    pub(crate) fn go_on_as(&mut self, thread: Ref<Thread>) {
        self.sched.current = Some(thread);
        self.enter(thread);
    }

    /// Loads the address space of the thread that runs next; `false` when it has none.
    #[inline(always)]
    pub fn enter(&mut self, thread: Ref<Thread>) -> bool {
        if self.sched.loaded != Some(thread) {
            let Some(space) = self.mem[thread].space() else { return false };
            let ttbr = self.activate(space);
            self.machine.enter_space(ttbr);
            self.settle_fpu(thread);
            self.sched.loaded = Some(thread);
            self.trace_switch(Some(thread));
        }
        true
    }

    /// What the address space of this thread is changes: if it runs here, its is loaded anew before it goes on.
    pub(crate) fn forget_if_loaded(&mut self, thread: Ref<Thread>) {
        if self.sched.loaded == Some(thread) {
            self.forget_loaded();
        }
    }

    /// No thread's address space is loaded any more, or the thread got another.
    pub fn forget_loaded(&mut self) {
        self.sched.loaded = None;
    }

    /// Charges what was used on this core up to now.
    pub(crate) fn settle_time(&mut self) {
        self.settle_core(self.sched.own());
    }

    /// Charges what was used on a core up to now.
    pub(crate) fn settle_core(&mut self, core: usize) {
        let now = self.machine.now();
        let sched = self.sched.of_mut(core);
        let start = core::mem::replace(&mut sched.stretch, now);
        let used = now.saturating_sub(start);
        if let Some(context) = sched.context {
            let object = &mut self.mem[context];
            object.slice = object.slice.saturating_sub(used);
            object.charge(start, used);
            if let Some(reply) = self.mem[context].used_for {
                self.mem[reply].debt += used;
            }
        }
    }

    /// The time that is being used is no more: nothing is charged to it.
    pub(crate) fn forget_context(&mut self, context: Ref<SchedContext>) {
        let sched = self.sched.of_mut(self.mem[context].core.into());
        if sched.context == Some(context) {
            sched.use_time(None);
        }
    }

    /// A deadline or a budget of a core changed: its hardware timer is set anew before anyone runs there.
    pub(crate) fn timer_stale(&mut self, core: usize) {
        self.sched.of_mut(core).stale = true;
        self.kick(core);
    }

    /// Sets the hardware timer to whatever comes first.
    fn set_timer(&mut self) {
        self.sched.stale = false;
        let mut next = self.sched.deadlines.first(&self.mem).unwrap_or(u64::MAX).max(self.sched.quiet);
        if let Some(context) = self.sched.context {
            next = next.min(self.sched.slice_end);
            if !self.mem[context].unlimited() {
                next = next.min(self.sched.stretch.saturating_add(self.mem[context].left));
            }
        }
        self.sched.armed = next;
        self.machine.set_timer(next);
    }

    /// The hardware timer fired: deadlines, the end of a budget, the end of a slice. Then there is no deadline for as long as
    /// that took, whatever is still due: deadlines have half of the core's time at most, in small pieces.
    pub(crate) fn tick(&mut self) {
        self.machine.set_timer(u64::MAX);
        self.settle_time();
        let now = self.sched.stretch;
        self.serve_deadlines(now);
        self.end_slice_or_budget(now);
        let end = self.machine.now();
        self.sched.quiet = end + (end - now);
        // The line stays asserted until the timer is set anew.
        self.set_timer();
    }

    /// Serves what is due, or the first of it: a device or another core that waits comes before the next of many.
    fn serve_deadlines(&mut self, now: u64) {
        for _ in 0..DEADLINES {
            let Some(due) = self.sched.deadlines.take_due(&mut self.mem, now) else { return };
            match due {
                Due::Refill(context) => {
                    self.trace(Event::Timer, context.number(), 0);
                    self.refilled(context, now);
                }
                Due::Timer(timer) => {
                    self.trace(Event::Timer, timer.number(), 1);
                    self.timer_fired(timer);
                }
            }
            if self.machine.device_waits() || self.machine.lock_wanted() {
                return;
            }
        }
    }

    fn end_slice_or_budget(&mut self, now: u64) {
        let Some(thread) = self.sched.current.filter(|&thread| self.mem[thread].state == State::Ready) else {
            // Another core stopped it: no slice ends here any more, and nobody's time is used.
            self.sched.current = None;
            self.sched.use_time(None);
            return;
        };
        if !self.uses_time(thread) {
            // A deadline that came now gave it other time. What it had may have ended, and must not set the timer: that would
            // fire for ever.
            self.sched.current = None;
            self.sched.use_time(None);
            self.time_came(thread);
        } else if !self.can_run(thread) {
            self.sched.current = None;
            self.sched.use_time(None);
            self.out_of_time(thread, true);
        } else if now >= self.sched.slice_end {
            let slice = self.machine.ticks_of_ms(SLICE_MS);
            self.sched.slice_end = now + slice;
            if let Some(time) = self.sched.context {
                self.mem[time].slice = slice;
            }
            if self.sched.queues[usize::from(self.mem[thread].priority)].first().is_some() {
                self.sched.current = None;
                self.sched.use_time(None);
                self.enqueue(thread, false);
            }
        }
    }
}
