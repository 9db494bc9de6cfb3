//! SchedContext: a budget in a sliding window, lent along with calls.

use abi::{ErrorCode, Kind};

use super::{At, Call, Model, Next, Out, State, Time, refuse};

const CONTROL_INVOKE: u8 = 1;
const BIND: u8 = 1;
const READ: u8 = 2;
const THREAD_CONTROL: u8 = 2;
/// Stretches that are remembered one by one.
const STRETCHES: usize = 8;
/// Who has no time left waits at least so long.
const CRUMBS: u64 = 20;

pub fn configure(m: &mut Model, call: &Call) -> Out {
    let [context, budget, period, flags, ..] = call.x;
    let control = m.get(call, call.target, Kind::SchedControl, CONTROL_INVOKE, 0)?;
    let at = m.object(call, context, Kind::SchedContext, BIND, 1)?;
    if budget > period {
        return refuse(ErrorCode::InvalidArgument, 2);
    }
    if period >= 1 << 58 {
        return refuse(ErrorCode::InvalidArgument, 3);
    }
    if flags > 1 {
        return refuse(ErrorCode::InvalidArgument, 4);
    }
    let core = m.caps[&control].object as usize;
    if m.times[&at].core != core && m.times[&at].home.is_some() {
        return refuse(ErrorCode::Busy, 1);
    }
    m.charge_for(at);
    if m.times[&at].core != core {
        // A core that used it for somebody who lost it uses it no more.
        m.cores.iter_mut().filter(|core| core.time == Some(at)).for_each(|core| core.time = None);
    }
    let time = m.time(at);
    time.core = core;
    (time.budget, time.period, time.left, time.fault) = (budget, period, budget, flags == 1);
    (time.debt, time.wakes) = (0, None);
    time.out.clear();
    // Whoever has it may run now, or may not any more.
    if let Some(holder) = m.holder(at) {
        m.unqueue(holder);
        m.time_came(holder);
    }
    Ok(Next::Done)
}

pub fn bind(m: &mut Model, call: &Call) -> Out {
    let time = m.target(call, Kind::SchedContext, BIND)?;
    let thread = m.object(call, call.x[0], Kind::Thread, THREAD_CONTROL, 1)?;
    if m.times[&time].home.is_some() {
        return refuse(ErrorCode::Busy, 0);
    }
    if m.threads[&thread].home.is_some() {
        return refuse(ErrorCode::Busy, 1);
    }
    // What came with the call it serves goes first; before that of older calls it has its own.
    let counts = m.threads[&thread].reply.is_none_or(|reply| m.replies[&reply].time.is_none());
    if counts {
        m.unqueue(thread);
    }
    m.time(time).home = Some(thread);
    m.thread(thread).home = Some(time);
    if counts {
        m.time_came(thread);
    }
    Ok(Next::Done)
}

pub fn unbind(m: &mut Model, call: &Call) -> Out {
    let time = m.target(call, Kind::SchedContext, BIND)?;
    m.charge_for(time);
    m.take_home(time);
    Ok(Next::Done)
}

pub fn consumed(m: &mut Model, call: &Call) -> Out {
    let time = m.target(call, Kind::SchedContext, READ)?;
    m.charge_for(time);
    let ticks = m.times[&time].consumed;
    Ok(m.answer_one(call.caller, ticks))
}

impl Time {
    pub fn unlimited(&self) -> bool {
        self.budget != 0 && self.budget == self.period
    }

    /// It was used from `start` on for some ticks, which come back a period after they began to be used. What was used
    /// beyond what was left is debt.
    pub fn charge(&mut self, start: u64, ticks: u64) {
        self.consumed += ticks;
        if self.unlimited() || ticks == 0 {
            return;
        }
        if self.out.len() == STRETCHES {
            self.come_back(start + ticks);
        }
        let covered = ticks.min(self.left);
        self.left -= covered;
        self.debt = self.debt.saturating_add(ticks - covered);
        if covered > 0 {
            self.goes_out(start + self.period, covered);
        }
    }

