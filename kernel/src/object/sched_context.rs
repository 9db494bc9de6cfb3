//! SchedContext: the right to run, a budget in a sliding window. SchedControl: the right to fill it.

use abi::{ErrorCode, Kind, Rights, SyscallError};

use super::{Header, Reply, State, Thread};
use crate::deadline::{Node, Owner};
use crate::kernel::{Kernel, Next, Res};
use crate::mm::{Direct, Object, Ref};
use crate::syscall::Args;

/// Stretches that are still out.
const REFILLS: usize = 8;
/// Longest period: about 9 years at 1 GHz, and no sum of two times overflows.
const LONGEST: u64 = 1 << 58;

/// A stretch that comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refill {
    /// When.
    pub at: u64,
    /// How many ticks.
    pub amount: u64,
}

/// A SchedContext.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct SchedContext {
    /// Its place among the deadlines, while it waits for time.
    pub node: Node,
    /// Counts its capabilities.
    pub header: Header,
    /// Ticks in a window; 0: powerless.
    pub budget: u64,
    /// Ticks of the window.
    pub period: u64,
    /// Ticks it may still be run on now.
    pub left: u64,
    /// Ticks that servers used beyond what it had.
    pub debt: u64,
    /// For the fast path: whose it is if using it takes no more than to count what is used, see [`crate::arch::idle_word`].
    pub plain: u64,
    /// Ticks used since it was made. The fast path writes it together with the next.
    pub consumed: u64,
    /// Ticks of its slice that are left: who is interrupted goes on with them, so that equals take turns. 0: a new one.
    pub slice: u64,
    /// The call that its thread goes on with after the caller's time ended: the caller owes what is used.
    pub used_for: Option<Ref<Reply>>,
    /// What is out, by time; the first `out` of them.
    pub refills: [Refill; REFILLS],
    /// How many.
    pub out: u8,
    /// Running out is a fault.
    pub fault: bool,
    /// The core it is the right to run on.
    pub core: u8,
    /// The thread whose time it is. Who has it now is [`Kernel::holder`].
    pub home: Option<Ref<Thread>>,
}

impl Object for SchedContext {
    const KIND: Kind = Kind::SchedContext;
    // Without budget there is nothing behind the header.
    const BEGINS: core::ops::Range<usize> =
        0..(core::mem::offset_of!(SchedContext, header) + size_of::<Header>()).next_multiple_of(64);
}

impl SchedContext {
    /// A powerless one.
    pub const fn new() -> Self {
        Self {
            node: Node::new(Owner::Refill),
            header: Header::new(Kind::SchedContext),
            budget: 0,
            period: 0,
            left: 0,
            debt: 0,
            plain: 0,
            consumed: 0,
            slice: 0,
            used_for: None,
            refills: [Refill { at: 0, amount: 0 }; REFILLS],
            out: 0,
            fault: false,
            core: 0,
            home: None,
        }
    }

    /// Whether it never runs out.
    pub const fn unlimited(&self) -> bool {
        self.budget == self.period && self.budget != 0
    }

    /// A stretch of `used` ticks began at `start`: it comes back a period later. What was used beyond what was left is
    /// debt, so that `left` and what is out are the budget, always.
    pub fn charge(&mut self, start: u64, used: u64) {
        self.consumed += used;
        if self.unlimited() || used == 0 {
            return;
        }
        if usize::from(self.out) == REFILLS {
            // Before stretches become one, those that are due come back.
            self.refill(start + used);
        }
        let amount = used.min(self.left);
        self.left -= amount;
        self.debt = self.debt.saturating_add(used - amount);
        if amount > 0 {
            self.put_back(Refill { at: start + self.period, amount });
        }
    }

