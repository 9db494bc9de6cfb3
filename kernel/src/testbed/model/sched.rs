//! Who runs; deadlines; Timers.

use abi::{ErrorCode, Kind, OutWord};

use super::{At, Call, Model, Next, Out, Place, State, refuse};

const INVOKE: u8 = 1;
const SIGNAL: u8 = 1;
const THREAD_CONTROL: u8 = 2;
/// 5 ms of the fake machine.
const SLICE: u64 = 5000;

pub fn timer_arm(m: &mut Model, call: &Call) -> Out {
    let [deadline, slot, bits, ..] = call.x;
    let timer = m.target(call, Kind::Timer, INVOKE)?;
    let named = m.slot(m.table_of(call.caller)?, slot, 2)?;
    let is_thread = m.in_slot(named).is_some_and(|name| m.caps[&name].kind == Kind::Thread);
    let source = if is_thread {
        m.get(call, slot, Kind::Thread, THREAD_CONTROL, 2)?
    } else {
        m.get(call, slot, Kind::Notification, SIGNAL, 2)?
    };
    if is_thread && bits != 0 {
        return refuse(ErrorCode::InvalidArgument, 3);
    }
    m.hold(Place::Timer(timer), Some(source));
    let object = m.timers.get_mut(&timer).expect("a Timer that exists");
    (object.deadline, object.bits, object.core) = (Some(deadline), bits, m.here);
    Ok(Next::Done)
}

pub fn timer_cancel(m: &mut Model, call: &Call) -> Out {
    let timer = m.target(call, Kind::Timer, INVOKE)?;
    m.clear_held(Place::Timer(timer));
    Ok(Next::Done)
}

impl Model {
    /// A thread may run as soon as it has time; it stands behind its equals.
    pub fn make_ready(&mut self, thread: At) {
        self.thread(thread).state = State::Ready;
        if self.core().current == Some(thread) || self.is_queued(thread) {
            return;
        }
        if self.can_run(thread) { self.enqueue(thread, false) } else { self.out_of_time(thread, false) }
    }

    /// Whether a thread has time; what is due comes back when nothing is left.
    fn can_run(&mut self, thread: At) -> bool {
        let Some(at) = self.time_of(thread) else { return false };
        let now = self.now;
        let time = self.time(at);
        if time.left == 0 {
            time.come_back(now);
        }
        time.left > 0
    }

    fn enqueue(&mut self, thread: At, front: bool) {
        let priority = self.threads[&thread].priority;
        let more_urgent = |other: &At| {
            let other = self.threads[other].priority;
            other > priority || other == priority && !front
        };
        let core = self.core_of(thread).unwrap_or(0);
        let ready = &self.cores[core].ready;
        let place = ready.iter().position(|other| !more_urgent(other)).unwrap_or(ready.len());
        self.cores[core].ready.insert(place, thread);
    }

    /// The core that a thread runs on: that of the time it has.
    fn core_of(&self, thread: At) -> Option<usize> {
        self.time_of(thread).map(|time| self.times[&time].core)
    }

    fn is_queued(&self, thread: At) -> bool {
        self.cores.iter().any(|core| core.ready.contains(&thread))
    }

    /// A thread stands in no queue any more, and no other core runs it.
    pub fn unqueue(&mut self, thread: At) {
        self.cores.iter_mut().for_each(|core| core.ready.retain(|&other| other != thread));
        let here = self.here;
        let others = self.cores.iter_mut().enumerate().filter(|&(core, _)| core != here);
        others.filter(|(_, core)| core.current == Some(thread)).for_each(|(_, core)| core.current = None);
    }

    fn someone_above(&self, priority: u8) -> bool {
        let first = self.cores[self.here].ready.first();
        first.is_some_and(|first| self.threads[first].priority > priority)
    }

    /// Carries out what a system call decided.
    pub fn finish(&mut self, caller: At, next: Next) {
        match next {
            Next::Done => self.end_call(caller, OutWord(0), 0),
            Next::Again => {
                if let Some(thread) = self.threads.get_mut(&caller) {
                    thread.pc = thread.pc.wrapping_sub(4);
                }
            }
            Next::Complete => {}
            Next::Switch(partner) => {
                let priority = self.threads[&partner].priority;
                if self.uses_time(partner) && !self.someone_above(priority) {
                    // Time went along with the message, and nobody is more urgent.
                    self.core().current = Some(partner);
                } else if self.can_run(partner) {
                    self.enqueue(partner, true);
                } else {
                    self.make_ready(partner);
                }
            }
        }
    }