    fn goes_out(&mut self, when: u64, ticks: u64) {
        let room = self.out.len() < STRETCHES;
        match self.out.last_mut() {
            // The last stretch goes on.
            Some(last) if last.0 + last.1 == when => last.1 += ticks,
            // No room: the two that lie closest become one, as if the first had been just before the second.
            Some(_) if !room => {
                let gap = |at: usize| self.out[at + 1].0.saturating_sub(self.out[at].0 + self.out[at].1);
                let first = (0..STRETCHES - 1).min_by_key(|&at| gap(at)).expect("there are several");
                let (second, more) = self.out.remove(first + 1);
                let (begins, amount) = &mut self.out[first];
                *begins = second.saturating_sub(*amount).max(*begins);
                *amount += more;
                self.goes_out(when, ticks);
            }
            _ => {
                self.out.push((when, ticks));
                self.out.sort_by_key(|&(when, _)| when);
            }
        }
    }

    /// What is due comes back; debts are paid of it, and the payment is out for another period.
    pub fn come_back(&mut self, now: u64) {
        while let Some(&(when, ticks)) = self.out.first()
            && when <= now
        {
            self.out.remove(0);
            let paid = ticks.min(self.debt);
            self.debt -= paid;
            self.left += ticks - paid;
            if paid > 0 {
                self.goes_out(now + self.period, paid);
            }
        }
    }
}

impl Model {
    pub fn time(&mut self, at: At) -> &mut Time {
        self.times.get_mut(&at).expect("a SchedContext that exists")
    }

    /// The time that is being used is charged up to now, on the account of a caller if it is used for one. That happens
    /// before anything changes that it depends on, when somebody asks, and when somebody else begins; not earlier.
    pub fn charge(&mut self) {
        self.charge_core(self.here);
    }

    /// As [`Self::charge`], on the core of this time.
    pub fn charge_for(&mut self, time: At) {
        self.charge_core(self.times[&time].core);
    }

    fn charge_core(&mut self, core: usize) {
        let (now, core) = (self.now, &mut self.cores[core]);
        let since = core::mem::replace(&mut core.since, now);
        let Some(at) = core.time else { return };
        let time = self.time(at);
        time.slice = time.slice.saturating_sub(now - since);
        time.charge(since, now - since);
        if let Some(reply) = self.times[&at].used_for {
            self.reply(reply).debt += now - since;
        }
    }

    /// What a thread has to run on: what came with the call it serves, unless that ended and it goes on with its own; else
    /// its own; else what came with a call that it still owes. Nothing, if it lent what it had.
    pub fn time_of(&self, thread: At) -> Option<At> {
        let super::Thread { state, home, reply, ref debts, .. } = self.threads[&thread];
        if let State::AwaitingReply(reply) = state
            && self.replies[&reply].time.is_some()
        {
            return None;
        }
        let came = reply.and_then(|reply| self.replies[&reply].time);
        match (came, home) {
            (Some(came), Some(home)) if self.times[&home].used_for != reply => Some(came),
            (_, Some(home)) => Some(home),
            (Some(came), None) => Some(came),
            (None, None) => debts.iter().find_map(|debt| self.replies[debt].time),
        }
    }

    /// Who has a SchedContext: from the thread whose it is, along the calls it was lent through.
    pub fn holder(&self, time: At) -> Option<At> {
        let mut holder = self.times[&time].home?;
        while let State::AwaitingReply(reply) = self.threads[&holder].state
            && self.replies[&reply].time == Some(time)
        {
            holder = self.replies[&reply].receiver?;
        }
        (self.time_of(holder) == Some(time)).then_some(holder)
    }

    /// Whether a thread has what is being used.
    pub fn uses_time(&self, thread: At) -> bool {
        let used = self.cores[self.here].time;
        used.is_some() && self.time_of(thread) == used
    }

    /// A thread that could not run may have time now.
    pub fn time_came(&mut self, thread: At) {
        if self.threads[&thread].state == State::Ready {
            self.make_ready(thread);
        }
    }

