//! Notification: signal, wait, poll, bound or not.

use abi::{ErrorCode, Kind, Op, Rights};
use agent::{Check, Request, State, World, equal};

use super::common::*;
use crate::case::{Case, case, refusals};
use ErrorCode::*;

pub const CASES: &[Case] = &[
    refusals(
        "NT-SIGNAL-001",
        "signalling needs a notification and the right to",
        &[(Op::Signal, LOOK_UP_RIGHT)],
        signal_look_up,
    ),
    case("NT-SIGNAL-002", "bits are or-ed until somebody takes them", signal_ors),
    case("NT-SIGNAL-003", "the badge of the capability is or-ed into what is signalled", signal_badge),
    case("NT-SIGNAL-004", "a signal without bits and badge wakes nobody", signal_nothing),
    case("NT-SIGNAL-005", "a signal wakes the thread that waits and leaves no bits", signal_wakes),
    case(
        "NT-SIGNAL-006",
        "a signal changes no word of the signaller but x0-x7, which are cleared or its own",
        signal_keeps,
    ),
    refusals(
        "NT-WAIT-001",
        "waiting needs a notification and the right to",
        &[(Op::Wait, LOOK_UP_RIGHT)],
        wait_look_up,
    ),
    case("NT-WAIT-002", "a wait takes bits that are there at once", wait_at_once),
    refusals("NT-WAIT-003", "one thread waits, the next is refused", &[(Op::Wait, &[Busy])], wait_busy),
    refusals(
        "NT-WAIT-004",
        "a notification that is bound to a thread is waited for by that thread only",
        &[(Op::Wait, &[Busy])],
        wait_bound,
    ),
    refusals("NT-WAIT-005", "a wait can be cancelled", &[(Op::Wait, &[Cancelled])], wait_cancelled),
    refusals(
        "NT-WAIT-006",
        "a wait ends with Revoked when the notification does",
        &[(Op::Wait, &[Revoked])],
        wait_revoked,
    ),
    case("NT-WAIT-007", "a thread that is suspended while it waits leaves the notification free", wait_suspended),
    refusals(
        "NT-POLL-001",
        "polling needs a notification and the right to",
        &[(Op::Poll, LOOK_UP_RIGHT)],
        poll_look_up,
    ),
    case("NT-POLL-002", "a poll takes each of the 64 bits and clears it", poll_takes),
    case("NT-POLL-003", "a poll leaves x1-x7 alone, whatever the bits of x8 that mean nothing say", poll_keeps),
];

fn signal_look_up(w: &mut World) -> Check {
    let bell = w.make(Kind::Notification, 0)?;
    look_up(w, Op::Signal, &[1], Some((bell, Rights::WAIT)))?;
    equal(w.ok(Op::Poll, bell, &[])?[0], 0, "bits after refusals")
}

fn signal_ors(w: &mut World) -> Check {
    let bell = w.make(Kind::Notification, 0)?;
    for bits in [1, 2, 2, 1 << 63] {
        w.ok(Op::Signal, bell, &[bits])?;
    }
    equal(w.ok(Op::Poll, bell, &[])?[0], 1 << 63 | 3, "bits")?;
    equal(w.ok(Op::Poll, bell, &[])?[0], 0, "bits afterwards")
}

fn signal_badge(w: &mut World) -> Check {
    let bell = w.make(Kind::Notification, 0)?;
    let badged = w.copy(bell, Rights::SIGNAL, 0x100)?;
    w.ok(Op::Signal, badged, &[1])?;
    equal(w.ok(Op::Poll, bell, &[])?[0], 0x101, "bits")?;
    w.ok(Op::Signal, badged, &[0])?;
    equal(w.ok(Op::Poll, bell, &[])?[0], 0x100, "the badge alone")
}

/// Where agents find a Notification.
const BELL: u32 = 20;
const WAIT: Request = Request::new(Op::Wait, BELL);

/// A Notification and an agent that waits for it.
fn waiting(w: &mut World) -> Check<(u32, agent::Agent)> {
    let bell = w.make(Kind::Notification, 0)?;
    let mut agent = w.agent()?;
    w.give(agent, BELL, bell, ALL, 0)?;
    w.blocks(&mut agent, WAIT, State::Waiting)?;
    Ok((bell, agent))
}

fn signal_nothing(w: &mut World) -> Check {
    let (bell, agent) = waiting(w)?;
    w.ok(Op::Signal, bell, &[0])?;
    w.settle()?;
    equal(w.state(agent)?, State::Waiting, "the agent")
}

pub fn signal_wakes(w: &mut World) -> Check {
    let (bell, mut agent) = waiting(w)?;
    w.ok(Op::Signal, bell, &[0x77])?;
    let out = w.finish(&mut agent)?;
    equal((out.status(), out.words()), (Ok(()), [0x77, 0, 0, 0, 0, 0, 0, 0]), "what the wait returned")?;
    equal(w.ok(Op::Poll, bell, &[])?[0], 0, "bits")
}

