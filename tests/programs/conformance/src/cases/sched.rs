//! SchedContext, SchedControl, Timer; priorities; whose time a thread runs on.

use abi::{ErrorCode, Kind, Op, Rights};
use agent::{Agent, Check, Request, Setup, State, World, code, equal, holds, ticks};
use alloc::format;
use alloc::vec::Vec;
use rt::now_ticks;

use super::common::*;
use crate::case::{Case, case, refusals};
use ErrorCode::*;

pub const CASES: &[Case] = &[
    refusals(
        "SC-CONFIGURE-001",
        "filling a SchedContext needs SchedControl",
        &[(Op::SchedConfigure, LOOK_UP_RIGHT)],
        configure_look_up,
    ),
    refusals(
        "SC-CONFIGURE-002",
        "what is filled is a SchedContext with the right to bind",
        &[(Op::SchedConfigure, LOOK_UP_RIGHT)],
        configure_argument,
    ),
    refusals(
        "SC-CONFIGURE-003",
        "a budget above its period, too long a period and unknown flags are refused",
        &[(Op::SchedConfigure, &[InvalidArgument])],
        configure_bad,
    ),
    refusals(
        "SC-CONFIGURE-004",
        "time that a thread has does not move to another core",
        &[(Op::SchedConfigure, &[Busy])],
        configure_busy,
    )
    .on_several_cores(),
    case(
        "SC-CONFIGURE-005",
        "a SchedContext is powerless until it is filled, and when it is filled with nothing",
        powerless,
    ),
    case("SC-CONFIGURE-006", "a thread runs on the core of its time", own_core).on_several_cores(),
    refusals(
        "SC-BIND-001",
        "binding needs a SchedContext and the right to",
        &[(Op::SchedBind, LOOK_UP_RIGHT)],
        bind_look_up,
    ),
    refusals(
        "SC-BIND-002",
        "what gets time is a thread that may be controlled",
        &[(Op::SchedBind, LOOK_UP_RIGHT)],
        bind_argument,
    ),
    refusals(
        "SC-BIND-003",
        "a SchedContext has one thread, a thread one of its own",
        &[(Op::SchedBind, &[Busy])],
        bind_busy,
    ),
    refusals(
        "SC-UNBIND-001",
        "unbinding needs a SchedContext and the right to",
        &[(Op::SchedUnbind, LOOK_UP_RIGHT)],
        unbind_look_up,
    ),
    case("SC-UNBIND-002", "a thread without time stands still, and goes on when it has time again", unbind),
    case("SC-UNBIND-003", "the end of a SchedContext stops the thread that runs on it", time_ends),
    refusals(
        "SC-CONSUMED-001",
        "asking what was used needs a SchedContext and the right to",
        &[(Op::SchedConsumed, LOOK_UP_RIGHT)],
        consumed_look_up,
    ),
    case("SC-CONSUMED-002", "what was used grows with the thread's run, and only with that", consumed),
    case("DO-CALL-001", "a server without time of its own runs on its caller's", donated),
    case("DO-CALL-002", "what a server uses is its caller's", charged),
    case("DO-CALL-003", "three calls deep all runs on the first caller's time", donated_deep),
    case(
        "DO-BACK-001",
        "a cancelled caller has its time back, and the server stands still without any",
        cancelled_back,
    ),
    case("DO-BACK-002", "a caller whose server dies has its time back", died_back),
    case("DO-BACK-003", "a caller that is suspended takes its time along", suspended_back),
    refusals("TM-ARM-001", "arming needs a Timer", &[(Op::TimerArm, LOOK_UP_RIGHT)], arm_look_up),
    refusals(
        "TM-ARM-002",
        "what a Timer acts on is a Notification that may be signalled",
        &[(Op::TimerArm, LOOK_UP_RIGHT)],
        arm_argument,
    ),
    refusals(
        "TM-ARM-003",
        "or a Thread that may be controlled, without bits",
        &[(Op::TimerArm, &[MissingRight, InvalidArgument])],
        arm_thread,
    ),
    case("TM-ARM-004", "a Timer signals at its deadline and not before", fires),
    case("TM-ARM-005", "a deadline in the past fires at once", fires_at_once),
    case("TM-ARM-006", "arming again forgets the earlier deadline", arm_again),
    refusals(
        "TM-ARM-007",
        "a Timer cancels the call that a thread waits in",
        &[(Op::Call, &[Cancelled])],
        cancels_call,
    ),
    case("TM-ARM-008", "many Timers fire in the order of their deadlines", in_order),
    case("TM-ARM-009", "a Timer whose Notification ends does not fire", target_ends),
    refusals("TM-CANCEL-001", "disarming needs a Timer", &[(Op::TimerCancel, LOOK_UP_RIGHT)], cancel_look_up),
    case("TM-CANCEL-002", "a Timer that was disarmed, or that ended, does not fire", disarmed),
    case("PR-READY-001", "of those who are ready the most urgent runs first", urgent_first).on_one_core(),
    case("PR-READY-002", "equals run in the order in which they became ready", equals_in_order).timed(),
    case("PR-READY-003", "nobody runs while somebody more urgent does", nobody_below).on_one_core(),
    case("PR-READY-004", "equals take turns", turns).on_one_core(),
    case("PR-WAKE-001", "who is woken and more urgent runs before the waker goes on", woken_first).on_one_core(),
    case("PR-CALL-001", "a server that is less urgent than somebody ready waits for its turn", server_waits)
        .on_one_core(),
    case("PR-CALL-002", "a caller that is less urgent than somebody ready waits for its turn", caller_waits)
        .on_one_core(),
];

