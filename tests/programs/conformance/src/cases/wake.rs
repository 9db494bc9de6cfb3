//! Threads that let each other go on: by signals, by faults and their answers, by interrupts. Who runs when, on whose time, with
//! which registers.

use abi::{FaultKind, Kind, OUT_NOTIFICATION, Op, OutWord, Perms, Rights};
use agent::{Agent, Check, Registers, Request, Setup, State, World, code, equal, holds, pattern, stack_of, ticks};
use alloc::format;
use alloc::vec::Vec;
use rt::now_ticks;

use super::common::*;
use super::control::Clock;
use super::notification as nt;
use super::sched::{Counter, order, runners, used};
use super::space::device_frame;
use crate::case::{Case, case};

pub const CASES: &[Case] = &[
    case("PR-WAKE-002", "who is woken and not more urgent runs after the waker", woken_later).on_one_core(),
    case("PR-WAKE-003", "equals that are woken run in the order in which they were", woken_in_order).on_one_core(),
    case("PR-WAKE-004", "who makes way for a more urgent thread goes on before its equals", makes_way).timed(),
    case("PR-WAKE-005", "who is woken and has no time runs when it gets some", woken_without_time).on_one_core(),
    case("PR-WAIT-001", "when a thread waits, the most urgent of the others goes on", most_urgent_next).on_one_core(),
    case("PR-WAIT-002", "threads that signal each other and one that computes take turns", turns).on_one_core(),
    case("PR-FAULT-001", "a handler that is less urgent than somebody ready waits for its turn", handler_waits)
        .on_one_core(),
    case("PR-FAULT-002", "who faulted and is less urgent than somebody ready waits for its turn", faulter_waits)
        .on_one_core(),
    case("NT-BUSY-001", "while others are ready: a signal wakes who waits", |w| beside(w, nt::signal_wakes)),
    case("NT-BUSY-002", "while others are ready: one thread waits, the next is refused", |w| beside(w, nt::wait_busy)),
    case("NT-BUSY-003", "while others are ready: what is bound is waited for by its thread", |w| {
        beside(w, nt::wait_bound)
    }),
    case("NT-BUSY-004", "while others are ready: a wait is cancelled", |w| beside(w, nt::wait_cancelled)),
    case("NT-BUSY-005", "while others are ready: a wait ends with its notification", |w| beside(w, nt::wait_revoked)),
    case("NT-BUSY-006", "while others are ready: who waits is suspended", |w| beside(w, nt::wait_suspended)),
    case("NT-BOUND-001", "bits end the receive of the bound thread, whoever is more urgent", bound_receives),
    case("NT-BOUND-002", "bits that come while the bound thread runs end its next receive", bound_runs),
    case("NT-BOUND-003", "a signal of the bound thread itself ends its next receive", bound_itself),
    case("NT-CORES-001", "no signal between two cores is lost", between_cores).on_several_cores(),
    case("NT-CORES-002", "no bit is lost that several cores signal at once", at_once).on_several_cores(),
    case("FT-REPLY-004", "a fault that is answered again and again leaves all registers as they were", again_and_again),
    case("IR-DRIVER-001", "an interrupt reaches a driver that waits, and who it interrupts keeps its registers", |w| {
        driver(w, false)
    }),
    case(
        "IR-DRIVER-002",
        "an interrupt ends the receive of a driver, and who it interrupts keeps its registers",
        |w| driver(w, true),
    ),
    case("TI-WAKE-001", "what threads that signal each other use is counted, within 2 %", counted).timed(),
    case("TI-WAKE-002", "who is woken again and again runs no more than its budget", budget).timed(),
];

/// Where agents find a Notification of their own, and another's.
const BELL: u32 = 20;
const OTHER: u32 = 21;
const WAIT: Request = Request::new(Op::Wait, BELL);

fn signal(slot: u32, bits: u64) -> Request {
    Request::new(Op::Signal, slot).words(&[bits])
}

fn agent_of(w: &mut World, priority: u8) -> Check<Agent> {
    w.agent_with(Setup { priority, ..Setup::default() })
}

