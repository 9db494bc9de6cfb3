//! Time where it is exact: shares, windows, reserve and debt, on a machine that counts instructions.

use abi::{ErrorCode, FaultKind, Kind, Op, Rights};
use agent::{Agent, Check, Request, Setup, State, World, code, equal, holds, ticks};
use alloc::format;
use alloc::vec::Vec;
use rt::now_ticks;

use super::common::*;
use super::sched::{Counter, used, working};
use crate::case::{Case, case, refusals};

pub const CASES: &[Case] = &[
    case("TI-SHARE-001", "a spinning urgent thread on a small budget leaves the others their share within 2 %", share)
        .timed(),
    case("TI-SHARE-002", "two budgets take no more than they say, and the rest has its share, within 2 %", shares)
        .timed(),
    case("TI-SHARE-003", "equals without limit have equal shares, within 2 %", equal_shares).timed(),
    case("TI-WINDOW-001", "in no window does a thread run more than its budget, however it is chopped up", window)
        .timed(),
    case("TI-WINDOW-002", "nor with calls, cancels and new deadlines at random", window_of_calls).timed(),
    case(
        "TI-RESERVE-001",
        "a server whose caller's budget ends finishes on its reserve, and the caller pays",
        budget_ends,
    )
    .timed(),
    case("TI-RESERVE-002", "a server whose caller dies finishes on its reserve", caller_dies).timed(),
    case("TI-RESERVE-003", "a server without reserve goes on with its caller's next budget", no_reserve).timed(),
    refusals(
        "TI-RESERVE-004",
        "a caller that gives up waiting does not wait for the server",
        &[(Op::Call, &[ErrorCode::Cancelled])],
        gives_up,
    )
    .timed(),
    case(
        "TI-RESERVE-005",
        "a server whose caller's budget ends finishes on its reserve, which is another core's",
        budget_ends_elsewhere,
    )
    .on_several_cores(),
    case(
        "TI-RESERVE-006",
        "a server whose caller dies finishes on its reserve, which is another core's",
        caller_dies_elsewhere,
    )
    .on_several_cores(),
    case(
        "TI-FAULT-001",
        "running out of time is a fault where the SchedContext says so; the thread goes on when it has time",
        timeout,
    )
    .timed(),
    case("TI-TIMER-001", "a Timer fires within ten microseconds of its deadline", punctual).timed(),
    case("TI-LATENCY-001", "revoking a thousand capabilities keeps no urgent thread waiting for long", preemptible)
        .timed(),
];

/// That `part` of `whole` is so many per mille, within 2 per cent of that.
fn is_share(part: u64, whole: u64, per_mille: u64, what: &str) -> Check {
    let wanted = whole * per_mille / 1000;
    let off = part.abs_diff(wanted) * 1000 / wanted.max(1);
    holds(off <= 20, &format!("{what}: {part} of {whole} ticks, not {per_mille} per mille"))
}

fn limited(priority: u8, budget: u64, period: u64) -> Setup {
    Setup { priority, time: Some((ticks(budget), ticks(period), 0)), ..Setup::default() }
}

/// What these used in so many microseconds, and the ticks of that.
fn measure(w: &mut World, all: &[Agent], microseconds: u64) -> Check<(Vec<u64>, u64)> {
    let mut before = Vec::new();
    for &agent in all {
        before.push(used(w, agent)?);
    }
    let start = now_ticks();
    w.sleep(microseconds)?;
    let whole = now_ticks() - start;
    let mut parts = Vec::new();
    for (&agent, before) in all.iter().zip(before) {
        parts.push(used(w, agent)? - before);
    }
    Ok((parts, whole))
}

fn share(w: &mut World) -> Check {
    for (budget, period) in [(2000, 10_000), (100, 1000), (9000, 10_000), (50, 500)] {
        let greedy = Counter::started(w, limited(110, budget, period))?.agent;
        let meek = Counter::started(w, Setup { priority: 10, ..Setup::default() })?.agent;
        w.sleep(period * 2)?;
        // Whole periods, so that no part of one stands over.
        let (parts, whole) = measure(w, &[greedy, meek], 20 * period)?;
        is_share(parts[0], whole, budget * 1000 / period, "the budget")?;
        is_share(parts[1], whole, 1000 - budget * 1000 / period, "the rest")?;
        for agent in [greedy, meek] {
            w.ok(Op::ThreadSuspend, agent.thread, &[])?;
        }
    }
    Ok(())
}