fn signal_keeps(w: &mut World) -> Check {
    let (bell, mut agent) = waiting(w)?;
    let out = w.send(&Request::new(Op::Signal, bell).length(1))?;
    for (register, value) in out.words().into_iter().enumerate() {
        let own = w.own_pattern(register);
        agent::holds(value == 0 || value == own, "a word came across")?;
    }
    equal((out.x[8], out.x[9]), (0, 0), "x8 and x9")?;
    w.finish(&mut agent).map(drop)
}

fn wait_look_up(w: &mut World) -> Check {
    let bell = w.make(Kind::Notification, 0)?;
    look_up(w, Op::Wait, &[], Some((bell, Rights::SIGNAL)))
}

fn wait_at_once(w: &mut World) -> Check {
    let bell = w.make(Kind::Notification, 0)?;
    let mut agent = w.agent()?;
    w.give(agent, BELL, bell, ALL, 0)?;
    w.ok(Op::Signal, bell, &[5])?;
    equal(w.does(&mut agent, WAIT)?.words()[0], 5, "bits")?;
    w.blocks(&mut agent, WAIT, State::Waiting)
}

pub fn wait_busy(w: &mut World) -> Check {
    let (bell, mut first) = waiting(w)?;
    let mut second = w.agent()?;
    w.give(second, BELL, bell, ALL, 0)?;
    failed(&w.does(&mut second, WAIT)?, Busy, 0)?;
    w.ok(Op::Signal, bell, &[1])?;
    equal(w.finish(&mut first)?.words()[0], 1, "bits of the first")
}

pub fn wait_bound(w: &mut World) -> Check {
    let bell = w.make(Kind::Notification, 0)?;
    let (mut owner, mut other) = (w.agent()?, w.agent()?);
    w.give(owner, BELL, bell, ALL, 0)?;
    w.give(other, BELL, bell, ALL, 0)?;
    w.ok(Op::ThreadBind, owner.thread, &[bell.into()])?;
    failed(&w.does(&mut other, WAIT)?, Busy, 0)?;
    w.blocks(&mut owner, WAIT, State::Waiting)?;
    w.ok(Op::Signal, bell, &[4])?;
    equal(w.finish(&mut owner)?.words()[0], 4, "bits")
}

pub fn wait_cancelled(w: &mut World) -> Check {
    let (bell, mut agent) = waiting(w)?;
    w.ok(Op::ThreadCancel, agent.thread, &[])?;
    failed(&w.finish(&mut agent)?, Cancelled, 0)?;
    w.ok(Op::Signal, bell, &[4])?;
    equal(w.ok(Op::Poll, bell, &[])?[0], 4, "bits afterwards")
}

pub fn wait_revoked(w: &mut World) -> Check {
    let (bell, mut agent) = waiting(w)?;
    w.ok(Op::Revoke, abi::SLOT_TABLE, &[bell.into()])?;
    equal(w.state(agent)?, State::Waiting, "the agent while the notification is there")?;
    w.ok(Op::Delete, abi::SLOT_TABLE, &[bell.into()])?;
    failed(&w.finish(&mut agent)?, Revoked, 0)
}

pub fn wait_suspended(w: &mut World) -> Check {
    let (bell, agent) = waiting(w)?;
    w.ok(Op::ThreadSuspend, agent.thread, &[])?;
    let mut other = w.agent()?;
    w.give(other, BELL, bell, ALL, 0)?;
    w.blocks(&mut other, WAIT, State::Waiting)?;
    w.ok(Op::Signal, bell, &[8])?;
    equal(w.finish(&mut other)?.words()[0], 8, "bits")
}

fn poll_look_up(w: &mut World) -> Check {
    let bell = w.make(Kind::Notification, 0)?;
    look_up(w, Op::Poll, &[], Some((bell, Rights::SIGNAL)))
}

fn poll_takes(w: &mut World) -> Check {
    let bell = w.make(Kind::Notification, 0)?;
    for bit in 0..64 {
        w.ok(Op::Signal, bell, &[1 << bit])?;
        equal(w.ok(Op::Poll, bell, &[])?[0], 1 << bit, "bits")?;
        equal(w.ok(Op::Poll, bell, &[])?[0], 0, "bits afterwards")?;
    }
    Ok(())
}

fn poll_keeps(w: &mut World) -> Check {
    let bell = w.make(Kind::Notification, 0)?;
    for unused in agent::UNUSED {
        for words in 0..=8 {
            w.ok(Op::Signal, bell, &[9])?;
            let out = w.send(&Request::new(Op::Poll, bell).length(words).label(7).unused(unused))?;
            let own = core::array::from_fn(|register| if register == 0 { 9 } else { w.own_pattern(register) });
            equal(out.words(), own, "x0-x7")?;
            equal((out.x[8], out.x[9]), (0, 0), "x8 and x9")?;
        }
    }
    Ok(())
}
