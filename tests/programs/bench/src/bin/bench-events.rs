//! Measures signals between threads of different address spaces, faults that another answers, and the way from a device's
//! interrupt to its driver. The threads are agents: what they run is assembly, so that the kernel is what is measured.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use abi::layout::MemoryType;
use abi::{InWord, Kind, Op, Perms, Rights, SLOT_TABLE, Slots};
use agent::{Agent, Check, Fail, REPLY, Registers, Setup, State, World, code, equal, holds};
use bench_programs::report::{self, Line};
use bench_programs::{each, mark};
use rt::{
    Cap, Env, Notification, Retype, SchedContext, SchedControl, TABLE, Thread, ThreadConfig, Untyped, now_ticks,
    ticks_per_second,
};

rt::entry!(run);

/// Pages to work in.
const PAGES: u64 = 512;
const ROUNDS: u64 = 1000;
const WARM_UP: u64 = 20;
/// The priority of all agents but those that are more urgent.
const PRIORITY: u8 = 100;
const URGENT: u8 = 110;

/// Where agents find what they wait for, what they signal, and the device's interrupt.
const OWN: u32 = 20;
const OTHER: u32 = 21;
const LINE: u32 = 22;

fn run(env: &'static Env) {
    let lines = match World::new(env, PAGES) {
        Ok(mut world) => [
            line(&mut world, "notify.ping_pong", |w| ping_pong(w, "notify.ping_pong", PRIORITY)),
            line(&mut world, "notify.ping_pong_urgent", |w| ping_pong(w, "notify.ping_pong_urgent", URGENT)),
            line(&mut world, "irq.to_driver", to_driver),
            line(&mut world, "fault.round_trip", fault),
            line(&mut world, "fault.map_round_trip", fault_and_map),
            line(&mut world, "thread.create", create),
        ]
        .into(),
        Err(Fail(why)) => alloc::vec![Err(why)],
    };
    if let Err(error) = report::print(env, &lines) {
        log::error!("bench-events: {error}");
    }
}

/// What a measurement found, after which nothing of it is left.
fn line(world: &mut World, name: &str, measure: impl FnOnce(&mut World) -> Check<u64>) -> Line {
    let value = measure(world).and_then(|value| world.reset().map(|()| value));
    let value = value.map_err(|Fail(why)| alloc::format!("{name}: {why}"))?;
    report::metric(name, value, "instructions")
}

/// x8 and x9 of a system call.
fn call(op: Op, words: u8, slot: u32, reply: u32) -> [u64; 2] {
    [InWord::new(op as u8, words, 0, 0).0, Slots::new(slot, reply).0]
}

/// Registers with some set.
fn registers<const N: usize>(set: [(usize, u64); N]) -> Registers {
    let mut x = [0; 31];
    for (register, value) in set {
        x[register] = value;
    }
    x
}

/// Two system calls in x19 to x22.
fn two(first: [u64; 2], second: [u64; 2]) -> Registers {
    registers([(19, first[0]), (20, first[1]), (21, second[0]), (22, second[1])])
}

fn agent(w: &mut World, priority: u8) -> Check<Agent> {
    w.agent_with(Setup { priority, ..Setup::default() })
}

/// Runs a piece of code with these registers to its end; its registers then.
fn to_end(w: &mut World, agent: Agent, pc: u64, x: &Registers) -> Check<Registers> {
    w.run(agent, pc, x)?;
    let ended = w.end_of(agent)?;
    holds(ended.message.syndrome as u16 == code::END, "an agent came to another end")?;
    w.registers(agent)
}

/// The cost of one of `rounds` rounds between the counter values in x25 and x26.
fn cost(x: &Registers, rounds: u64) -> u64 {
    each(x[26] - x[25], ticks_per_second(), rounds)
}

/// Two signals and two waits: there and back. `priority` is that of the one that answers.
fn ping_pong(w: &mut World, name: &str, priority: u8) -> Check<u64> {
    let bells = [w.make(Kind::Notification, 0)?, w.make(Kind::Notification, 0)?];
    let (ping, pong) = (agent(w, PRIORITY)?, agent(w, priority)?);
    for (agent, own, other) in [(ping, bells[0], bells[1]), (pong, bells[1], bells[0])] {
        w.give(agent, OWN, own, Rights::WAIT, 0)?;
        w.give(agent, OTHER, other, Rights::SIGNAL, 0)?;
    }
    let (signal, wait) = (call(Op::Signal, 1, OTHER, 0), call(Op::Wait, 0, OWN, 0));
    let (mut there, mut back) = (two(signal, wait), two(wait, signal));
    (there[24], back[24]) = (1, 1);
    w.run(pong, code::PONG, &back)?;
    w.settle()?;
    there[23] = WARM_UP;
    to_end(w, ping, code::PING, &there)?;
    there[23] = ROUNDS;
    mark(name);
    let end = to_end(w, ping, code::PING, &there)?;
    mark(name);
    equal(w.state(pong)?, State::Waiting, "who answers")?;
    Ok(cost(&end, ROUNDS))
}

