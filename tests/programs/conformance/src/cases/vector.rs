//! Vector registers: whose they are, what survives, that nothing comes across.

use abi::{ErrorCode, Op, Rights};
use agent::{Agent, Check, Setup, State, Vectors, World, code, equal, holds};
use alloc::format;
use alloc::vec::Vec;

use super::common::*;
use crate::case::{Case, case, refusals};
use ErrorCode::*;

pub const CASES: &[Case] = &[
    case(
        "RG-VECTOR-001",
        "all vector registers, FPCR and FPSR survive a call and its answer, and none comes across",
        kept,
    ),
    case("RG-VECTOR-002", "a new thread finds zeros in them, whoever computed before", fresh),
    case("RG-VECTOR-003", "threads that compute at the same time each keep their own", at_once),
    case("RG-VECTOR-004", "they follow a thread to another core", follow).on_several_cores(),
    case("RG-VECTOR-005", "what is written to a stopped thread is what it finds and what is read", written),
    refusals(
        "RG-VECTOR-006",
        "who may not use them cannot let others",
        &[(Op::ThreadConfigure, &[InvalidArgument])],
        not_granted,
    ),
    refusals(
        "RG-VECTOR-007",
        "they are not written for a thread that may not use them",
        &[(Op::ThreadWriteRegisters, &[InvalidArgument])],
        not_written,
    ),
    case("RG-VECTOR-008", "reaching for one leaves every other register as it was, whatever is in them", reached),
];

/// Where an agent's values begin.
fn values(agent: Agent) -> Vectors {
    let mut all = core::array::from_fn(|at| u64::from(agent.number) << 48 | 0x7ec7_0000 | at as u64);
    // The upper half of v8 is cleared by who computes with d8.
    all[D8 + 1] = 0;
    // FPCR: default NaN, flush to zero, a rounding mode. FPSR: cumulative flags.
    (all[64], all[65]) = (0x0300_0000 | u64::from(agent.number % 4) << 22, u64::from(agent.number) & 0x1f);
    all
}

const COMPUTES: Setup =
    Setup { priority: 100, core: None, time: Some((1, 1, 0)), page: true, fpu: true, handler: None };

/// d8 as a number of [`Vectors`].
const D8: usize = 16;

/// A pair that may use vector registers and holds its values in them.
fn pair(w: &mut World) -> Check<Pair> {
    let mut pair = Pair::new(w)?;
    for (agent, rights) in [(&mut pair.client, Rights::SEND), (&mut pair.server, Rights::RECEIVE)] {
        *agent = w.agent_with(COMPUTES)?;
        w.give(*agent, DOOR, pair.door, rights, BADGE)?;
        w.write_vectors(*agent, &values(*agent))?;
    }
    Ok(pair)
}

fn kept(w: &mut World) -> Check {
    for words in [0, 8, 20] {
        let pair = pair(w)?;
        let start = |w: &mut World, agent: Agent, request: agent::Request| {
            w.run(agent, code::COMPUTE, &request.registers(agent.number.into()))
        };
        start(w, pair.server, RECEIVE)?;
        w.settle()?;
        start(w, pair.client, call().length(words))?;
        w.end_of(pair.server)?;
        let mut wanted = values(pair.server);
        wanted[D8] += 1;
        equal(w.vectors(pair.server)?, wanted, "the server's")?;
        equal(w.registers(pair.server)?[10], wanted[D8], "d8 of the server")?;
        start(w, pair.server, ANSWER_RECEIVE.length(words))?;
        w.end_of(pair.client)?;
        let mut wanted = values(pair.client);
        wanted[D8] += 1;
        equal(w.vectors(pair.client)?, wanted, "the client's")?;
        equal(w.registers(pair.client)?[10], wanted[D8], "d8 of the client")?;
    }
    Ok(())
}

fn fresh(w: &mut World) -> Check {
    for _ in 0..3 {
        let busy = w.agent_with(COMPUTES)?;
        w.write_vectors(busy, &values(busy))?;
        let mut x = [0; 31];
        x[1] = 10;
        w.run(busy, code::SUM, &x)?;
        w.end_of(busy)?;
        let new = w.agent_with(COMPUTES)?;
        equal(w.vectors(new)?, [0; 66], "those of a new thread")?;
        w.run(new, code::SUM, &x)?;
        w.end_of(new)?;
        let mut wanted = [0; 66];
        wanted[D8] = 10;
        equal(w.vectors(new)?, wanted, "those of a thread that counted to ten")?;
    }
    Ok(())
}