fn shares(w: &mut World) -> Check {
    let first = Counter::started(w, limited(110, 300, 1000))?.agent;
    let second = Counter::started(w, limited(100, 2000, 5000))?.agent;
    let rest = Counter::started(w, Setup { priority: 10, ..Setup::default() })?.agent;
    w.sleep(20_000)?;
    let (parts, whole) = measure(w, &[first, second, rest], 500_000)?;
    is_share(parts[0], whole, 300, "the first")?;
    // The second is cut into pieces by the first, and loses a little by that.
    holds(parts[1] * 1000 <= whole * 408, &format!("the second: {} of {whole} ticks", parts[1]))?;
    holds(parts[2] * 1000 >= whole * 294, &format!("the rest: {} of {whole} ticks", parts[2]))
}

fn equal_shares(w: &mut World) -> Check {
    let mut all = Vec::new();
    for _ in 0..2 {
        all.push(Counter::started(w, Setup::default())?.agent);
    }
    let (parts, whole) = measure(w, &all, 500_000)?;
    parts.into_iter().try_for_each(|part| is_share(part, whole, 500, "a half"))
}

/// Ticks by which the end of a budget may be late: until the interrupt is taken.
const LATE: u64 = 200;

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Where an agent writes its stretches down, and how many there can be.
const STRETCHES: u64 = 0x14_0000;
const MOST: u64 = 256;

/// Lets an agent write down when it runs.
fn recorder(w: &mut World, setup: Setup) -> Check<(Agent, rt::SharedBuffer)> {
    let agent = w.agent_with(setup)?;
    let frame = w.make(Kind::Frame, 1)?;
    w.ok(Op::Map, agent.space, &[frame.into(), STRETCHES, 0, 1, 3])?;
    let copy = w.copy(frame, ALL, 0)?;
    let buffer = w.map(copy, 1)?;
    let mut x = [0; 31];
    (x[1], x[2], x[3]) = (STRETCHES, STRETCHES + MOST * 16, 4);
    w.run(agent, code::STRETCHES, &x)?;
    Ok((agent, buffer))
}

fn stretches(buffer: &rt::SharedBuffer) -> Check<Vec<(u64, u64)>> {
    let mut all = Vec::new();
    for index in 0..MOST as usize {
        let mut bytes = [0; 16];
        buffer.read(index * 16, &mut bytes).map_err(|_| "outside")?;
        let word = |at: usize| u64::from_le_bytes(core::array::from_fn(|byte| bytes[at + byte]));
        if word(8) == 0 {
            break;
        }
        all.push((word(0), word(8)));
    }
    Ok(all)
}

/// That in no window of a period more than the budget was run.
fn within(all: &[(u64, u64)], budget: u64, period: u64) -> Check {
    for (index, &(start, _)) in all.iter().enumerate() {
        let end = start + period;
        let ran: u64 =
            all[index..].iter().take_while(|stretch| stretch.0 < end).map(|&(from, to)| to.min(end) - from).sum();
        holds(ran <= budget + LATE, &format!("{ran} of {budget} ticks in a window of {period}"))?;
    }
    Ok(())
}

fn window(w: &mut World) -> Check {
    let mut random = Random(0x5eed_0001);
    for _ in 0..8 {
        let period = 200 + random.below(1000);
        let budget = 20 + random.below(period - 20);
        let (agent, buffer) = recorder(w, limited(60, budget, period))?;
        // Others that are more urgent chop it up, each in its own way.
        let mut noise = Vec::new();
        for priority in [80, 90, 100] {
            let period = 30 + random.below(900);
            let noisy = limited(priority, 1 + random.below(period / 4), period);
            noise.push(Counter::started(w, noisy)?.agent);
        }
        let end = now_ticks() + ticks(100_000);
        while w.state(agent)? == State::Ready && now_ticks() < end {
            w.sleep(1 + random.below(period))?;
            if random.below(4) == 0 {
                w.ok(Op::ThreadSuspend, agent.thread, &[])?;
                w.sleep(1 + random.below(200))?;
                w.ok(Op::ThreadResume, agent.thread, &[])?;
            }
        }
        for agent in noise {
            w.ok(Op::ThreadSuspend, agent.thread, &[])?;
        }
        let all = stretches(&buffer)?;
        holds(all.len() > 30, &format!("only {} stretches", all.len()))?;
        within(&all, ticks(budget), ticks(period))?;
        if w.state(agent)? == State::Ready {
            w.ok(Op::ThreadSuspend, agent.thread, &[])?;
        }
    }
    Ok(())
}