/// Where agents find the device's registers, and a page that they share.
const REGISTERS: u64 = 0x12_0000;
const SHARED: u64 = 0x12_1000;
/// A PL031 real-time clock (ARM DDI 0224): its interrupt is called up once and then shown or hidden.
const DATA: usize = 0x0;
const MATCH: usize = 0x4;
const MASK: usize = 0x10;
const RAW: usize = 0x14;

/// A device's interrupt while a less urgent thread runs: from the store that raises it to the driver's first instruction.
fn to_driver(w: &mut World) -> Check<u64> {
    let (frame, shared) = (device(w)?, w.make(Kind::Frame, 1)?);
    call_up(w, frame)?;
    let (driver, raiser) = (agent(w, URGENT)?, agent(w, PRIORITY)?);
    for agent in [driver, raiser] {
        for (frame, address) in [(frame, REGISTERS), (shared, SHARED)] {
            let copy = w.copy(frame, Rights::READ | Rights::WRITE, 0)?;
            let perms = u64::from((Perms::READ | Perms::WRITE).bits());
            w.ok(Op::Map, agent.space, &[copy.into(), address, 0, 1, perms])?;
        }
    }
    let (bell, line) = (w.make(Kind::Notification, 0)?, w.authority.line);
    w.give(driver, OWN, bell, Rights::WAIT, 0)?;
    w.give(driver, LINE, line, Rights::all(), 0)?;
    w.ok(Op::IrqBind, line, &[bell.into(), 1])?;
    let mut drive = two(call(Op::Wait, 0, OWN, 0), call(Op::IrqAck, 0, LINE, 0));
    (drive[23], drive[24]) = (REGISTERS, SHARED);
    w.run(driver, code::DRIVER, &drive)?;
    w.settle()?;
    let raise = |rounds| registers([(1, REGISTERS), (2, SHARED), (3, rounds), (25, 1)]);
    to_end(w, raiser, code::RAISE, &raise(WARM_UP))?;
    mark("irq.to_driver");
    let end = to_end(w, raiser, code::RAISE, &raise(ROUNDS))?;
    mark("irq.to_driver");
    equal(w.state(driver)?, State::Waiting, "the driver")?;
    holds(end[6] < ticks_per_second(), "an interrupt came too late")?;
    Ok(each(end[6], ticks_per_second(), ROUNDS))
}

/// A Frame of the device's registers.
fn device(w: &mut World) -> Check<u32> {
    let (memory, slot) = (w.authority.registers, w.slot()?);
    let base = w.inspect(SLOT_TABLE, memory)?[2];
    let args = [Kind::Frame as u64, 1, 12, SLOT_TABLE.into(), slot.into(), base, MemoryType::DeviceNgnre as u64];
    w.ok(Op::Retype, memory, &args)?;
    Ok(slot)
}

/// The device calls for an interrupt, which its mask hides.
fn call_up(w: &mut World, frame: u32) -> Check {
    let copy = w.copy(frame, Rights::READ | Rights::WRITE, 0)?;
    let clock = w.map(copy, 1)?;
    let outside = |_| Fail::from("no such register");
    clock.store_u32(MASK, 0).map_err(outside)?;
    for _ in 0..100 {
        // The second may end between the two accesses.
        clock.store_u32(MATCH, clock.load_u32(DATA).map_err(outside)?).map_err(outside)?;
        if clock.load_u32(RAW).map_err(outside)? == 1 {
            return Ok(());
        }
    }
    Err("the clock does not fire".into())
}

/// An agent that answers the faults of another, and that other.
fn handler_and_faulter(w: &mut World) -> Check<(Agent, Agent)> {
    let door = w.make(Kind::Endpoint, 0)?;
    let send = w.copy(door, Rights::SEND, 0)?;
    let handler = agent(w, PRIORITY)?;
    w.give(handler, OWN, door, Rights::RECEIVE, 0)?;
    let faulter = w.agent_with(Setup { handler: Some(send), priority: PRIORITY, ..Setup::default() })?;
    Ok((handler, faulter))
}

/// Answers and takes the next.
fn answer() -> [u64; 2] {
    call(Op::ReplyReceive, 0, OWN, REPLY)
}