    fn put_back(&mut self, refill: Refill) {
        let out = usize::from(self.out);
        if let Some(last) = self.refills[..out].last_mut()
            && last.at + last.amount == refill.at
        {
            // The last stretch goes on.
            last.amount += refill.amount;
            return;
        }
        match self.refills.get_mut(out) {
            Some(place) => {
                *place = refill;
                self.out += 1;
                // What paid a debt is out for longer than what was used shortly before.
                for at in (1..=out).rev() {
                    if self.refills[at - 1].at <= self.refills[at].at {
                        break;
                    }
                    self.refills.swap(at - 1, at);
                }
            }
            None => {
                self.join_two();
                self.put_back(refill);
            }
        }
    }

    /// Two stretches become one, as if the first had been shortly before the second: what was used first comes back later, by
    /// the time between them, and nothing earlier. The two that lie closest.
    fn join_two(&mut self) {
        let gap = |pair: &[Refill]| pair[1].at.saturating_sub(pair[0].at + pair[0].amount);
        let pairs = self.refills.windows(2).enumerate();
        let Some((index, pair)) = pairs.min_by_key(|(_, pair)| gap(pair)) else { return };
        let at = pair[0].at.max(pair[1].at.saturating_sub(pair[0].amount));
        self.refills[index] = Refill { at, amount: pair[0].amount + pair[1].amount };
        self.refills.copy_within(index + 2.., index + 1);
        self.out -= 1;
    }

    /// Takes back what is due; debts are paid first, and what pays them is out for another period.
    pub fn refill(&mut self, now: u64) {
        while self.out > 0 && self.refills[0].at <= now {
            let Refill { amount, .. } = self.refills[0];
            self.out -= 1;
            for at in 0..usize::from(self.out) {
                self.refills[at] = self.refills[at + 1];
            }
            let paid = self.debt.min(amount);
            self.debt -= paid;
            self.left += amount - paid;
            if paid > 0 {
                self.put_back(Refill { at: now + self.period, amount: paid });
            }
        }
    }

    /// Whether a thread can run on it.
    pub const fn has_time(&self) -> bool {
        self.left > 0
    }
}

impl Default for SchedContext {
    fn default() -> Self {
        Self::new()
    }
}

fn bad(argument: u8) -> SyscallError {
    SyscallError::new(ErrorCode::InvalidArgument, argument)
}

/// Fills a SchedContext with time on the SchedControl's core: what it had and what is out begins anew.
///
/// # Rights
/// SchedControl. SchedContext: bind.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidArgument`: budget above the period, a period of 2^58 or more, unknown flags. `Busy`: a thread has it, and this
/// SchedControl is another core's.
pub fn configure(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let [context, budget, period, flags, ..] = args.words;
    let control = k.get_slot(caller, args.target(), Kind::SchedControl, Rights::INVOKE, 0)?;
    let (context, _) = k.get::<SchedContext>(caller, context, Rights::SCHED_BIND, 1)?;
    if budget > period {
        return Err(bad(2));
    }
    if period >= LONGEST {
        return Err(bad(3));
    }
    if flags > 1 {
        return Err(bad(4));
    }
    let core = k.mem[control].cap.object as u8;
    let before = k.mem[context].core;
    if core != before && k.mem[context].home.is_some() {
        return Err(SyscallError::new(ErrorCode::Busy, 1));
    }
    k.settle_core(before.into());
    k.forget_refill(context);
    if core != before {
        // A core that was stopped while it used this may not have looked yet.
        k.forget_context(context);
    }
    let object = &mut k.mem[context];
    object.core = core;
    (object.budget, object.period, object.left, object.fault) = (budget, period, budget, flags == 1);
    (object.out, object.debt) = (0, 0);
    k.set_plain(context);
    k.time_changed(context);
    Ok(Next::Done)
}

/// Gives a thread this time: it runs on it whenever it has no other.
///
/// # Rights
/// SchedContext: bind. Thread: control.
/// # Returns
/// Nothing.
/// # Errors
/// `Busy`: the SchedContext has a thread, or the thread has a SchedContext.
pub fn bind(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (context, _) = k.get::<SchedContext>(caller, args.target(), Rights::SCHED_BIND, 0)?;
    let (thread, _) = k.get::<Thread>(caller, args.words[0], Rights::CONTROL, 1)?;
    if k.mem[context].home.is_some() {
        return Err(SyscallError::new(ErrorCode::Busy, 0));
    }
    if k.mem[thread].home.is_some() {
        return Err(SyscallError::new(ErrorCode::Busy, 1));
    }
    k.give_home(context, thread);
    Ok(Next::Done)
}