    /// Before user space is entered: the thread that runs goes on, unless it cannot or another is more urgent. Says
    /// whether somebody runs.
    pub fn choose(&mut self) -> bool {
        let ready = |thread: &At| self.threads.get(thread).is_some_and(|thread| thread.state == State::Ready);
        let current = self.cores[self.here].current.filter(ready);
        if let Some(current) = current {
            let priority = self.threads[&current].priority;
            if self.uses_time(current) && !self.someone_above(priority) {
                return true;
            }
            self.charge();
            self.core().current = None;
            // What was not used up goes on first when its turn comes.
            if self.can_run(current) {
                let rest = self.time_of(current).is_some_and(|time| self.times[&time].slice > 0);
                self.enqueue(current, rest);
            } else {
                self.out_of_time(current, true);
            }
        }
        self.charge();
        (self.core().current, self.core().time) = (None, None);
        while let Some(&first) = self.core().ready.first() {
            self.unqueue(first);
            if self.can_run(first) {
                let time = self.time_of(first);
                let now = self.now;
                let slice = time.map(|time| &mut self.time(time).slice).expect("who can run has time");
                if *slice == 0 {
                    *slice = SLICE;
                }
                let end = now + *slice;
                let core = self.core();
                (core.current, core.time, core.slice_end) = (Some(first), time, end);
                return true;
            }
            self.out_of_time(first, false);
        }
        false
    }

    /// Deadlines that have come, the earliest first; equal ones as `ties` says. Returns how many ways there were.
    fn take_due(&mut self) -> Option<(Kind, At)> {
        let now = self.now;
        let timers = self.timers.iter().filter(|(_, timer)| timer.core == self.here);
        let timers = timers.filter_map(|(&at, timer)| Some((timer.deadline?, Kind::Timer, at)));
        let times = self.times.iter().filter(|(_, time)| time.core == self.here);
        let times = times.filter_map(|(&at, time)| Some((time.wakes?, Kind::SchedContext, at)));
        let due: Vec<_> = timers.chain(times).filter(|&(when, ..)| when <= now).collect();
        let first = due.iter().map(|&(when, ..)| when).min()?;
        let equal: Vec<_> = due.into_iter().filter(|&(when, ..)| when == first).collect();
        let (_, kind, at) = equal[self.ties as usize % equal.len()];
        self.ties /= equal.len() as u32;
        Some((kind, at))
    }

    /// In how many ways deadlines that have come can come one after the other.
    pub fn orders_of_due(&self) -> u32 {
        let mut due: Vec<u64> = self.deadlines(self.here).filter(|&when| when <= self.now).collect();
        due.sort_unstable();
        due.chunk_by(|a, b| a == b).map(|equal| (1..=equal.len() as u32).product::<u32>()).product()
    }

    /// The deadlines that a core looks after.
    pub fn deadlines(&self, core: usize) -> impl Iterator<Item = u64> {
        let timers = self.timers.values().filter(move |timer| timer.core == core);
        let times = self.times.values().filter(move |time| time.core == core);
        timers.filter_map(|timer| timer.deadline).chain(times.filter_map(|time| time.wakes))
    }

    /// The hardware timer fired.
    pub fn tick(&mut self) {
        self.charge();
        while let Some((kind, at)) = self.take_due() {
            match kind {
                Kind::Timer => self.timer_fired(at),
                _ => self.time_came_back(at),
            }
        }
        let (now, core) = (self.now, self.core());
        let (end, current) = (core.slice_end, core.current);
        let Some(thread) = current.filter(|thread| self.threads[thread].state == State::Ready) else {
            (self.core().current, self.core().time) = (None, None);
            return;
        };
        if !self.can_run(thread) {
            (self.core().current, self.core().time) = (None, None);
            self.out_of_time(thread, true);
        } else if now >= end {
            self.core().slice_end = now + SLICE;
            if let Some(time) = self.core().time {
                self.time(time).slice = SLICE;
            }
            let priority = self.threads[&thread].priority;
            let ready = &self.cores[self.here].ready;
            if ready.iter().any(|other| self.threads[other].priority == priority) {
                (self.core().current, self.core().time) = (None, None);
                self.enqueue(thread, false);
            }
        }
    }

    fn time_came_back(&mut self, at: At) {
        let now = self.now;
        let time = self.time(at);
        time.wakes = None;
        time.come_back(now);
        if let Some(holder) = self.holder(at) {
            self.time_came(holder);
        }
    }

    fn timer_fired(&mut self, at: At) {
        let timer = &self.timers[&at];
        let (bits, cap) = (timer.bits, timer.held.map(|name| self.caps[&name].clone()));
        self.clear_held(Place::Timer(at));
        match cap.expect("an armed Timer acts on something") {
            // The Timer may have held its last capability.
            cap if cap.kind == Kind::Notification && !self.notifications.contains_key(&cap.object) => {}
            cap if cap.kind == Kind::Notification => self.notify(cap.object, bits | cap.badge),
            cap => self.cancel_ipc(cap.object, ErrorCode::Cancelled),
        }
    }
}