const OWN: u32 = abi::SLOT_TABLE;

/// The SchedControl of this core.
fn control(w: &World) -> u32 {
    w.authority.sched[0]
}

fn configure_look_up(w: &mut World) -> Check {
    let (time, control) = (w.make(Kind::SchedContext, 0)?, control(w));
    look_up(w, Op::SchedConfigure, &[time.into(), 1, 1, 0], Some((control, Rights::empty())))
}

fn configure_argument(w: &mut World) -> Check {
    let (time, control) = (w.make(Kind::SchedContext, 0)?, control(w));
    argument(w, Op::SchedConfigure, control, &[time.into(), 1, 1, 0], 0, Some((time, Rights::SCHED_READ)))
}

fn configure_bad(w: &mut World) -> Check {
    let (time, control) = (w.make(Kind::SchedContext, 0)?, control(w));
    for (budget, period) in [(2, 1), (1, 0), (u64::MAX, 1000)] {
        w.refused(Op::SchedConfigure, control, &[time.into(), budget, period, 0], InvalidArgument, 2)?;
    }
    for period in [1 << 58, u64::MAX] {
        w.refused(Op::SchedConfigure, control, &[time.into(), 1, period, 0], InvalidArgument, 3)?;
    }
    for flags in [2, 256, u64::MAX] {
        w.refused(Op::SchedConfigure, control, &[time.into(), 1, 1, flags], InvalidArgument, 4)?;
    }
    w.ok(Op::SchedConfigure, control, &[time.into(), (1 << 58) - 1, (1 << 58) - 1, 1]).map(drop)
}

fn configure_busy(w: &mut World) -> Check {
    let agent = w.agent_with(Setup { core: Some(0), ..Setup::default() })?;
    let other = w.authority.sched[1];
    w.refused(Op::SchedConfigure, other, &[agent.time.into(), 1, 1, 0], Busy, 1)?;
    w.ok(Op::SchedUnbind, agent.time, &[])?;
    w.ok(Op::SchedConfigure, other, &[agent.time.into(), 1, 1, 0]).map(drop)
}

/// Where agents find a word that they count up.
const WORD: u64 = 0x12_0000;

/// An agent that counts, and what it counts.
pub struct Counter {
    pub agent: Agent,
    word: rt::SharedBuffer,
}

impl Counter {
    pub fn new(w: &mut World, setup: Setup) -> Check<Self> {
        let agent = w.agent_with(setup)?;
        let frame = w.make(Kind::Frame, 1)?;
        w.ok(Op::Map, agent.space, &[frame.into(), WORD, 0, 1, 3])?;
        let copy = w.copy(frame, ALL, 0)?;
        let word = w.map(copy, 1)?;
        Ok(Self { agent, word })
    }