/// Agents of these priorities, each of which waits for a Notification of its own; those.
fn waiters(w: &mut World, priorities: &[u8]) -> Check<(Vec<Agent>, Vec<u32>)> {
    let (mut agents, mut bells) = (Vec::new(), Vec::new());
    for &priority in priorities {
        let (bell, mut agent) = (w.make(Kind::Notification, 0)?, agent_of(w, priority)?);
        w.give(agent, BELL, bell, ALL, 0)?;
        w.blocks(&mut agent, WAIT, State::Waiting)?;
        agents.push(agent);
        bells.push(bell);
    }
    Ok((agents, bells))
}

fn woken_later(w: &mut World) -> Check {
    let (agents, bells) = waiters(w, &[20, 50])?;
    let mut waker = agent_of(w, 50)?;
    for (agent, bell) in agents.iter().zip(bells) {
        w.give(waker, OTHER, bell, ALL, 0)?;
        w.begin(&mut waker, signal(OTHER, 1))?;
        equal(order(w, 2)?, [waker.number, agent.number].to_vec(), "who went on when")?;
        w.ok(Op::Delete, waker.table, &[OTHER.into()])?;
    }
    Ok(())
}

fn woken_in_order(w: &mut World) -> Check {
    let (_, bells) = waiters(w, &[30, 30, 30, 30])?;
    for index in [1, 3, 0, 2] {
        w.ok(Op::Signal, bells[index], &[1])?;
    }
    equal(order(w, 4)?, [2, 4, 1, 3].to_vec(), "who went on when")
}

fn makes_way(w: &mut World) -> Check {
    let (_, bells) = waiters(w, &[90])?;
    let mut first = agent_of(w, 50)?;
    w.give(first, OTHER, bells[0], ALL, 0)?;
    w.begin(&mut first, signal(OTHER, 1))?;
    runners(w, &[50])?;
    equal(order(w, 3)?, [1, 2, 3].to_vec(), "who went on when")
}

fn woken_without_time(w: &mut World) -> Check {
    let (agents, bells) = waiters(w, &[90])?;
    let poor = agents[0];
    w.ok(Op::SchedUnbind, poor.time, &[])?;
    let mut waker = agent_of(w, 50)?;
    w.give(waker, OTHER, bells[0], ALL, 0)?;
    w.does(&mut waker, signal(OTHER, 1))?;
    holds(!w.take_fault(2000)?, "it runs without time")?;
    equal(w.state(poor)?, State::Ready, "who was woken")?;
    w.ok(Op::SchedBind, poor.time, &[poor.thread.into()])?;
    equal(order(w, 1)?, [poor.number].to_vec(), "who went on")
}

fn most_urgent_next(w: &mut World) -> Check {
    let bell = w.make(Kind::Notification, 0)?;
    let mut first = agent_of(w, 100)?;
    w.give(first, BELL, bell, ALL, 0)?;
    w.begin(&mut first, WAIT)?;
    runners(w, &[63, 70, 64, 70, 0, 64])?;
    equal(order(w, 6)?, [3, 5, 4, 7, 2, 6].to_vec(), "who went on when")?;
    w.ok(Op::Signal, bell, &[6])?;
    equal(w.finish(&mut first)?.words()[0], 6, "bits")
}

/// Two agents of which one signals and waits `rounds` times, and the other answers for ever.
fn ping_pong(w: &mut World, ping: Setup, pong: Setup, rounds: u64) -> Check<(Agent, Agent)> {
    let bells = [w.make(Kind::Notification, 0)?, w.make(Kind::Notification, 0)?];
    let (ping, pong) = (w.agent_with(ping)?, w.agent_with(pong)?);
    for (agent, own, other) in [(ping, bells[0], bells[1]), (pong, bells[1], bells[0])] {
        w.give(agent, BELL, own, Rights::WAIT, 0)?;
        w.give(agent, OTHER, other, Rights::SIGNAL, 0)?;
    }
    let (signal, wait) = (signal(OTHER, 1).registers(0), WAIT.registers(0));
    let mut x = [0; 31];
    (x[19], x[20], x[21], x[22]) = (wait[8], wait[9], signal[8], signal[9]);
    (x[23], x[24]) = (rounds, 1);
    w.run(pong, code::PONG, &x)?;
    (x[19], x[20], x[21], x[22]) = (signal[8], signal[9], wait[8], wait[9]);
    w.run(ping, code::PING, &x)?;
    Ok((ping, pong))
}