/// Takes the thread's own time away. Whoever runs on it goes on with what else it has.
///
/// # Rights
/// SchedContext: bind.
/// # Returns
/// Nothing.
/// # Errors
/// Those of the look-up.
pub fn unbind(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (context, _) = k.get::<SchedContext>(caller, args.target(), Rights::SCHED_BIND, 0)?;
    k.settle_core(k.mem[context].core.into());
    k.take_home(context);
    Ok(Next::Done)
}

/// How much was used.
///
/// # Rights
/// SchedContext: read.
/// # Returns
/// x0: ticks used since it was made.
/// # Errors
/// Those of the look-up.
pub fn consumed(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (context, _) = k.get::<SchedContext>(caller, args.target(), Rights::SCHED_READ, 0)?;
    k.settle_core(k.mem[context].core.into());
    let consumed = k.mem[context].consumed;
    Ok(k.answer_one(caller, consumed))
}

impl Kernel {
    /// The heap node of a SchedContext: its first field.
    pub(crate) fn refill_node(context: Ref<SchedContext>) -> Ref<Node> {
        Ref::from_number(context.number()).expect("a reference is never 0")
    }

    /// Says for which call a thread uses its own time.
    fn use_for(&mut self, context: Ref<SchedContext>, call: Option<Ref<Reply>>) {
        self.mem[context].used_for = call;
        self.set_plain(context);
    }

    /// What the fast path must know of it: see [`SchedContext::plain`].
    pub(crate) fn set_plain(&mut self, context: Ref<SchedContext>) {
        self.mem[context].plain = self.plain_word(context);
    }

    /// What [`SchedContext::plain`] has to be.
    pub(crate) fn plain_word(&self, context: Ref<SchedContext>) -> u64 {
        let object = &self.mem[context];
        let plain = object.unlimited() && object.used_for.is_none();
        if plain { crate::arch::idle_word(object.core.into()) } else { 0 }
    }

    fn forget_refill(&mut self, context: Ref<SchedContext>) {
        let sched = self.sched.of_mut(self.mem[context].core.into());
        sched.deadlines.remove(&mut self.mem, Self::refill_node(context));
    }

    /// The time a thread has: what came with the call it serves, unless that ended and it goes on with its own; else its own.
    /// `None`: it has none, or it lent what it had and waits for the answer. A thread without time of its own that takes
    /// another message goes on with that of a call it still owes.
    pub fn time_of(&self, thread: Ref<Thread>) -> Option<Ref<SchedContext>> {
        let Thread { state, home, reply, debts, .. } = self.mem[thread];
        if let State::AwaitingReply(reply) = state
            && self.mem[reply].time.is_some()
        {
            return None;
        }
        let given = reply.and_then(|reply| self.mem[reply].time);
        match (given, home) {
            (Some(time), None) => Some(time.into()),
            (Some(time), Some(home)) if self.mem[home].used_for != reply => Some(time.into()),
            (_, Some(home)) => Some(home),
            // Those that brought time come first.
            (None, None) => debts.and_then(|debt| self.mem[debt].time).map(Ref::from),
        }
    }

    /// Who has a SchedContext: the last it was lent to through calls that are not answered, else the thread whose it is.
    pub fn holder(&self, context: Ref<SchedContext>) -> Option<Ref<Thread>> {
        self.holder_from(self.mem[context].home?, context)
    }

    /// [`Self::holder`], where that is this thread or one that it came to through this one.
    fn holder_from(&self, mut holder: Ref<Thread>, context: Ref<SchedContext>) -> Option<Ref<Thread>> {
        while let State::AwaitingReply(reply) = self.mem[holder].state
            && self.mem[reply].time == Some(context.into())
        {
            holder = self.mem[reply].receiver?;
        }
        (self.time_of(holder) == Some(context)).then_some(holder)
    }