fn window_of_calls(w: &mut World) -> Check {
    let mut random = Random(0x5eed_0002);
    for _ in 0..6 {
        let (budget, period) = (50 + random.below(200), 1000);
        let rounds = 200 + random.below(20_000);
        let (mut client, server) = working(w, limited(80, budget, period), Setup::default(), rounds)?;
        let timer = w.make(Kind::Timer, 0)?;
        let mut samples = Vec::new();
        w.begin(&mut client, call())?;
        for _ in 0..300 {
            samples.push((now_ticks(), used(w, client)?));
            w.sleep(1 + random.below(period / 4))?;
            match random.below(6) {
                0 => drop(w.ok(Op::ThreadCancel, client.thread, &[])?),
                1 => {
                    let at = now_ticks() + ticks(random.below(200));
                    w.ok(Op::TimerArm, timer, &[at, client.thread.into(), 0])?;
                }
                _ => {}
            }
            while w.take_fault(1)? {
                w.forget_ends();
                let request = call();
                w.begin(&mut client, request)?;
            }
        }
        for (index, &(start, before)) in samples.iter().enumerate() {
            let last = samples[index..].iter().take_while(|sample| sample.0 < start + ticks(period)).last();
            let (_, after) = *last.ok_or("a sample")?;
            // Between two samples, and at the end of a call in debt, the counter is read a little later than the time.
            holds(after - before <= ticks(budget) + LATE, &format!("{} of {} ticks", after - before, ticks(budget)))?;
        }
        for agent in [client, server.agent] {
            w.ok(Op::ThreadSuspend, agent.thread, &[])?;
        }
        w.forget_ends();
    }
    Ok(())
}

/// Rounds of a server's work that take about this many microseconds.
const fn rounds_of(microseconds: u64) -> u64 {
    microseconds * 200
}

fn budget_ends(w: &mut World) -> Check {
    let (mut client, server) = working(w, limited(80, 100, 10_000), Setup::default(), rounds_of(3000))?;
    let start = now_ticks();
    w.begin(&mut client, call())?;
    w.sleep(1000)?;
    w.settle_but(&[client])?;
    let took = now_ticks() - start;
    equal(w.state(server.agent)?, State::Receiving, "the server")?;
    holds(server.count()? >= rounds_of(3000) as u32, "the server did not finish")?;
    holds(took < ticks(8000), &format!("the server took {took} ticks"))?;
    // About thirty budgets were used: the caller goes on when they are paid.
    w.finish(&mut client)?;
    let paid = now_ticks() - start;
    holds(paid > ticks(250_000), &format!("the caller went on after {paid} ticks"))
}

fn caller_dies(w: &mut World) -> Check {
    let (mut client, server) = working(w, Setup::default(), Setup::default(), rounds_of(3000))?;
    w.begin(&mut client, call())?;
    w.sleep(500)?;
    w.ok(Op::Delete, abi::SLOT_TABLE, &[client.thread.into()])?;
    w.ok(Op::Delete, abi::SLOT_TABLE, &[client.time.into()])?;
    w.settle()?;
    equal(w.state(server.agent)?, State::Receiving, "the server")?;
    holds(server.count()? >= rounds_of(3000) as u32, "the server did not finish")
}

/// Work that takes longer than any budget here.
const LONG: u64 = 4_000_000;

/// A caller on core 1, and a server whose own time is on the last and which works for that caller now.
fn apart(w: &mut World, client: Setup) -> Check<(Agent, Counter)> {
    let last = w.cores() - 1;
    let (mut client, server) =
        working(w, Setup { core: Some(1), ..client }, Setup { core: Some(last), ..Setup::default() }, LONG)?;
    w.begin(&mut client, call())?;
    for _ in 0..1000 {
        if server.count()? > 0 {
            return Ok((client, server));
        }
        w.sleep(100)?;
    }
    Err("the server does not begin".into())
}

fn budget_ends_elsewhere(w: &mut World) -> Check {
    // On its caller's time alone the server would take longer than anybody waits here.
    let (client, server) = apart(w, limited(80, 5000, 10_000_000))?;
    w.settle_but(&[client])?;
    equal(w.state(server.agent)?, State::Receiving, "the server")?;
    holds(server.count()? >= LONG as u32, "the server did not finish")
}

fn caller_dies_elsewhere(w: &mut World) -> Check {
    let (client, server) = apart(w, Setup::default())?;
    w.ok(Op::Delete, abi::SLOT_TABLE, &[client.thread.into()])?;
    w.ok(Op::Delete, abi::SLOT_TABLE, &[client.time.into()])?;
    w.settle()?;
    equal(w.state(server.agent)?, State::Receiving, "the server")?;
    holds(server.count()? >= LONG as u32, "the server did not finish")
}