    pub fn started(w: &mut World, setup: Setup) -> Check<Self> {
        let counter = Self::new(w, setup)?;
        let mut x = [0; 31];
        x[1] = WORD;
        w.run(counter.agent, code::COUNT, &x)?;
        Ok(counter)
    }

    /// Makes it a server that works so many rounds on each call.
    pub fn serve(&self, w: &mut World, rounds: u64) -> Check {
        let request = ANSWER_RECEIVE.registers(0);
        let mut x = [0; 31];
        (x[19], x[20], x[21], x[22]) = (request[8], request[9], rounds, WORD);
        w.run(self.agent, code::WORK, &x)
    }

    pub fn count(&self) -> Check<u32> {
        self.word.load_u32(0).map_err(|_| "outside".into())
    }

    /// It runs, sooner or later: a busy host may keep an emulated core waiting.
    pub fn grows(&self, w: &mut World) -> Check {
        let before = self.count()?;
        for _ in 0..2000 {
            if self.count()? != before {
                return Ok(());
            }
            w.sleep(1000)?;
        }
        Err("it does not run".into())
    }

    /// It does not run.
    pub fn stands(&self, w: &mut World) -> Check {
        let before = self.count()?;
        w.sleep(300)?;
        equal(self.count()?, before, "the count of a thread that does not run")
    }
}

fn powerless(w: &mut World) -> Check {
    let counter = Counter::started(w, Setup { time: None, ..Setup::default() })?;
    counter.stands(w)?;
    let core = if w.spread { 1 } else { 0 };
    if core == 1 {
        w.ok(Op::SchedUnbind, counter.agent.time, &[])?;
    }
    w.limit(counter.agent, core, 1, 1, 0)?;
    if core == 1 {
        w.ok(Op::SchedBind, counter.agent.time, &[counter.agent.thread.into()])?;
    }
    counter.grows(w)?;
    w.limit(counter.agent, core, 0, 1000, 0)?;
    counter.stands(w)
}

fn own_core(w: &mut World) -> Check {
    let mut all = Vec::new();
    for core in 1..w.cores().min(4) {
        all.push(Counter::started(w, Setup { core: Some(core), ..Setup::default() })?);
    }
    let before: Vec<u32> = all.iter().map(Counter::count).collect::<Check<_>>()?;
    // This thread is more urgent and does not wait: nobody else runs on its core.
    let end = now_ticks() + ticks(5_000_000);
    while now_ticks() < end {
        let counts: Vec<u32> = all.iter().map(Counter::count).collect::<Check<_>>()?;
        if counts.iter().zip(&before).all(|(count, before)| count != before) {
            return Ok(());
        }
    }
    Err("one stands still".into())
}

fn bind_look_up(w: &mut World) -> Check {
    let (time, thread) = (w.make(Kind::SchedContext, 0)?, w.make(Kind::Thread, 0)?);
    look_up(w, Op::SchedBind, &[thread.into()], Some((time, Rights::SCHED_READ)))
}

fn bind_argument(w: &mut World) -> Check {
    let (time, thread) = (w.make(Kind::SchedContext, 0)?, w.make(Kind::Thread, 0)?);
    argument(w, Op::SchedBind, time, &[thread.into()], 0, Some((thread, Rights::CONFIGURE | Rights::BIND)))
}

fn bind_busy(w: &mut World) -> Check {
    let (one, other) = (w.make(Kind::SchedContext, 0)?, w.make(Kind::SchedContext, 0)?);
    let (first, second) = (w.make(Kind::Thread, 0)?, w.make(Kind::Thread, 0)?);
    w.ok(Op::SchedBind, one, &[first.into()])?;
    for thread in [first, second] {
        w.refused(Op::SchedBind, one, &[thread.into()], Busy, 0)?;
    }
    w.refused(Op::SchedBind, other, &[first.into()], Busy, 1)?;
    w.ok(Op::SchedUnbind, one, &[])?;
    w.ok(Op::SchedBind, one, &[second.into()]).map(drop)
}