    /// A thread that stands in no queue, nor runs, has other time: it goes on, if it can.
    pub(crate) fn time_came(&mut self, thread: Ref<Thread>) {
        if self.mem[thread].state == State::Ready {
            self.make_ready(thread);
        }
    }

    /// Makes `context` the own time of `thread`.
    pub(crate) fn give_home(&mut self, context: Ref<SchedContext>, thread: Ref<Thread>) {
        // What came with the call it serves goes first; before that of older calls it has its own.
        let counts = self.mem[thread].reply.is_none_or(|reply| self.mem[reply].time.is_none());
        if counts {
            self.unqueue(thread);
        }
        self.mem[context].home = Some(thread);
        self.mem[thread].home = Some(context);
        if counts {
            self.time_came(thread);
        }
    }

    /// Budget or refills changed from outside; no refill waits.
    fn time_changed(&mut self, context: Ref<SchedContext>) {
        let core = self.mem[context].core.into();
        if core != self.sched.own() || self.sched.time_in_use() == Some(context) {
            self.timer_stale(core);
        }
        if let Some(holder) = self.holder(context) {
            self.unqueue(holder);
            self.time_came(holder);
        }
    }

    /// The thread of a SchedContext has it no more, nor has anyone it was lent to: whoever runs on it goes on with what
    /// else it has.
    pub(crate) fn take_home(&mut self, context: Ref<SchedContext>) {
        let holder = self.holder(context);
        if let Some(holder) = holder {
            self.unqueue(holder);
        }
        if let Some(home) = self.mem[context].home.take() {
            if let State::AwaitingReply(reply) = self.mem[home].state
                && self.mem[reply].time == Some(context.into())
            {
                self.take_time_back(reply.into());
            }
            self.mem[home].home = None;
        }
        self.use_for(context, None);
        if let Some(holder) = holder {
            self.time_came(holder);
        }
    }

    /// The last capability is gone.
    pub(crate) fn sched_context_dropped(&mut self, context: Ref<SchedContext>) {
        self.settle_core(self.mem[context].core.into());
        self.forget_refill(context);
        self.take_home(context);
        self.forget_context(context);
    }

    /// The time that came through `reply` is its caller's again; those it was lent to further lose it too: their callers
    /// had it from this one.
    fn take_time_back(&mut self, reply: Ref<Reply>) {
        let time = self.take_time(reply);
        let mut at = self.mem[reply].receiver;
        while let Some(receiver) = at
            && let State::AwaitingReply(newer) = self.mem[receiver].state
            && time.is_some()
            && self.mem[newer].time == time
        {
            self.take_time(newer.into());
            at = self.mem[newer].receiver;
        }
    }

    /// Ticks that a thread without time waits at least.
    pub(crate) fn crumbs(&self) -> u64 {
        self.machine.ticks_of_ms(1) / 50
    }

    /// A thread that is ready has no time left. `running`: it was using it, and running out may be a fault.
    pub(crate) fn out_of_time(&mut self, thread: Ref<Thread>, running: bool) {
        self.unqueue(thread);
        let Some(context) = self.time_of(thread) else { return };
        if let Some(own) = self.mem[thread].home
            && own != context
        {
            // The call is in debt from now on.
            self.use_for(own, self.mem[thread].reply);
            return self.time_came(thread);
        }
        let object = &self.mem[context];
        if object.out > 0 {
            // Time that comes back in crumbs is taken up together: nobody's budget keeps the kernel busy.
            let next = object.refills[0].at.max(self.machine.now() + self.crumbs());
            self.forget_refill(context);
            let core = self.mem[context].core.into();
            self.sched.of_mut(core).deadlines.add(&mut self.mem, Self::refill_node(context), next);
            self.timer_stale(core);
        }
        if running && self.mem[context].fault && !self.mem[thread].fault.is_some() {
            crate::fault::timeout(self, thread);
        }
    }