fn no_reserve(w: &mut World) -> Check {
    let (mut client, server) = working(w, limited(80, 500, 2000), Setup::default(), rounds_of(3000))?;
    w.ok(Op::SchedUnbind, server.agent.time, &[])?;
    let start = now_ticks();
    w.begin(&mut client, call())?;
    w.finish(&mut client)?;
    let took = now_ticks() - start;
    holds(server.count()? >= rounds_of(3000) as u32, "the server did not finish")?;
    // Three milliseconds of work at a quarter of the core.
    holds(took > ticks(9000) && took < ticks(16_000), &format!("it took {took} ticks"))
}

fn gives_up(w: &mut World) -> Check {
    let (mut client, server) =
        working(w, Setup { priority: 110, ..Setup::default() }, Setup::default(), rounds_of(50_000))?;
    let timer = w.make(Kind::Timer, 0)?;
    let start = now_ticks();
    w.begin(&mut client, call())?;
    w.ok(Op::TimerArm, timer, &[start + ticks(2000), client.thread.into(), 0])?;
    failed(&w.finish(&mut client)?, ErrorCode::Cancelled, abi::MAY_HAVE_ACTED)?;
    let took = now_ticks() - start;
    holds(took < ticks(2500), &format!("the caller waited {took} ticks"))?;
    w.settle()?;
    equal(w.state(server.agent)?, State::Receiving, "the server")
}

fn timeout(w: &mut World) -> Check {
    let (door, reply) = (w.make(Kind::Endpoint, 0)?, w.make(Kind::Reply, 0)?);
    let send = w.copy(door, Rights::SEND, 0x77 << 24)?;
    let setup = Setup { handler: Some(send), time: Some((ticks(1000), ticks(10_000), 1)), ..Setup::default() };
    let counter = Counter::started(w, setup)?;
    for round in 1..5 {
        let Some(rt::Received::Call { badge, message, .. }) = w.receive(door, reply, 100_000)? else {
            return Err("no fault comes".into());
        };
        equal((message.label, badge.0), (FaultKind::Timeout as u32, 0x77 << 24), "kind and badge")?;
        let ran = used(w, counter.agent)?;
        holds(ran.abs_diff(ticks(1000) * round) <= LATE * round, &format!("{ran} ticks in {round} periods"))?;
        let before = counter.count()?;
        rt::Cap::<rt::Reply>::from_slot(reply).reply(&rt::Message::new(0, []))?;
        w.sleep(1000)?;
        equal(counter.count()?, before, "the count of a thread without time")?;
    }
    Ok(())
}

fn punctual(w: &mut World) -> Check {
    let (timer, bell) = (w.make(Kind::Timer, 0)?, w.make(Kind::Notification, 0)?);
    Counter::started(w, Setup { priority: 10, ..Setup::default() })?;
    for microseconds in [10, 100, 1000, 10_000, 3333] {
        let deadline = now_ticks() + ticks(microseconds);
        w.ok(Op::TimerArm, timer, &[deadline, bell.into(), 1])?;
        w.ok(Op::Wait, bell, &[])?;
        let late = now_ticks() - deadline;
        holds(late <= ticks(10), &format!("{late} ticks late"))?;
    }
    Ok(())
}

fn preemptible(w: &mut World) -> Check {
    let mut worker = w.agent_with(Setup { priority: 20, ..Setup::default() })?;
    let (door, table) = (w.make(Kind::Endpoint, 0)?, w.make(Kind::CapTable, 10)?);
    for index in 1..1024u64 {
        w.ok(Op::Copy, table, &[index, TABLE, door.into(), ALL.bits().into(), 0])?;
    }
    w.give(worker, 20, abi::SLOT_TABLE, ALL, 0)?;
    let (timer, bell) = (w.make(Kind::Timer, 0)?, w.make(Kind::Notification, 0)?);
    w.begin(&mut worker, Request::new(Op::Revoke, 20).words(&[door.into()]))?;
    let mut worst = 0;
    while w.state(worker)? == State::Ready {
        let deadline = now_ticks() + ticks(20);
        w.ok(Op::TimerArm, timer, &[deadline, bell.into(), 1])?;
        w.ok(Op::Wait, bell, &[])?;
        worst = worst.max(now_ticks() - deadline);
    }
    holds(worst <= ticks(20), &format!("{worst} ticks late"))?;
    equal(w.inspect(table, 1023)?[0], 0, "the last of them")
}
