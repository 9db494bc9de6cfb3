//! Kernel and model side by side: each step on both, then everything is compared.

use abi::Kind;

use super::compare::{Comparison, Same, fill};
use super::{Model, Stop};
use crate::testbed::bed::{BEHIND, Bed};
use crate::testbed::step::{Done, Event, Step, TOUCH_SYNDROME};

/// Small steps that a long operation takes at most before it makes way.
const PATIENCE: u32 = 20_000;

/// A kernel and its model.
pub struct Duel {
    pub bed: Bed,
    pub model: Model,
    comparison: Comparison,
}

impl Duel {
    /// Both as they are after boot.
    pub fn new(bed: Bed) -> Self {
        let model = Model::of_boot(&bed);
        Self { bed, model, comparison: Comparison::new() }
    }

    /// One step on both; says what differs afterwards.
    pub fn step(&mut self, step: &Step) -> Same {
        let Some(done) = self.bed.take(step) else { return Ok(()) };
        let model = &mut self.model;
        model.here = step.core;
        model.now = self.bed.k.machine.clock;
        match step.event {
            Event::Call(_) | Event::Again => self.system_call(step, &done)?,
            Event::Fault(kind, address, syndrome) => {
                let current = model.core().current.expect("who faults runs");
                model.fault(current, kind, address, syndrome);
                self.leave()?;
            }
            Event::Interrupt(line) => {
                model.line_fires(line);
                self.leave()?;
            }
            Event::Pass(_) | Event::Tick => self.tick()?,
            Event::Touch(address) => {
                let current = model.core().current.expect("who touches runs");
                model.touch(current, address, TOUCH_SYNDROME);
                self.leave()?;
            }
            Event::Compute(value) => {
                let current = model.core().current.expect("who computes runs");
                let found = done.vectors.as_deref().map(|found| &found[..]);
                let wanted = model.threads[&current].vectors;
                if found.is_some_and(|found| found != wanted) {
                    return Err(format!("a thread finds {found:x?} in its vector registers, not {wanted:x?}"));
                }
                if found.is_some() != model.compute(current, value) {
                    return Err("vector registers: allowed or not?".into());
                }
                self.leave()?;
            }
            Event::Look => self.leave()?,
            Event::Late(_) | Event::Preempt(_) => {}
        }
        fill(&mut self.bed.k, &mut self.model);
        self.bed.try_check(step.event.is_deep())
    }

    fn compare(&mut self) -> Same {
        // A Reserve that is being given up begins anywhere behind the pages that it lost already.
        let tied = |cap: &super::Cap| cap.kind == Kind::Reserve;
        let ranges: Vec<_> = self.model.caps.iter().filter(|(_, cap)| tied(cap)).map(|(&name, _)| name).collect();
        for name in ranges {
            let start = super::compare::range_starts(&self.bed.k, self.model.caps[&name].place);
            self.model.begin_range_at(name, start);
        }
        self.comparison.compare(&self.bed.k, &self.model)
    }

    /// The running thread's system call. If the kernel made way in the middle of it, it is somewhere in the middle of it.
    fn system_call(&mut self, step: &Step, done: &Done) -> Same {
        let caller = self.model.core().current.ok_or("the model has nobody running")?;
        if let Event::Call(call) = &step.event
            && !self.model.makes_again(caller)
        {
            self.model.prepare(caller, call);
        }
        if let Some(thread) = self.model.threads.get_mut(&caller) {
            thread.pc = BEHIND;
        }
        self.model.oracle = done.first;
        if !done.made_way {
            self.model.system_call(caller, None);
            return if self.model.buries { self.leave_after_burial() } else { self.leave() };
        }

        let (start, mut differs) = (self.model.clone(), String::new());
        // What it did may be invisible yet: memory that is zeroed.
        self.model.finish(caller, super::Next::Again);
        for steps in 0..PATIENCE {
            match self.leave() {
                Ok(()) => return Ok(()),
                Err(text) => differs = text,
            }
            self.model = start.clone();
            if !self.model.system_call(caller, Some(steps)) {
                return Err(format!("the kernel made way where the model came to the end; {differs}"));
            }
        }
        Err(format!("the kernel made way where the model never does; {differs}"))
    }

