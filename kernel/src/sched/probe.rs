//! What tests see and steer of the scheduler.

use super::Queue;
use crate::kernel::Kernel;
use crate::mm::Ref;
use crate::object::{SchedContext, State, Thread};

impl Queue {
    /// Its threads in order, or what is wrong with its links.
    pub(crate) fn members(&self, k: &Kernel) -> Result<Vec<Ref<Thread>>, String> {
        let (mut list, mut before, mut at) = (Vec::new(), None, self.head);
        while let Some(thread) = at {
            let links = &k.mem[thread];
            if links.prev != before || list.len() > 1000 {
                return Err(format!("queue broken at {thread:?}"));
            }
            list.push(thread);
            (before, at) = (Some(thread), links.next);
        }
        if self.tail == before { Ok(list) } else { Err(format!("queue ends at {before:?}, not at {:?}", self.tail)) }
    }
}

impl Kernel {
    /// The threads in the ready queues of a core, or what is wrong with the queues.
    pub(crate) fn ready_threads(&self, core: usize) -> Result<Vec<Ref<Thread>>, String> {
        let (mut all, sched) = (Vec::new(), self.sched.of(core));
        for (priority, queue) in sched.queues.iter().enumerate() {
            let marked = sched.occupied[priority / 64] & 1 << (priority % 64) != 0;
            if marked != queue.first().is_some() {
                return Err(format!("mark of ready queue {priority} is wrong"));
            }
            if !marked {
                continue;
            }
            for thread in queue.members(self)? {
                if usize::from(self.mem[thread].priority) != priority {
                    return Err(format!("{thread:?} stands in ready queue {priority}"));
                }
                all.push(thread);
            }
        }
        Ok(all)
    }

    /// Whether a core runs this thread.
    pub(crate) fn runs(&self, thread: Ref<Thread>) -> bool {
        (0..self.sched.count()).any(|core| self.sched.of(core).current == Some(thread))
    }

    /// Who runs on a core, on what time, since when it was not charged, until when the slice lasts.
    #[allow(clippy::type_complexity)]
    pub(crate) fn running(&self, core: usize) -> (Option<Ref<Thread>>, Option<Ref<SchedContext>>, u64, u64) {
        let sched = self.sched.of(core);
        (sched.current, sched.context, sched.stretch, sched.slice_end)
    }

    /// Lets a ready thread with time run now, whatever its priority. The thread that ran goes back to its queue.
    pub(crate) fn force(&mut self, thread: Ref<Thread>) {
        assert_eq!(self.mem[thread].state, State::Ready, "only a ready thread can run");
        if self.sched.current == Some(thread) {
            return;
        }
        assert!(self.mem[thread].queued, "only a thread with time can run");
        self.settle_time();
        if let Some(other) = self.sched.current.take()
            && self.mem[other].state == State::Ready
        {
            self.make_ready(other);
        }
        self.unqueue(thread);
        self.sched.current = Some(thread);
        let time = self.time_of(thread);
        self.sched.use_time(time);
        self.sched.slice_end = self.sched.stretch + self.machine.ticks_of_ms(super::SLICE_MS);
        self.set_timer();
    }

    /// What is wrong with the thread that runs and what it runs on, before user space is entered.
    pub(crate) fn check_current(&self) -> Result<(), String> {
        let sched = &self.sched;
        let Some(current) = sched.current else {
            return if sched.context.is_none() { Ok(()) } else { Err("nobody runs on some time".into()) };
        };
        let thread = &self.mem[current];
        let time = self.time_of(current);
        if thread.state != State::Ready || time.is_none() || time != sched.context {
            return Err(format!("{current:?} is {:?} and runs on {:?}, has {time:?}", thread.state, sched.context));
        }
        let context = &self.mem[sched.context.unwrap()];
        let mut end = sched.slice_end;
        if !context.unlimited() {
            end = end.min(sched.stretch + context.left);
        }
        end = end.min(self.sched.deadlines.first(&self.mem).unwrap_or(u64::MAX).max(self.sched.quiet));
        if self.machine.deadline > end {
            return Err(format!("the timer is set to {}, not to {end}", self.machine.deadline));
        }
        Ok(())
    }
}