fn unbind_look_up(w: &mut World) -> Check {
    let time = w.make(Kind::SchedContext, 0)?;
    look_up(w, Op::SchedUnbind, &[], Some((time, Rights::SCHED_READ)))
}

fn unbind(w: &mut World) -> Check {
    let counter = Counter::started(w, Setup::default())?;
    for _ in 0..5 {
        counter.grows(w)?;
        w.ok(Op::SchedUnbind, counter.agent.time, &[])?;
        counter.stands(w)?;
        w.ok(Op::SchedBind, counter.agent.time, &[counter.agent.thread.into()])?;
    }
    Ok(())
}

fn time_ends(w: &mut World) -> Check {
    let counter = Counter::started(w, Setup::default())?;
    counter.grows(w)?;
    w.ok(Op::Delete, OWN, &[counter.agent.time.into()])?;
    counter.stands(w)
}

fn consumed_look_up(w: &mut World) -> Check {
    let time = w.make(Kind::SchedContext, 0)?;
    look_up(w, Op::SchedConsumed, &[], Some((time, Rights::SCHED_BIND)))
}

pub fn used(w: &mut World, agent: Agent) -> Check<u64> {
    Ok(w.ok(Op::SchedConsumed, agent.time, &[])?[0])
}

fn consumed(w: &mut World) -> Check {
    let counter = Counter::started(w, Setup::default())?;
    let mut last = used(w, counter.agent)?;
    for _ in 0..5 {
        counter.grows(w)?;
        w.sleep(50)?;
        let now = used(w, counter.agent)?;
        holds(now > last, "it does not grow")?;
        last = now;
    }
    w.ok(Op::ThreadSuspend, counter.agent.thread, &[])?;
    let stopped = used(w, counter.agent)?;
    w.sleep(300)?;
    equal(used(w, counter.agent)?, stopped, "what a stopped thread used")
}

/// A server that waits and has no time of its own.
fn without_time(w: &mut World) -> Check<Pair> {
    let pair = Pair::waiting(w)?;
    w.ok(Op::SchedUnbind, pair.server.time, &[])?;
    Ok(pair)
}

fn donated(w: &mut World) -> Check {
    let mut pair = without_time(w)?;
    w.blocks(&mut pair.client, call().length(2), State::Calling)?;
    arrived(&w.finish(&mut pair.server)?, pair.client, 2, 0, BADGE)?;
    // It goes on in the middle of the call, and stands still behind it.
    w.begin(&mut pair.server, ANSWER.length(1))?;
    arrived(&w.finish(&mut pair.client)?, pair.server, 1, 0, 0)?;
    w.sleep(300)?;
    equal(w.state(pair.server)?, State::Ready, "the server without time")?;
    w.ok(Op::SchedBind, pair.server.time, &[pair.server.thread.into()])?;
    w.finish(&mut pair.server).map(drop)
}

/// A server that works on each call, and a client.
pub fn working(w: &mut World, client: Setup, server: Setup, rounds: u64) -> Check<(Agent, Counter)> {
    let door = w.make(Kind::Endpoint, 0)?;
    let (client, server) = (w.agent_with(client)?, Counter::new(w, server)?);
    w.give(client, DOOR, door, Rights::SEND, 0)?;
    w.give(server.agent, DOOR, door, Rights::RECEIVE, 0)?;
    server.serve(w, rounds)?;
    w.settle()?;
    equal(w.state(server.agent)?, State::Receiving, "the server")?;
    Ok((client, server))
}

fn charged(w: &mut World) -> Check {
    let (mut client, server) = working(w, Setup::default(), Setup::default(), 20_000)?;
    let before = (used(w, client)?, used(w, server.agent)?);
    w.begin(&mut client, call())?;
    w.finish(&mut client)?;
    let (of_client, of_server) = (used(w, client)? - before.0, used(w, server.agent)? - before.1);
    holds(server.count()? >= 20_000, "the server did not work")?;
    holds(of_client > of_server * 2, &format!("the client paid {of_client} ticks, the server {of_server}"))
}