    /// Back to user space. An idle core takes dead objects apart, as far as nothing interrupts it.
    fn leave(&mut self) -> Same {
        if self.model.dying.is_empty() {
            self.model.choose();
            return self.compare();
        }
        let mut before = self.model.clone();
        if self.model.choose() {
            return self.compare();
        }
        // Mostly nothing interrupts it.
        self.model.bury().expect("nothing interrupts the model");
        self.model.choose_after_burial();
        let Err(differs) = self.compare() else { return Ok(()) };
        before.choose();
        for steps in 0..PATIENCE {
            self.model = before.clone();
            let done = self.model.bury_a_little(steps);
            self.model.choose_after_burial();
            match self.compare() {
                Ok(()) => return Ok(()),
                Err(_) if done.is_ok() => break,
                Err(_) => {}
            }
        }
        Err(differs)
    }

    /// The dead were taken apart, unless something interrupted that.
    fn leave_after_burial(&mut self) -> Same {
        let before = self.model.clone();
        self.model.bury().expect("nothing interrupts the model");
        if self.leave().is_ok() {
            return Ok(());
        }
        self.model = before;
        self.leave_after_some_burial()
    }

    /// Some of the dead were taken apart.
    fn leave_after_some_burial(&mut self) -> Same {
        let before = self.model.clone();
        let Err(differs) = self.leave() else { return Ok(()) };
        for steps in 0..PATIENCE {
            self.model = before.clone();
            let done = self.model.bury_a_little(steps);
            match self.leave() {
                Ok(()) => return Ok(()),
                Err(text) if done.is_ok() => return Err(format!("{differs}; or, with the dead taken apart, {text}")),
                Err(_) => {}
            }
        }
        Err(differs)
    }

    /// The timer fires. Deadlines at the same tick may come in any order, and some of the dead are taken apart.
    fn tick(&mut self) -> Same {
        let before = self.model.clone();
        let mut differs = None;
        for ties in 0..before.orders_of_due() {
            self.model = Model { ties, ..before.clone() };
            self.model.tick();
            if self.model.dying.is_empty() {
                match self.leave() {
                    Ok(()) => return Ok(()),
                    Err(text) => differs.get_or_insert(text),
                };
                continue;
            }
            match self.leave_after_some_burial() {
                Ok(()) => return Ok(()),
                Err(text) => differs.get_or_insert(text),
            };
        }
        Err(differs.expect("there is at least one order"))
    }
}

impl Model {
    /// A few steps of taking the dead apart; `Ok` when nothing is left.
    fn bury_a_little(&mut self, steps: u32) -> Result<(), Stop> {
        self.fuel = Some(steps);
        let out = self.bury();
        self.fuel = None;
        out
    }

    /// Whoever was woken by the burial runs.
    fn choose_after_burial(&mut self) {
        self.choose();
    }

    /// What the program of a thread does before a system call: registers, and its message page.
    fn prepare(&mut self, thread: super::At, call: &crate::testbed::step::Call) {
        if let (Some(page), Some(place)) = (&call.page, self.page_of(thread)) {
            page.words().for_each(|(offset, word)| self.write_word(place + offset, word));
        }
        self.thread(thread).x = call.registers();
    }

    /// The objects that exist, by kind, and the lines that may fire.
    pub fn census(&self) -> Vec<(Kind, usize)> {
        vec![
            (Kind::CapTable, self.tables.len()),
            (Kind::Thread, self.threads.len()),
            (Kind::Endpoint, self.endpoints.len()),
            (Kind::Reply, self.replies.len()),
            (Kind::Notification, self.notifications.len()),
            (Kind::AddressSpace, self.spaces.len()),
            (Kind::SchedContext, self.times.len()),
            (Kind::Irq, self.irqs.len()),
            (Kind::Timer, self.timers.len()),
            (Kind::Trace, self.rings.len()),
            (Kind::Untyped, self.caps.values().filter(|cap| cap.kind == Kind::Untyped).count()),
        ]
    }
}
