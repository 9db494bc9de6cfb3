//! The schedulers of all cores, and what the holder of the lock does to other cores (decision 0009).

use core::ops::{Deref, DerefMut};

use crate::gate::MAX_CORES;
use crate::kernel::Kernel;
use crate::mm::Ref;
use crate::object::{AddressSpace, State, Thread};
use crate::sched::Scheduler;

/// The scheduler of each core. It dereferences to that of the core which is in the kernel.
#[derive(Debug)]
pub struct Cores {
    own: usize,
    count: usize,
    list: [Scheduler; MAX_CORES],
}

impl Cores {
    /// One core, number 0.
    pub const fn new() -> Self {
        Self { own: 0, count: 1, list: [const { Scheduler::new() }; MAX_CORES] }
    }

    /// The core that is in the kernel.
    pub const fn own(&self) -> usize {
        self.own
    }

    /// How many cores there are.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Another core is there; it gets the next number.
    pub fn add(&mut self) {
        self.count = (self.count + 1).min(MAX_CORES);
    }

    /// This core is in the kernel from now on.
    pub fn set_own(&mut self, core: usize) {
        debug_assert!(core < self.count);
        self.own = core;
    }

    /// The scheduler of a core.
    pub const fn of(&self, core: usize) -> &Scheduler {
        &self.list[core % MAX_CORES]
    }

    /// The scheduler of a core.
    pub const fn of_mut(&mut self, core: usize) -> &mut Scheduler {
        &mut self.list[core % MAX_CORES]
    }
}

impl Default for Cores {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Cores {
    type Target = Scheduler;
    #[inline(always)]
    fn deref(&self) -> &Scheduler {
        self.of(self.own)
    }
}

impl DerefMut for Cores {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Scheduler {
        self.of_mut(self.own)
    }
}

impl Kernel {
    /// The core that a thread runs on: that of the time it has.
    pub fn core_of(&self, thread: Ref<Thread>) -> Option<usize> {
        self.time_of(thread).map(|context| usize::from(self.mem[context].core))
    }

    /// Another core has something to look at: more urgent work, or a deadline.
    pub(crate) fn kick(&mut self, core: usize) {
        if core != self.sched.own() {
            self.machine.kick(core);
        }
    }

    /// Stops another core in front of the lock. Afterwards its registers and `current` are exact, and what its thread was
    /// about to ask for has not begun.
    pub(crate) fn stop_core(&mut self, core: usize) {
        if core == self.sched.own() {
            return;
        }
        let Some(stopped) = self.machine.stop(core) else { return };
        let thread = self.mem.thread_at(stopped.thread);
        let sched = self.sched.of_mut(core);
        (sched.current, sched.loaded) = (thread, thread);
        if stopped.call
            && let Some(thread) = thread
        {
            let context = &mut self.mem[thread].context;
            context.pc = context.pc.wrapping_sub(4);
        }
    }

    /// If another core runs this thread, that core is stopped and has nothing to run until it looks again.
    pub(crate) fn take_from_other_core(&mut self, thread: Ref<Thread>) {
        let object = &self.mem[thread];
        if object.queued || object.state != State::Ready {
            return;
        }
        let Some(core) = self.core_of(thread).filter(|&core| core != self.sched.own()) else { return };
        self.stop_core(core);
        let sched = self.sched.of_mut(core);
        if sched.current == Some(thread) {
            (sched.current, sched.loaded) = (None, None);
        }
    }

    /// No core is in this address space, whose TTBR0 this was, any more, and none enters it before its thread's is loaded anew.
    pub(crate) fn leave_space(&mut self, space: Ref<AddressSpace>, ttbr: u64) {
        self.machine.leave_space(ttbr);
        self.sched.loaded = None;
        for core in 0..self.sched.count() {
            if core != self.sched.own() && !self.is_elsewhere(core, space) {
                self.stop_core(core);
                self.machine.evict(core);
                self.sched.of_mut(core).loaded = None;
            }
        }
    }

    /// Whether another core, which waits for the lock from now on, is surely in another address space. Who revokes many would
    /// otherwise take back what it waits for again and again.
    fn is_elsewhere(&mut self, core: usize, space: Ref<AddressSpace>) -> bool {
        // Once it was stopped its thread may have lost the address space that the core still is in.
        let Some(address) = self.machine.park(core) else { return false };
        let thread = self.mem.thread_at(address);
        thread.and_then(|thread| self.mem[thread].space()).is_some_and(|own| own != space)
    }
}