/// A fault of a thread, the answer of its handler, the next fault: the thread tries the same instruction again.
fn fault(w: &mut World) -> Check<u64> {
    let (handler, faulter) = handler_and_faulter(w)?;
    let handle = |rounds| registers([(19, answer()[0]), (20, answer()[1]), (23, rounds)]);
    w.run(faulter, code::READ, &registers([(1, 0x50_0000)]))?;
    to_end(w, handler, code::HANDLE, &handle(WARM_UP))?;
    mark("fault.round_trip");
    let end = to_end(w, handler, code::HANDLE, &handle(ROUNDS))?;
    mark("fault.round_trip");
    equal(end[1], 0x50_0000, "the address of the fault")?;
    Ok(cost(&end, ROUNDS))
}

/// Pages mapped in a row, where the first one is, and how often there are so many more.
const BATCH: u64 = 32;
const FIRST: u64 = 0x12_0000;
const BATCHES: u64 = 6;
/// Where the handler has Frames, and the address space of the other.
const FRAMES: u32 = 24;
const SPACE: u32 = 22;

/// A fault of a thread, whose handler maps a Frame where it was before it answers: the thread goes on to the next page.
fn fault_and_map(w: &mut World) -> Check<u64> {
    let (handler, faulter) = handler_and_faulter(w)?;
    let frame = w.make(Kind::Frame, 1)?;
    w.give(handler, SPACE, faulter.space, Rights::all(), 0)?;
    w.run(faulter, code::STRIDE, &registers([(1, FIRST)]))?;
    let (map, mut ticks) = (call(Op::Map, 5, SPACE, 0), 0);
    for batch in 0..=BATCHES {
        for index in 0..BATCH as u32 {
            w.ok(Op::Delete, handler.table, &[(FRAMES + index).into()])?;
            w.give(handler, FRAMES + index, frame, Rights::READ | Rights::WRITE, 0)?;
        }
        let mut x = two(answer(), map);
        (x[23], x[24]) = (FRAMES.into(), u64::from(FRAMES) + BATCH);
        if batch == BATCHES {
            mark("fault.map_round_trip");
        }
        let end = to_end(w, handler, code::MAPPER, &x)?;
        equal(end[1], FIRST + (batch + 1) * BATCH * 4096, "the address of the fault behind the last")?;
        ticks += if batch > 0 { end[26] - end[25] } else { 0 };
        if batch == BATCHES {
            mark("fault.map_round_trip");
        }
    }
    Ok(each(ticks, ticks_per_second(), BATCH * BATCHES))
}

/// A new thread with time of its own, out of memory that is zeroed for them, runs one instruction, a signal to who made it and
/// waits for that. Both go again, and the memory is whole.
fn create(w: &mut World) -> Check<u64> {
    let (donor, bell) = (agent(w, PRIORITY)?, w.make(Kind::Notification, 0)?);
    w.give(donor, OTHER, bell, Rights::SIGNAL, 1)?;
    let memory = w.make(Kind::Untyped, 2)?;
    let (thread, time) = (w.slot()?, w.slot()?);
    let config = ThreadConfig {
        table: Cap::from_slot(donor.table),
        space: Cap::from_slot(donor.space),
        message_page: None,
        fault: None,
        priority: PRIORITY,
        ceiling: PRIORITY,
        fpu: false,
    };
    let control = Cap::<SchedControl>::from_slot(*w.authority.sched.first().ok_or("no SchedControl")?);
    let round = || {
        let (memory, bell) = (Cap::<Untyped>::from_slot(memory), Cap::<Notification>::from_slot(bell));
        memory.retype(Kind::Thread, Retype::default(), TABLE, thread)?;
        memory.retype(Kind::SchedContext, Retype::default(), TABLE, time)?;
        let (new, with) = (Cap::<Thread>::from_slot(thread), Cap::<SchedContext>::from_slot(time));
        new.configure(&config)?;
        new.write_registers(8, call(Op::Signal, 1, OTHER, 0))?;
        new.write_registers(32, [code::SVC])?;
        control.configure(with, 1, 1, false)?;
        with.bind(new)?;
        new.resume()?;
        let bits = bell.wait()?;
        TABLE.delete(thread)?;
        TABLE.delete(time)?;
        equal(bits, 1, "what the new thread signals")
    };
    (0..WARM_UP).try_for_each(|_| round())?;
    mark("thread.create");
    let start = now_ticks();
    (0..ROUNDS).try_for_each(|_| round())?;
    let ticks = now_ticks() - start;
    mark("thread.create");
    Ok(each(ticks, ticks_per_second(), ROUNDS))
}
