//! Who runs: round-robin within a priority, the most urgent priority first.

use abi::OutWord;

use crate::kernel::{Kernel, Next};
use crate::mm::{Mem, Ref};
use crate::object::{State, Thread};

#[cfg(test)]
mod probe;

/// Threads in order, linked through themselves. A thread stands in at most one queue.
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

/// Ready queues by priority, and the thread that runs.
#[derive(Debug)]
pub struct Scheduler {
    queues: [Queue; 256],
    /// A bit for each queue that is not empty.
    occupied: [u64; 4],
    /// The most urgent occupied queue, -1 when all are empty.
    top: i16,
    /// The thread that runs.
    current: Option<Ref<Thread>>,
    /// The thread whose address space is loaded.
    loaded: Option<Ref<Thread>>,
    /// When the current thread began to run.
    since: u64,
    /// When its slice ends.
    slice_end: u64,
}

/// Length of a slice in milliseconds.
const SLICE_MS: u64 = 5;

impl Scheduler {
    /// Nobody runs.
    pub const fn new() -> Self {
        Self {
            queues: [Queue::new(); 256],
            occupied: [0; 4],
            top: -1,
            current: None,
            loaded: None,
            since: 0,
            slice_end: 0,
        }
    }

    fn highest(&self) -> i16 {
        match (0..4).rev().find(|&word| self.occupied[word] != 0) {
            Some(word) => (word as u32 * 64 + 63 - self.occupied[word].leading_zeros()) as i16,
            None => -1,
        }
    }

    fn mark(&mut self, priority: u8) {
        let bit = 1 << (priority % 64);
        let word = &mut self.occupied[usize::from(priority / 64)];
        match self.queues[usize::from(priority)].first() {
            Some(_) => *word |= bit,
            None => *word &= !bit,
        }
        self.top = self.highest();
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
    /// A thread that stands in no queue may run.
    pub fn make_ready(&mut self, thread: Ref<Thread>) {
        self.mem[thread].state = State::Ready;
        if self.sched.current != Some(thread) {
            self.enqueue(thread, false);
        }
    }

    fn enqueue(&mut self, thread: Ref<Thread>, front: bool) {
        debug_assert!(!self.mem[thread].queued);
        self.mem[thread].queued = true;
        let priority = self.mem[thread].priority;
        let queue = &mut self.sched.queues[usize::from(priority)];
        if front {
            queue.push_front(&mut self.mem, thread);
        } else {
            queue.push_back(&mut self.mem, thread);
        }
        self.sched.mark(priority);
    }

    /// Takes a thread out of its ready queue, if it stands in one.
    pub(crate) fn unqueue(&mut self, thread: Ref<Thread>) {
        if core::mem::take(&mut self.mem[thread].queued) {
            let priority = self.mem[thread].priority;
            self.sched.queues[usize::from(priority)].remove(&mut self.mem, thread);
            self.sched.mark(priority);
        }
    }

    /// Carries out what a system call decided. Afterwards [`Self::pick`] says who runs.
    pub fn finish(&mut self, caller: Ref<Thread>, next: Next) {
        match next {
            Next::Done => self.mem[caller].context.finish(OutWord(0), 0),
            Next::Restart => {
                let context = &mut self.mem[caller].context;
                context.pc = context.pc.wrapping_sub(4);
            }
            Next::Schedule => {}
            Next::Switch(partner) => {
                // Time follows the call: the partner goes on in the caller's place, on what is left of its slice.
                let priority = self.mem[partner].priority;
                if self.sched.top > i16::from(priority) {
                    self.enqueue(partner, true);
                } else {
                    self.account();
                    self.sched.current = Some(partner);
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
            && self.sched.top <= i16::from(thread.priority)
            && self.sched.loaded == Some(current);
        goes_on.then_some(current)
    }

    /// The thread to run now: the current one, unless it cannot or a more urgent one can. `None`: the core is idle.
    pub fn pick(&mut self) -> Option<Ref<Thread>> {
        if let Some(current) = self.sched.current
            && self.mem[current].state == State::Ready
        {
            if self.sched.top <= i16::from(self.mem[current].priority) {
                return Some(current);
            }
            self.enqueue_preempted(current);
        }
        let Ok(top) = usize::try_from(self.sched.top) else {
            self.account();
            self.sched.current = None;
            // Nothing better to do; whoever is woken by that runs.
            let buried = self.graves.is_some() && self.bury().is_ok();
            return if buried { self.pick() } else { None };
        };
        let next = self.sched.queues[top].first()?;
        self.unqueue(next);
        self.account();
        self.sched.current = Some(next);
        self.sched.slice_end = self.sched.since + self.machine.ticks_of_ms(SLICE_MS);
        self.machine.set_timer(self.sched.slice_end);
        Some(next)
    }

    /// Loads the address space of the thread that runs next; `false` when it has none.
    #[inline(always)]
    pub fn enter(&mut self, thread: Ref<Thread>) -> bool {
        if self.sched.loaded != Some(thread) {
            let Some(space) = self.mem[thread].space() else { return false };
            let ttbr = self.activate(space);
            self.machine.enter_space(ttbr);
            self.sched.loaded = Some(thread);
        }
        true
    }

    /// No thread's address space is loaded any more, or the thread got another.
    pub fn forget_loaded(&mut self) {
        self.sched.loaded = None;
    }

    fn enqueue_preempted(&mut self, thread: Ref<Thread>) {
        self.sched.current = None;
        self.charge(thread);
        self.enqueue(thread, true);
    }

    /// Charges the current thread for its time.
    fn account(&mut self) {
        match self.sched.current {
            Some(thread) => self.charge(thread),
            None => self.sched.since = self.machine.now(),
        }
    }

    fn charge(&mut self, thread: Ref<Thread>) {
        let now = self.machine.now();
        self.mem[thread].ticks += now.saturating_sub(self.sched.since);
        self.sched.since = now;
    }

    /// The timer fired: if the slice is over, the current thread goes behind its equals.
    pub(crate) fn tick(&mut self) {
        let now = self.machine.now();
        if now < self.sched.slice_end {
            self.machine.set_timer(self.sched.slice_end);
            return;
        }
        self.sched.slice_end = now + self.machine.ticks_of_ms(SLICE_MS);
        self.machine.set_timer(self.sched.slice_end);
        if let Some(thread) = self.sched.current
            && self.mem[thread].state == State::Ready
            && self.sched.queues[usize::from(self.mem[thread].priority)].first().is_some()
        {
            self.charge(thread);
            self.sched.current = None;
            self.enqueue(thread, false);
        }
    }
}