fn turns(w: &mut World) -> Check {
    let counter = Counter::started(w, Setup::default())?;
    let (ping, _) = ping_pong(w, Setup::default(), Setup::default(), 20)?;
    for _ in 0..3 {
        counter.grows(w)?;
    }
    w.end_of(ping).map(drop)
}

/// A handler that waits and who faults there.
fn handler(w: &mut World, handler: u8, faulter: u8) -> Check<(Agent, Agent)> {
    let door = w.make(Kind::Endpoint, 0)?;
    let send = w.copy(door, Rights::SEND, BADGE)?;
    let mut handler = agent_of(w, handler)?;
    w.give(handler, DOOR, door, Rights::RECEIVE, 0)?;
    let faulter = w.agent_with(Setup { priority: faulter, handler: Some(send), ..Setup::default() })?;
    w.blocks(&mut handler, RECEIVE, State::Receiving)?;
    Ok((handler, faulter))
}

const NOWHERE: u64 = 0x50_0000;

/// Registers that say which they are, but for x1.
fn patterned(x1: u64) -> Registers {
    let mut x = core::array::from_fn(|register| pattern(9, register));
    x[1] = x1;
    x
}

fn handler_waits(w: &mut World) -> Check {
    let (_, faulter) = handler(w, 20, 90)?;
    runners(w, &[50])?;
    w.run(faulter, code::READ, &patterned(NOWHERE))?;
    equal(order(w, 2)?, [3, 1].to_vec(), "who went on when")
}

fn faulter_waits(w: &mut World) -> Check {
    let (mut handler, faulter) = handler(w, 90, 20)?;
    w.run(faulter, code::READ, &patterned(NOWHERE))?;
    w.finish(&mut handler)?;
    runners(w, &[50])?;
    w.begin(&mut handler, ANSWER_RECEIVE)?;
    // The next fault of the same instruction ends the receive.
    equal(order(w, 2)?, [3, 1].to_vec(), "who went on when")
}

fn again_and_again(w: &mut World) -> Check {
    const ROUNDS: u64 = 50;
    let (mut handler, faulter) = handler(w, 90, 80)?;
    let x = patterned(NOWHERE);
    w.run(faulter, code::WRITE, &x)?;
    w.finish(&mut handler)?;
    let answer = ANSWER_RECEIVE.registers(0);
    let mut take = patterned(0);
    (take[19], take[20], take[23]) = (answer[8], answer[9], ROUNDS);
    w.run(handler, code::HANDLE, &take)?;
    w.end_of(handler)?;
    let got = w.registers(handler)?;
    equal((got[0], got[1]), (code::WRITE, NOWHERE), "pc and address")?;
    equal(got[2] >> 26, 0x24, "the class of the syndrome")?;
    equal([got[3], got[4], got[5], got[6], got[7]], [stack_of(faulter), x[29], x[30], 0, 0], "sp, x29, x30")?;
    equal((got[8], got[9]), (OutWord::message(6, 0, 0, FaultKind::Write as u32).0, BADGE), "x8 and badge")?;
    equal((got[21], got[28], got[29]), (take[21], take[28], take[29]), "what the handler keeps")?;
    w.ok(Op::ThreadSuspend, faulter.thread, &[])?;
    equal(w.registers(faulter)?, x, "the registers of who faulted")
}

/// The same with somebody who is ready all the time on every core, so that no core is ever idle.
fn beside(w: &mut World, run: fn(&mut World) -> Check) -> Check {
    for core in 0..w.cores() {
        w.background(core)?;
    }
    run(w)
}

/// A thread that receives and has a Notification bound.
fn bound(w: &mut World, priority: u8) -> Check<(Agent, u32, u32)> {
    let (door, bell) = (w.make(Kind::Endpoint, 0)?, w.make(Kind::Notification, 0)?);
    let agent = agent_of(w, priority)?;
    w.give(agent, DOOR, door, Rights::RECEIVE, 0)?;
    w.give(agent, BELL, bell, ALL, 0)?;
    w.ok(Op::ThreadBind, agent.thread, &[bell.into()])?;
    Ok((agent, door, bell))
}

/// That a receive ended with these bits and nothing else.
fn notified(w: &mut World, agent: &mut Agent, bits: u64) -> Check {
    let out = w.finish(agent)?;
    equal(out.word(), OutWord::message(1, 0, OUT_NOTIFICATION, 0), "x8")?;
    equal((out.words(), out.badge()), ([bits, 0, 0, 0, 0, 0, 0, 0], 0), "words and badge")
}