    /// The time that came through a call is its caller's again, and those that had it from there have it no more.
    fn take_back(&mut self, reply: At) {
        let Some(time) = self.take_time(reply) else { return };
        let mut at = self.replies[&reply].receiver;
        while let Some(receiver) = at
            && let State::AwaitingReply(newer) = self.threads[&receiver].state
            && self.replies[&newer].time == Some(time)
        {
            self.take_time(newer);
            at = self.replies[&newer].receiver;
        }
    }

    /// A call that is owed and has no time any more is the last of those.
    fn take_time(&mut self, reply: At) -> Option<At> {
        let time = self.reply(reply).time.take()?;
        if let Some(receiver) = self.replies[&reply].receiver {
            let debts = &mut self.thread(receiver).debts;
            if let Some(place) = debts.iter().position(|&debt| debt == reply) {
                debts.remove(place);
                debts.push(reply);
            }
        }
        Some(time)
    }

    /// Nobody's time any more: whoever runs on it goes on with what else it has.
    pub fn take_home(&mut self, at: At) {
        let holder = self.holder(at);
        holder.into_iter().for_each(|holder| self.unqueue(holder));
        if let Some(home) = self.time(at).home.take() {
            if let State::AwaitingReply(reply) = self.threads[&home].state
                && self.replies[&reply].time == Some(at)
            {
                self.take_back(reply);
            }
            self.thread(home).home = None;
        }
        self.time(at).used_for = None;
        holder.into_iter().for_each(|holder| self.time_came(holder));
    }

    /// A call ends: its time is the caller's again, and what the receiver used of its own meanwhile is owed.
    pub fn give_back(&mut self, reply: At) {
        let super::Reply { receiver, time, .. } = self.replies[&reply];
        let holder = time.and_then(|time| self.holder(time));
        holder.into_iter().for_each(|holder| self.unqueue(holder));
        if let Some(own) = receiver.and_then(|receiver| self.threads[&receiver].home)
            && self.times[&own].used_for == Some(reply)
        {
            self.end_debt(own);
        }
        let debt = core::mem::take(&mut self.reply(reply).debt);
        if let Some(time) = time.map(|time| self.time(time)).filter(|time| !time.unlimited()) {
            time.debt = time.debt.saturating_add(debt);
        }
        self.take_back(reply);
        holder.into_iter().for_each(|holder| self.time_came(holder));
    }

    /// A thread is about to take another message: what it uses is its own affair from now on.
    pub fn ends_debt(&mut self, thread: At) {
        if let Some(home) = self.threads[&thread].home.filter(|home| self.times[home].used_for.is_some()) {
            self.end_debt(home);
        }
    }

    fn end_debt(&mut self, own: At) {
        self.charge_for(own);
        self.time(own).used_for = None;
    }

    /// A dead thread has no time of its own.
    pub fn leave_time(&mut self, thread: At) {
        if let Some(home) = self.thread(thread).home.take() {
            (self.time(home).home, self.time(home).used_for) = (None, None);
        }
    }

    /// A thread that could run has no time left. `running`: it just used it up.
    pub fn out_of_time(&mut self, thread: At, running: bool) {
        self.unqueue(thread);
        let Some(at) = self.time_of(thread) else { return };
        let super::Thread { home, reply, fault, pc, .. } = self.threads[&thread];
        if let Some(own) = home
            && own != at
        {
            // The reserve: it goes on with its own, and the call is in debt.
            self.time(own).used_for = reply;
            return self.time_came(thread);
        }
        let soonest = self.now + CRUMBS;
        let time = self.time(at);
        if let Some(&(when, _)) = time.out.first() {
            time.wakes = Some(when.max(soonest));
        }
        if running && time.fault && fault.is_none() {
            let message = abi::FaultMessage { pc, ..abi::FaultMessage::default() };
            if let Some(next) = self.report(thread, abi::FaultKind::Timeout, message) {
                self.finish(thread, next);
            }
        }
    }
}