fn at_once(w: &mut World) -> Check {
    /// Long enough for several slices.
    const ROUNDS: u64 = 3_000_000;
    let mut all = Vec::new();
    for _ in 0..3 {
        let agent = w.agent_with(COMPUTES)?;
        w.write_vectors(agent, &values(agent))?;
        let mut x = [0; 31];
        x[1] = ROUNDS;
        w.run(agent, code::SUM, &x)?;
        all.push(agent);
    }
    for agent in all {
        let ended = w.end_of(agent)?;
        holds(ended.message.pc > code::SUM, &format!("{ended:x?}"))?;
        let mut wanted = values(agent);
        wanted[D8] += ROUNDS;
        equal(w.vectors(agent)?, wanted, "what one computed")?;
    }
    Ok(())
}

fn follow(w: &mut World) -> Check {
    let agent = w.agent_with(Setup { core: Some(0), ..COMPUTES })?;
    w.write_vectors(agent, &values(agent))?;
    let mut x = [0; 31];
    x[1] = u64::MAX;
    w.run(agent, code::SUM, &x)?;
    let mut before = values(agent);
    for round in 1..10 {
        w.sleep(500)?;
        w.ok(Op::SchedUnbind, agent.time, &[])?;
        w.limit(agent, round % w.cores(), 1, 1, 0)?;
        w.ok(Op::SchedBind, agent.time, &[agent.thread.into()])?;
        w.sleep(500)?;
        w.ok(Op::ThreadSuspend, agent.thread, &[])?;
        let after = w.vectors(agent)?;
        holds(after[D8] >= before[D8], &format!("d8 was {:x} and is {:x}", before[D8], after[D8]))?;
        before[D8] = after[D8];
        equal(after, before, "the others")?;
        w.ok(Op::ThreadResume, agent.thread, &[])?;
    }
    Ok(())
}

fn written(w: &mut World) -> Check {
    let mut agent = w.agent_with(COMPUTES)?;
    for round in 0..5 {
        let mut all = values(agent);
        all[D8] += 1000 * round;
        w.write_vectors(agent, &all)?;
        equal(w.vectors(agent)?, all, "what was written")?;
        agent.doing = None;
        w.run(agent, code::COMPUTE, &agent::Request::new(Op::Poll, 40).registers(1))?;
        w.end_of(agent)?;
        all[D8] += 1;
        equal(w.vectors(agent)?, all, "what it made of that")?;
    }
    Ok(())
}

fn not_granted(w: &mut World) -> Check {
    let mut agent = w.agent()?;
    let (thread, space) = (w.make(abi::Kind::Thread, 0)?, w.make(abi::Kind::AddressSpace, 2)?);
    w.give(agent, 20, thread, ALL, 0)?;
    w.give(agent, 21, space, ALL, 0)?;
    w.give(agent, 22, agent.table, ALL, 0)?;
    let configure = |fpu: u64| agent::Request::new(Op::ThreadConfigure, 20).words(&[22, 21, 0, 0, 0, 0x6464 | fpu]);
    failed(&w.does(&mut agent, configure(abi::THREAD_FPU))?, InvalidArgument, 6)?;
    equal(w.does(&mut agent, configure(0))?.status(), Ok(()), "without them")
}

fn not_written(w: &mut World) -> Check {
    let agent = w.agent()?;
    for first in [64, 100, 128, 129] {
        w.refused(Op::ThreadWriteRegisters, agent.thread, &[first, 1, 7], InvalidArgument, 1)?;
    }
    equal(w.state(agent)?, State::Suspended, "the agent")
}

fn reached(w: &mut World) -> Check {
    let agents = [w.agent_with(COMPUTES)?, w.agent_with(COMPUTES)?];
    // x8 and x9 are what the fast paths decide by before they know that it is no system call.
    for (round, x8) in (0..16).chain([0xff, 0x102, 0x800, 0x802, u64::MAX]).enumerate() {
        let agent = agents[round % 2];
        let mut x = agent::patterns(0);
        (x[8], x[9]) = (x8, round as u64);
        w.run(agent, code::VECTOR, &x)?;
        w.end_of(agent)?;
        equal(w.registers(agent)?, x, &format!("with x8 = {x8:#x}, the registers"))?;
    }
    Ok(())
}