fn bound_receives(w: &mut World) -> Check {
    for priority in [20, 50, 90] {
        let (mut server, door, bell) = bound(w, priority)?;
        let mut client = agent_of(w, 50)?;
        w.give(client, OTHER, bell, ALL, 0)?;
        w.give(client, DOOR, door, Rights::SEND, BADGE)?;
        for bits in [3, 1 << 63] {
            w.blocks(&mut server, RECEIVE, State::Receiving)?;
            w.does(&mut client, signal(OTHER, bits))?;
            notified(w, &mut server, bits)?;
            equal(w.ok(Op::Poll, bell, &[])?[0], 0, "bits")?;
        }
        // Nobody waits there any more: a call waits, and the next receive takes it.
        w.blocks(&mut client, call(), State::Calling)?;
        w.begin(&mut server, RECEIVE)?;
        arrived(&w.finish(&mut server)?, client, 0, 0, BADGE)?;
    }
    Ok(())
}

fn bound_runs(w: &mut World) -> Check {
    let (mut server, door, bell) = bound(w, 50)?;
    let mut client = agent_of(w, 50)?;
    w.give(client, DOOR, door, Rights::SEND, BADGE)?;
    for round in 1..4 {
        w.blocks(&mut server, RECEIVE, State::Receiving)?;
        w.blocks(&mut client, call(), State::Calling)?;
        w.finish(&mut server)?;
        w.ok(Op::Signal, bell, &[round])?;
        w.ok(Op::Signal, bell, &[8])?;
        w.begin(&mut server, ANSWER_RECEIVE)?;
        notified(w, &mut server, round | 8)?;
        w.finish(&mut client)?;
    }
    Ok(())
}

fn bound_itself(w: &mut World) -> Check {
    let (mut server, _, _) = bound(w, 50)?;
    w.does(&mut server, signal(BELL, 5))?;
    w.does(&mut server, signal(BELL, 2))?;
    w.begin(&mut server, ANSWER_RECEIVE)?;
    notified(w, &mut server, 7)?;
    w.blocks(&mut server, RECEIVE, State::Receiving)
}

fn between_cores(w: &mut World) -> Check {
    let on = |core| Setup { core: Some(core), ..Setup::default() };
    for (near, far) in [(0, 1), (1, 0)] {
        let (ping, pong) = ping_pong(w, on(near), on(far), 25)?;
        // A busy host may take its time to run one emulated core after the other.
        let mut end = w.end_of(ping);
        for _ in 0..9 {
            end = end.or_else(|_| w.end_of(ping));
        }
        end?;
        w.settle()?;
        equal(w.state(pong)?, State::Waiting, "who answers")?;
    }
    Ok(())
}

fn at_once(w: &mut World) -> Check {
    const NOISE: u64 = 1 << 63;
    let bell = w.make(Kind::Notification, 0)?;
    let noisy = w.agent_with(Setup { core: Some(1), ..Setup::default() })?;
    let mut quiet = w.agent_with(Setup { core: Some(0), ..Setup::default() })?;
    for agent in [noisy, quiet] {
        w.give(agent, OTHER, bell, ALL, 0)?;
    }
    let noise = signal(OTHER, NOISE).registers(0);
    let mut x = [0; 31];
    (x[19], x[20], x[21], x[22]) = (noise[8], noise[9], NOISE, 1);
    w.run(noisy, code::NOISE, &x)?;
    let mut heard = 0;
    for round in 0..200u64 {
        let bit = 1 << (round % 60);
        w.does(&mut quiet, signal(OTHER, bit))?;
        let bits = w.ok(Op::Poll, bell, &[])?[0];
        equal(bits & !NOISE, bit, "the bits of the quiet one")?;
        heard |= bits & NOISE;
    }
    equal(heard, NOISE, "the bit of the noisy one")
}

/// Where agents find the device's registers, and a page that they share.
const REGISTERS: u64 = 0x12_0000;
const SHARED: u64 = 0x12_1000;