    /// Time came back.
    pub(crate) fn refilled(&mut self, context: Ref<SchedContext>, now: u64) {
        self.mem[context].refill(now);
        if let Some(holder) = self.holder(context)
            && !self.mem[holder].queued
        {
            self.time_came(holder);
        }
    }

    /// A call was taken: the caller's time goes along, even when nothing of it is left: the receiver's own is the reserve.
    pub(crate) fn donate(&mut self, reply: Ref<Reply>, time: Option<Ref<SchedContext>>, receiver: Ref<Thread>) {
        self.mem[reply].time = time.map(Direct::from);
        if self.sched.current() == Some(receiver) {
            // It goes on, but on other time.
            self.forget_loaded();
        }
    }

    /// A call ends: the time that came through `reply` goes back to its caller, wherever it is now, and the debt is written
    /// down.
    pub(crate) fn give_back(&mut self, reply: Ref<Reply>) {
        let Reply { receiver, time, .. } = self.mem[reply];
        // Not from the owner on: the calls that lie around this one may be many.
        let holder = receiver.zip(time).and_then(|(receiver, time)| self.holder_from(receiver, time.into()));
        if let Some(holder) = holder {
            self.unqueue(holder);
        }
        if let Some(own) = receiver.and_then(|receiver| self.mem[receiver].home)
            && self.mem[own].used_for == Some(reply)
        {
            self.settle_core(self.mem[own].core.into());
            self.use_for(own, None);
        }
        let debt = core::mem::take(&mut self.mem[reply].debt);
        if debt > 0
            && let Some(time) = time
            && !self.mem[time].unlimited()
        {
            self.mem[time].debt = self.mem[time].debt.saturating_add(debt);
        }
        self.take_time_back(reply);
        if let Some(holder) = holder {
            self.time_came(holder);
        }
    }

    /// A thread is about to take another message. What it uses from now on is its own affair.
    pub(crate) fn end_debt(&mut self, thread: Ref<Thread>) {
        if let Some(own) = self.mem[thread].home
            && self.mem[own].used_for.is_some()
        {
            self.settle_time();
            self.use_for(own, None);
        }
    }