fn donated_deep(w: &mut World) -> Check {
    /// Where each finds the endpoint of the next.
    const NEXT: u32 = 11;
    let mut all = alloc::vec![w.agent()?, w.agent()?, w.agent()?, w.agent()?];
    for index in 1..4 {
        let door = w.make(Kind::Endpoint, 0)?;
        w.give(all[index], DOOR, door, Rights::RECEIVE, 0)?;
        w.give(all[index - 1], NEXT, door, Rights::SEND, 0)?;
        w.blocks(&mut all[index], RECEIVE, State::Receiving)?;
        w.ok(Op::SchedUnbind, all[index].time, &[])?;
    }
    for index in 0..3 {
        w.begin(&mut all[index], Request::new(Op::Call, NEXT).length(1))?;
        let from = all[index];
        arrived(&w.finish(&mut all[index + 1])?, from, 1, 0, 0)?;
    }
    for index in (1..4).rev() {
        w.begin(&mut all[index], ANSWER.length(2))?;
        let from = all[index];
        arrived(&w.finish(&mut all[index - 1])?, from, 2, 0, 0)?;
    }
    Ok(())
}

/// A server without time that spins in the middle of a call.
fn spinning(w: &mut World) -> Check<(Agent, Counter)> {
    let (mut client, server) = working(w, Setup::default(), Setup::default(), u64::MAX)?;
    w.ok(Op::SchedUnbind, server.agent.time, &[])?;
    w.begin(&mut client, call())?;
    server.grows(w)?;
    Ok((client, server))
}

fn cancelled_back(w: &mut World) -> Check {
    let (mut client, server) = spinning(w)?;
    w.ok(Op::ThreadCancel, client.thread, &[])?;
    failed(&w.finish(&mut client)?, Cancelled, abi::MAY_HAVE_ACTED)?;
    server.stands(w)
}

fn died_back(w: &mut World) -> Check {
    let (mut client, server) = spinning(w)?;
    w.ok(Op::Delete, OWN, &[server.agent.thread.into()])?;
    failed(&w.finish(&mut client)?, PeerGone, abi::MAY_HAVE_ACTED)?;
    equal(w.does(&mut client, Request::new(Op::Poll, 40))?.status().is_err(), true, "the client goes on")
}

fn suspended_back(w: &mut World) -> Check {
    let (client, server) = spinning(w)?;
    w.ok(Op::ThreadSuspend, client.thread, &[])?;
    server.stands(w)
}

fn arm_look_up(w: &mut World) -> Check {
    let (timer, bell) = (w.make(Kind::Timer, 0)?, w.make(Kind::Notification, 0)?);
    look_up(w, Op::TimerArm, &[0, bell.into(), 1], Some((timer, Rights::empty())))?;
    equal(w.ok(Op::Poll, bell, &[])?[0], 0, "bits after refusals")
}

fn arm_argument(w: &mut World) -> Check {
    let (timer, bell) = (w.make(Kind::Timer, 0)?, w.make(Kind::Notification, 0)?);
    argument(w, Op::TimerArm, timer, &[0, bell.into(), 0], 1, Some((bell, Rights::WAIT)))
}

fn arm_thread(w: &mut World) -> Check {
    let (timer, thread) = (w.make(Kind::Timer, 0)?, w.make(Kind::Thread, 0)?);
    let less = w.copy(thread, Rights::CONFIGURE | Rights::BIND, 0)?;
    w.refused(Op::TimerArm, timer, &[0, less.into(), 0], MissingRight, 2)?;
    for bits in [1, u64::MAX] {
        w.refused(Op::TimerArm, timer, &[0, thread.into(), bits], InvalidArgument, 3)?;
    }
    w.ok(Op::TimerArm, timer, &[0, thread.into(), 0]).map(drop)
}

/// A Timer and a Notification.
fn timer(w: &mut World) -> Check<(u32, u32)> {
    Ok((w.make(Kind::Timer, 0)?, w.make(Kind::Notification, 0)?))
}

fn fires(w: &mut World) -> Check {
    let (timer, bell) = timer(w)?;
    for microseconds in [50, 500, 5000, 20_000] {
        let deadline = now_ticks() + ticks(microseconds);
        w.ok(Op::TimerArm, timer, &[deadline, bell.into(), 0x20])?;
        loop {
            let before = now_ticks();
            let bits = w.ok(Op::Poll, bell, &[])?[0];
            if bits != 0 {
                equal(bits, 0x20, "bits")?;
                holds(now_ticks() >= deadline, "too early")?;
                break;
            }
            holds(before < deadline + ticks(1_000_000), "it never fires")?;
        }
    }
    Ok(())
}