fn driver(w: &mut World, receives: bool) -> Check {
    const ROUNDS: u64 = 40;
    let (frame, shared) = (device_frame(w)?, w.make(Kind::Frame, 1)?);
    let clock = Clock::of(w, frame)?;
    clock.hide()?;
    clock.fire()?;
    // What is measured here runs where the interrupt comes: on the core of this program.
    let on = |priority| Setup { priority, core: Some(0), ..Setup::default() };
    let (mut driver, raiser) = (w.agent_with(on(90))?, w.agent_with(on(50))?);
    for agent in [driver, raiser] {
        for (frame, address) in [(frame, REGISTERS), (shared, SHARED)] {
            let copy = w.copy(frame, Rights::READ | Rights::WRITE, 0)?;
            let perms = u64::from((Perms::READ | Perms::WRITE).bits());
            w.ok(Op::Map, agent.space, &[copy.into(), address, 0, 1, perms])?;
        }
    }
    let (bell, door, line) = (w.make(Kind::Notification, 0)?, w.make(Kind::Endpoint, 0)?, w.authority.line);
    w.give(driver, BELL, bell, ALL, 0)?;
    w.give(driver, DOOR, door, Rights::RECEIVE, 0)?;
    w.give(driver, OTHER, line, ALL, 0)?;
    if receives {
        w.ok(Op::ThreadBind, driver.thread, &[bell.into()])?;
    }
    w.ok(Op::IrqBind, line, &[bell.into(), 0x40])?;
    let wait = if receives { RECEIVE } else { WAIT }.registers(0);
    let ack = Request::new(Op::IrqAck, OTHER).registers(0);
    let mut x = [0; 31];
    (x[19], x[20], x[21], x[22]) = (wait[8], wait[9], ack[8], ack[9]);
    (x[23], x[24]) = (REGISTERS, SHARED);
    w.run(driver, code::DRIVER, &x)?;
    w.settle()?;
    let mut x = patterned(REGISTERS);
    (x[2], x[3], x[6], x[25]) = (SHARED, ROUNDS, 0, 1);
    w.run(raiser, code::RAISE, &x)?;
    w.end_of(raiser)?;
    let after = w.registers(raiser)?;
    for register in (0..31).filter(|register| ![3, 4, 5, 6, 11].contains(register)) {
        equal(after[register], x[register], &format!("x{register} of who was interrupted"))?;
    }
    let waits = if receives { State::Receiving } else { State::Waiting };
    w.settle()?;
    equal(w.state(driver)?, waits, "the driver")?;
    // What it is told.
    w.ok(Op::ThreadSuspend, driver.thread, &[])?;
    let request = if receives { RECEIVE } else { WAIT };
    w.blocks(&mut driver, request, waits)?;
    let mut x = patterned(REGISTERS);
    (x[2], x[3], x[6], x[25]) = (SHARED, 1, 0, 1);
    w.run(raiser, code::RAISE, &x)?;
    let out = w.finish(&mut driver)?;
    equal(out.words(), [0x40, 0, 0, 0, 0, 0, 0, 0], "bits")?;
    let said = if receives { OutWord::message(1, 0, OUT_NOTIFICATION, 0) } else { OutWord(0) };
    equal((out.word(), out.badge()), (said, 0), "x8 and x9")?;
    clock.hide()?;
    w.end_of(raiser)?;
    w.ok(Op::IrqAck, line, &[]).map(drop)
}

fn counted(w: &mut World) -> Check {
    for answers in [100, 101] {
        let pong = Setup { priority: answers, ..Setup::default() };
        let (ping, pong) = ping_pong(w, Setup::default(), pong, u64::MAX)?;
        let before = used(w, ping)? + used(w, pong)?;
        let start = now_ticks();
        w.sleep(20_000)?;
        let whole = now_ticks() - start;
        let both = used(w, ping)? + used(w, pong)? - before;
        holds(both.abs_diff(whole) * 50 <= whole, &format!("{both} of {whole} ticks are counted"))?;
        for agent in [ping, pong] {
            w.ok(Op::ThreadSuspend, agent.thread, &[])?;
        }
    }
    Ok(())
}

fn budget(w: &mut World) -> Check {
    let poor = Setup { priority: 101, time: Some((ticks(500), ticks(5000), 0)), ..Setup::default() };
    let (_, pong) = ping_pong(w, Setup::default(), poor, u64::MAX)?;
    w.sleep(5000)?;
    let before = used(w, pong)?;
    w.sleep(50_000)?;
    let part = used(w, pong)? - before;
    holds(part > 0 && part <= ticks(500 * 11), &format!("{part} ticks on a budget of {}", ticks(500)))
}