    /// A thread is dead: what was its own is free.
    pub(crate) fn leave_time(&mut self, thread: Ref<Thread>) {
        if let Some(home) = self.mem[thread].home.take() {
            self.mem[home].home = None;
            self.use_for(home, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(budget: u64, period: u64) -> SchedContext {
        SchedContext { budget, period, left: budget, ..SchedContext::new() }
    }

    /// Ticks of the stretches that lie in a window.
    fn within(stretches: &[(u64, u64)], window: core::ops::Range<u64>) -> u64 {
        let part =
            |&(start, ticks): &(u64, u64)| (start + ticks).min(window.end).saturating_sub(start.max(window.start));
        stretches.iter().map(part).sum()
    }

    /// Random use, in pieces: in no window of a period is more used than the budget.
    #[test]
    fn never_more_than_the_budget_in_any_window() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        for round in 0..600 {
            // Short periods and long ones.
            let scale = if round % 2 == 0 { 1 } else { 500 };
            let period = (10 + random(200)) * scale;
            let mut time = context(1 + random(period - 1), period);
            let (mut now, mut used) = (0, Vec::new());
            for _ in 0..400 {
                now += random(20) * [1, 1, scale][random(3) as usize];
                time.refill(now);
                let stretch = random(1 + time.left.min(15 * scale));
                time.charge(now, stretch);
                used.push((now, stretch));
                now += stretch;
            }
            for (index, &(start, ticks)) in used.iter().enumerate() {
                for start in [start, start + ticks / 2] {
                    let most = within(&used[index..], start..start + period);
                    assert!(most <= time.budget, "{most} of {} in a window of {period}", time.budget);
                }
            }
            let out: u64 = time.refills[..time.out.into()].iter().map(|refill| refill.amount).sum();
            assert_eq!(time.left + out, time.budget);
        }
    }

    /// Each end of a budget is noticed a little late, and what follows begins a little late: it has its share nevertheless.
    #[test]
    fn a_thread_that_always_runs_has_its_share() {
        for (budget, period) in [(6_250, 62_500), (1_000, 10_000), (30_000, 62_500)] {
            let mut time = context(budget, period);
            let mut now = 0;
            while now < 1000 * period {
                time.refill(now);
                let stretch = time.left + 60;
                time.charge(now, stretch);
                now = (now + stretch).max(time.refills[0].at) + 90;
            }
            let wanted = now * budget / period;
            assert!(time.consumed.abs_diff(wanted) <= wanted / 50, "{} of {wanted}", time.consumed);
        }
    }

    /// A more urgent thread on a budget cuts another's time into ever smaller pieces: it has its share nevertheless.
    #[test]
    fn a_thread_that_is_cut_into_pieces_has_its_share() {
        for (late, urgent, other) in
            [(40, (300, 1000), (2000, 5000)), (25, (70, 350), (900, 3100)), (9, (11, 97), (400, 1700))]
        {
            let [mut first, mut second] = [urgent, other].map(|(budget, period)| context(budget * 60, period * 60));
            let (mut now, whole) = (0, 4000 * second.period);
            while now < whole {
                first.refill(now);
                second.refill(now);
                let next =
                    |time: &SchedContext| time.refills[..time.out.into()].first().map_or(u64::MAX, |refill| refill.at);
                let start = now;
                if first.has_time() {
                    now += first.left + late;
                    first.charge(start, now - start);
                } else if second.has_time() {
                    now = (now + second.left).min(next(&first)) + late;
                    second.charge(start, now - start);
                } else {
                    now = next(&first).min(next(&second)) + late;
                }
            }
            let wanted = whole * other.0 / other.1;
            assert!(second.consumed.abs_diff(wanted) <= wanted / 50, "{} of {wanted}", second.consumed);
        }
    }

    #[test]
    fn what_is_used_beyond_the_budget_is_debt() {
        let mut time = context(10, 100);
        time.charge(0, 4);
        time.charge(50, 9);
        assert_eq!((time.left, time.debt, time.consumed), (0, 3, 13));
        time.refill(100);
        assert_eq!((time.left, time.debt), (1, 0));
        time.refill(150);
        assert_eq!(time.left, 7);
        time.refill(200);
        assert_eq!((time.left, time.out), (10, 0));
    }

    /// While a stretch is charged, debts are paid of what is due: those payments come back after the stretch.
    #[test]
    fn what_is_out_stands_in_the_order_in_which_it_comes_back() {
        let mut time = context(50, 100);
        (0..8).for_each(|piece| time.charge(piece * 2, 1));
        time.debt = 3;
        time.charge(99, 20);
        let out = &time.refills[..time.out.into()];
        assert!(out.is_sorted_by_key(|refill| refill.at) && out[0] == Refill { at: 199, amount: 20 }, "{out:?}");
    }

    #[test]
    fn a_stretch_in_pieces_is_one() {
        let mut time = context(50, 100);
        (0..20).for_each(|piece| time.charge(piece * 2, 2));
        assert_eq!((time.out, time.refills[0]), (1, Refill { at: 100, amount: 40 }));
    }

    /// A thread that seldom runs does not find its time all in one late refill.
    #[test]
    fn what_is_due_comes_back_before_stretches_become_one() {
        let mut time = context(50, 100);
        for round in 0..1000 {
            time.charge(round * 200, 5);
            assert!(time.left >= 10, "{} left in round {round}", time.left);
        }
    }

    #[test]
    fn debts_are_paid_from_refills() {
        let mut time = context(10, 100);
        time.charge(0, 10);
        time.debt = 4;
        time.refill(100);
        assert_eq!((time.left, time.debt), (6, 0));
        time.refill(199);
        assert_eq!(time.left, 6);
        time.refill(200);
        assert_eq!(time.left, 10);
    }

    #[test]
    fn unlimited_never_runs_out() {
        let mut time = context(100, 100);
        time.charge(5, 1000);
        assert_eq!((time.left, time.out, time.consumed), (100, 0, 1000));
    }
}