fn fires_at_once(w: &mut World) -> Check {
    let (timer, bell) = timer(w)?;
    for deadline in [0, 1, now_ticks()] {
        w.ok(Op::TimerArm, timer, &[deadline, bell.into(), 1])?;
        w.sleep(50)?;
        equal(w.ok(Op::Poll, bell, &[])?[0], 1, "bits")?;
    }
    Ok(())
}

fn arm_again(w: &mut World) -> Check {
    let (timer, bell) = timer(w)?;
    let soon = now_ticks() + ticks(50_000);
    w.ok(Op::TimerArm, timer, &[soon, bell.into(), 1])?;
    w.ok(Op::TimerArm, timer, &[soon + ticks(1000), bell.into(), 2])?;
    w.sleep(52_000)?;
    equal(w.ok(Op::Poll, bell, &[])?[0], 2, "bits")
}

fn cancels_call(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    let timer = w.make(Kind::Timer, 0)?;
    w.blocks(&mut pair.client, call(), State::Calling)?;
    w.ok(Op::TimerArm, timer, &[now_ticks() + ticks(500), pair.client.thread.into(), 0])?;
    failed(&w.finish(&mut pair.client)?, Cancelled, 0)?;
    // One that does not wait does not notice.
    w.ok(Op::TimerArm, timer, &[0, pair.client.thread.into(), 0])?;
    w.sleep(50)?;
    w.blocks(&mut pair.client, call(), State::Calling)
}

fn in_order(w: &mut World) -> Check {
    let bell = w.make(Kind::Notification, 0)?;
    let start = now_ticks() + ticks(50_000);
    let order = [5u64, 2, 9, 0, 7, 3, 8, 1, 6, 4];
    for place in order {
        let timer = w.make(Kind::Timer, 0)?;
        w.ok(Op::TimerArm, timer, &[start + ticks(1000 * place), bell.into(), 1 << place])?;
    }
    let mut seen = 0;
    while seen != (1 << order.len()) - 1 {
        holds(now_ticks() < start + ticks(1_000_000), "one never fires")?;
        seen |= w.ok(Op::Poll, bell, &[])?[0];
        // Those that fired are the first ones.
        holds((seen + 1).is_power_of_two(), &format!("{seen:#x} fired"))?;
    }
    Ok(())
}

fn target_ends(w: &mut World) -> Check {
    let (timer, bell) = timer(w)?;
    w.ok(Op::TimerArm, timer, &[now_ticks() + ticks(500), bell.into(), 1])?;
    w.ok(Op::Delete, OWN, &[bell.into()])?;
    w.sleep(1000)?;
    let other = w.make(Kind::Notification, 0)?;
    w.ok(Op::TimerArm, timer, &[0, other.into(), 4])?;
    w.sleep(50)?;
    equal(w.ok(Op::Poll, other, &[])?[0], 4, "bits")
}

fn cancel_look_up(w: &mut World) -> Check {
    let timer = w.make(Kind::Timer, 0)?;
    look_up(w, Op::TimerCancel, &[], Some((timer, Rights::empty())))
}

fn disarmed(w: &mut World) -> Check {
    let (timer, bell) = timer(w)?;
    w.ok(Op::TimerArm, timer, &[now_ticks() + ticks(20_000), bell.into(), 1])?;
    w.ok(Op::TimerCancel, timer, &[])?;
    w.ok(Op::TimerCancel, timer, &[])?;
    w.sleep(21_000)?;
    equal(w.ok(Op::Poll, bell, &[])?[0], 0, "bits of a disarmed Timer")?;
    w.ok(Op::TimerArm, timer, &[now_ticks() + ticks(20_000), bell.into(), 1])?;
    w.ok(Op::Delete, OWN, &[timer.into()])?;
    w.sleep(21_000)?;
    equal(w.ok(Op::Poll, bell, &[])?[0], 0, "bits of a Timer that ended")
}

/// Which agents come to their ends next, in order.
pub fn order(w: &mut World, count: usize) -> Check<Vec<u32>> {
    (0..count).map(|_| w.next_end().map(|ended| ended.number)).collect()
}

/// Agents of these priorities, each about to run a few instructions.
pub fn runners(w: &mut World, priorities: &[u8]) -> Check<Vec<Agent>> {
    let mut all = Vec::new();
    for &priority in priorities {
        let agent = w.agent_with(Setup { priority, ..Setup::default() })?;
        w.run(agent, code::BREAK, &[0; 31])?;
        all.push(agent);
    }
    Ok(all)
}

fn urgent_first(w: &mut World) -> Check {
    let all = runners(w, &[10, 90, 1, 64, 63, 100, 0, 65])?;
    equal(order(w, 8)?, [6, 2, 8, 4, 5, 1, 3, 7].to_vec(), "who ran when")?;
    holds(all.len() == 8, "eight")
}

fn equals_in_order(w: &mut World) -> Check {
    runners(w, &[50, 50, 50, 50, 50])?;
    equal(order(w, 5)?, [1, 2, 3, 4, 5].to_vec(), "who ran when")
}

fn nobody_below(w: &mut World) -> Check {
    let below = Counter::started(w, Setup { priority: 60, ..Setup::default() })?;
    let above = Counter::started(w, Setup { priority: 61, ..Setup::default() })?;
    above.grows(w)?;
    w.sleep(30_000)?;
    equal(below.count()?, 0, "the count of the less urgent")?;
    w.ok(Op::ThreadSuspend, above.agent.thread, &[])?;
    below.grows(w)
}

fn turns(w: &mut World) -> Check {
    let all = [Counter::started(w, Setup::default())?, Counter::started(w, Setup::default())?];
    for _ in 0..3 {
        all.iter().try_for_each(|counter| counter.grows(w))?;
    }
    Ok(())
}

/// Where agents find a Notification.
const BELL: u32 = 20;

fn woken_first(w: &mut World) -> Check {
    let bell = w.make(Kind::Notification, 0)?;
    let mut high = w.agent_with(Setup { priority: 90, ..Setup::default() })?;
    let mut low = w.agent_with(Setup { priority: 20, ..Setup::default() })?;
    for agent in [high, low] {
        w.give(agent, BELL, bell, ALL, 0)?;
    }
    w.blocks(&mut high, Request::new(Op::Wait, BELL), State::Waiting)?;
    w.begin(&mut low, Request::new(Op::Signal, BELL).words(&[1]))?;
    equal(order(w, 2)?, [1, 2].to_vec(), "who went on when")
}

/// A client, a server that waits, and somebody who is ready.
fn three(w: &mut World, client: u8, server: u8) -> Check<(Pair, Agent)> {
    let door = w.make(Kind::Endpoint, 0)?;
    let client = w.agent_with(Setup { priority: client, ..Setup::default() })?;
    let server = w.agent_with(Setup { priority: server, ..Setup::default() })?;
    w.give(client, DOOR, door, Rights::SEND, 0)?;
    w.give(server, DOOR, door, Rights::RECEIVE, 0)?;
    let other = w.agent_with(Setup { priority: 50, ..Setup::default() })?;
    let mut pair = Pair { client, server, door };
    w.blocks(&mut pair.server, RECEIVE, State::Receiving)?;
    Ok((pair, other))
}

fn server_waits(w: &mut World) -> Check {
    let (mut pair, other) = three(w, 90, 20)?;
    w.run(other, code::BREAK, &[0; 31])?;
    w.begin(&mut pair.client, call())?;
    equal(order(w, 2)?, [3, 2].to_vec(), "who went on when")
}

fn caller_waits(w: &mut World) -> Check {
    let (mut pair, other) = three(w, 20, 90)?;
    w.begin(&mut pair.client, call())?;
    w.finish(&mut pair.server)?;
    w.run(other, code::BREAK, &[0; 31])?;
    w.begin(&mut pair.server, ANSWER_RECEIVE)?;
    equal(order(w, 2)?, [3, 1].to_vec(), "who went on when")
}
