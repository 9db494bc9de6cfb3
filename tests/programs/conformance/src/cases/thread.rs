//! Thread: configure, resume, suspend, registers, bind, cancel; which registers survive what.

use abi::{ErrorCode, Kind, Op, Rights, layout::USER_END, layout::USER_MESSAGE_PAGE};
use agent::{Check, Request, Setup, State, World, code, equal, holds, pattern};
use alloc::format;

use super::common::*;
use super::sched::Counter;
use crate::case::{Case, case, refusals};
use ErrorCode::*;

pub const CASES: &[Case] = &[
    refusals(
        "TH-CONFIGURE-001",
        "configuring needs a thread and the right to",
        &[(Op::ThreadConfigure, LOOK_UP_RIGHT)],
        configure_look_up,
    ),
    refusals(
        "TH-CONFIGURE-002",
        "a thread gets a table that may be attached, an address space that may be used, a Frame, an Endpoint",
        &[(Op::ThreadConfigure, LOOK_UP_RIGHT)],
        configure_arguments,
    ),
    refusals(
        "TH-CONFIGURE-003",
        "a thread that is not stopped is not configured",
        &[(Op::ThreadConfigure, &[InvalidState])],
        configure_running,
    ),
    refusals(
        "TH-CONFIGURE-004",
        "priority stays under the ceiling, and that under the caller's",
        &[(Op::ThreadConfigure, &[InvalidArgument])],
        configure_priority,
    ),
    refusals(
        "TH-CONFIGURE-005",
        "the message page is ordinary memory at a page of the lower half",
        &[(Op::ThreadConfigure, &[InvalidArgument, Misaligned])],
        configure_page,
    ),
    case("TH-CONFIGURE-006", "a refused configure changes nothing", configure_refused),
    refusals(
        "TH-RESUME-001",
        "resuming needs a thread and the right to",
        &[(Op::ThreadResume, LOOK_UP_RIGHT)],
        resume_look_up,
    ),
    refusals(
        "TH-RESUME-002",
        "a thread without table or address space does not run",
        &[(Op::ThreadResume, &[InvalidState])],
        resume_nothing,
    ),
    case("TH-RESUME-003", "resuming a thread that runs or waits changes nothing", resume_again),
    refusals(
        "TH-SUSPEND-001",
        "suspending needs a thread and the right to",
        &[(Op::ThreadSuspend, LOOK_UP_RIGHT)],
        suspend_look_up,
    ),
    case("TH-SUSPEND-002", "a suspended thread stops at once and goes on where it was", suspend_stops),
    refusals(
        "TH-SUSPEND-003",
        "a thread that waits in a call is cancelled when it is suspended",
        &[(Op::Call, &[Cancelled])],
        suspend_cancels,
    ),
    case("TH-SUSPEND-004", "a thread that suspends itself returns when it is resumed", suspend_self),
    refusals(
        "TH-WRITE-001",
        "writing registers needs a thread and the right to configure it",
        &[(Op::ThreadWriteRegisters, LOOK_UP_RIGHT)],
        write_look_up,
    ),
    refusals(
        "TH-WRITE-002",
        "registers of a thread that is not stopped are not written",
        &[(Op::ThreadWriteRegisters, &[InvalidState])],
        write_running,
    ),
    refusals(
        "TH-WRITE-003",
        "registers that do not exist are not written, nor more than six",
        &[(Op::ThreadWriteRegisters, &[InvalidArgument])],
        write_bad,
    ),
    refusals(
        "TH-READ-001",
        "reading registers needs a thread and the right to configure it",
        &[(Op::ThreadReadRegisters, LOOK_UP_RIGHT)],
        read_look_up,
    ),
    refusals(
        "TH-READ-002",
        "registers of a thread that is not stopped are not read",
        &[(Op::ThreadReadRegisters, &[InvalidState])],
        read_running,
    ),
    refusals(
        "TH-READ-003",
        "registers that do not exist are not read; those past the last are 0",
        &[(Op::ThreadReadRegisters, &[InvalidArgument])],
        read_bad,
    ),
    case("TH-READ-004", "what was written is what is read, all 34 registers", read_back),
    refusals(
        "TH-BIND-001",
        "binding needs a thread and the right to",
        &[(Op::ThreadBind, LOOK_UP_RIGHT)],
        bind_look_up,
    ),
    refusals(
        "TH-BIND-002",
        "what is bound is a notification that may be waited for",
        &[(Op::ThreadBind, LOOK_UP_RIGHT)],
        bind_argument,
    ),
    refusals(
        "TH-BIND-003",
        "a notification that is bound or waited for is busy",
        &[(Op::ThreadBind, &[Busy])],
        bind_busy,
    ),
    case("TH-BIND-004", "another binding takes the place of the first; 0 ends it", bind_again),
    case("TH-BIND-005", "bits that are there when it is bound end a receive under way", bind_delivers),
    case("TH-BIND-006", "a bound notification that ends leaves the thread receiving", bind_lost),
    refusals(
        "TH-CANCEL-001",
        "cancelling needs a thread and the right to",
        &[(Op::ThreadCancel, LOOK_UP_RIGHT)],
        cancel_look_up,
    ),
    case("TH-CANCEL-002", "a thread that does not wait does not notice a cancel", cancel_nothing),
    case("TH-DEATH-001", "a thread without table or address space is stopped", losing),
    case("TH-DEATH-002", "a thread that loses its message page goes on without", losing_page),
    case("RG-CALL-001", "x19-x29 and the stack pointer survive a call and its answer", kept),
    case("RG-CALL-002", "nothing but message and badge reaches the other side, short way and long", nothing_leaks),
    case("RG-THREAD-001", "TPIDR_EL0 belongs to the thread and survives a call", thread_pointer),
    case("RG-THREAD-002", "the condition flags survive a call", flags),
    case("RG-THREAD-003", "all registers survive interrupts and other threads on the core", preempted),
    case("RG-THREAD-004", "an operation number that does not exist is refused by its number", no_such_operation),
];

const OWN: u32 = abi::SLOT_TABLE;

/// Arguments for a configure as usual.
fn configuration(w: &mut World) -> Check<[u64; 6]> {
    let (table, space) = (w.make(Kind::CapTable, 4)?, w.make(Kind::AddressSpace, 2)?);
    let (frame, door) = (w.make(Kind::Frame, 1)?, w.make(Kind::Endpoint, 0)?);
    Ok([table.into(), space.into(), frame.into(), USER_MESSAGE_PAGE, door.into(), 0x6464])
}

fn configure_look_up(w: &mut World) -> Check {
    let args = configuration(w)?;
    let thread = w.make(Kind::Thread, 0)?;
    look_up(w, Op::ThreadConfigure, &args, Some((thread, Rights::CONTROL | Rights::BIND)))
}

fn configure_arguments(w: &mut World) -> Check {
    let args = configuration(w)?;
    let thread = w.make(Kind::Thread, 0)?;
    let less = [
        (0, Rights::all() - Rights::ATTACH),
        (1, Rights::all() - Rights::USE),
        (2, Rights::all() - Rights::WRITE),
        (4, Rights::all() - Rights::SEND),
    ];
    for (index, less) in less {
        argument(w, Op::ThreadConfigure, thread, &args, index, Some((args[index] as u32, less)))?;
    }
    let mut unreadable = args;
    unreadable[2] = w.copy(args[2] as u32, Rights::all() - Rights::READ, 0)?.into();
    w.refused(Op::ThreadConfigure, thread, &unreadable, MissingRight, 3)
}

fn configure_running(w: &mut World) -> Check {
    let args = configuration(w)?;
    let pair = Pair::waiting(w)?;
    w.refused(Op::ThreadConfigure, pair.server.thread, &args, InvalidState, 0)?;
    let busy = w.agent()?;
    w.run(busy, code::SPIN, &[0; 31])?;
    w.refused(Op::ThreadConfigure, busy.thread, &args, InvalidState, 0)?;
    equal(w.state(busy)?, State::Ready, "the other")
}

fn configure_priority(w: &mut World) -> Check {
    let mut args = configuration(w)?;
    let thread = w.make(Kind::Thread, 0)?;
    // More than its ceiling; more than ours; bits that mean nothing.
    for priority in [0x6465, 0x7474, 0xff00, 0xffff, 0x2_6464, u64::MAX] {
        args[5] = priority;
        w.refused(Op::ThreadConfigure, thread, &args, InvalidArgument, 6)?;
    }
    for priority in [0, 0x7373, 0x7300] {
        args[5] = priority;
        w.ok(Op::ThreadConfigure, thread, &args)?;
    }
    Ok(())
}

fn configure_page(w: &mut World) -> Check {
    let mut args = configuration(w)?;
    let thread = w.make(Kind::Thread, 0)?;
    for address in [USER_END, USER_END + 0x1000, 0xffff_0000_0000_0000] {
        args[3] = address;
        w.refused(Op::ThreadConfigure, thread, &args, InvalidArgument, 3)?;
    }
    for address in [1, 0xfff, USER_MESSAGE_PAGE + 8] {
        args[3] = address;
        w.refused(Op::ThreadConfigure, thread, &args, Misaligned, 4)?;
    }
    args[3] = USER_MESSAGE_PAGE;
    let uncached = w.slot()?;
    w.ok(Op::Retype, w.arena, &[Kind::Frame as u64, 1, 0, TABLE, uncached.into(), 0, 1])?;
    args[2] = uncached.into();
    w.refused(Op::ThreadConfigure, thread, &args, InvalidArgument, 3)
}

fn configure_refused(w: &mut World) -> Check {
    let mut args = configuration(w)?;
    let mut agent = w.agent()?;
    args[5] = 0xffff;
    w.refused(Op::ThreadConfigure, agent.thread, &args, InvalidArgument, 6)?;
    // It has its own table and code still.
    failed(&w.does(&mut agent, Request::new(Op::Poll, 8))?, WrongKind, 0)
}

fn resume_look_up(w: &mut World) -> Check {
    let thread = w.make(Kind::Thread, 0)?;
    look_up(w, Op::ThreadResume, &[], Some((thread, Rights::CONFIGURE | Rights::BIND)))
}

fn resume_nothing(w: &mut World) -> Check {
    let thread = w.make(Kind::Thread, 0)?;
    w.refused(Op::ThreadResume, thread, &[], InvalidState, 0)?;
    let agent = w.agent()?;
    w.ok(Op::Delete, OWN, &[agent.space.into()])?;
    // The thread holds one of its own.
    w.ok(Op::ThreadResume, agent.thread, &[])?;
    let agent = w.agent()?;
    w.ok(Op::Revoke, OWN, &[agent.table.into()])?;
    w.refused(Op::ThreadResume, agent.thread, &[], InvalidState, 0)
}

fn resume_again(w: &mut World) -> Check {
    let mut pair = Pair::waiting(w)?;
    w.ok(Op::ThreadResume, pair.server.thread, &[])?;
    w.settle()?;
    equal(w.state(pair.server)?, State::Receiving, "the server")?;
    w.blocks(&mut pair.client, call().length(1), State::Calling)?;
    w.ok(Op::ThreadResume, pair.client.thread, &[])?;
    w.settle()?;
    equal(w.state(pair.client)?, State::Calling, "the client")?;
    arrived(&w.finish(&mut pair.server)?, pair.client, 1, 0, BADGE)
}

fn suspend_look_up(w: &mut World) -> Check {
    let thread = w.make(Kind::Thread, 0)?;
    look_up(w, Op::ThreadSuspend, &[], Some((thread, Rights::CONFIGURE | Rights::BIND)))
}

fn suspend_stops(w: &mut World) -> Check {
    let counter = Counter::started(w, Setup::default())?;
    for _ in 0..10 {
        counter.grows(w)?;
        w.ok(Op::ThreadSuspend, counter.agent.thread, &[])?;
        let stopped = counter.count()?;
        counter.stands(w)?;
        let x = w.registers(counter.agent)?;
        holds(x[2] == stopped.into() || x[2] == u64::from(stopped) + 1, &format!("x2 is {:#x}", x[2]))?;
        w.ok(Op::ThreadResume, counter.agent.thread, &[])?;
    }
    Ok(())
}

fn suspend_cancels(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    w.blocks(&mut pair.client, call(), State::Calling)?;
    w.ok(Op::ThreadSuspend, pair.client.thread, &[])?;
    equal(w.state(pair.client)?, State::Suspended, "the client")?;
    w.ok(Op::ThreadResume, pair.client.thread, &[])?;
    failed(&w.finish(&mut pair.client)?, Cancelled, 0)
}

fn suspend_self(w: &mut World) -> Check {
    let mut agent = w.agent()?;
    w.give(agent, 20, agent.thread, Rights::CONTROL, 0)?;
    w.blocks(&mut agent, Request::new(Op::ThreadSuspend, 20), State::Suspended)?;
    w.ok(Op::ThreadResume, agent.thread, &[])?;
    equal(w.finish(&mut agent)?.status(), Ok(()), "status")
}

fn write_look_up(w: &mut World) -> Check {
    let thread = w.make(Kind::Thread, 0)?;
    look_up(w, Op::ThreadWriteRegisters, &[0, 1, 1], Some((thread, Rights::CONTROL | Rights::BIND)))
}

fn write_running(w: &mut World) -> Check {
    let pair = Pair::waiting(w)?;
    w.refused(Op::ThreadWriteRegisters, pair.server.thread, &[0, 1, 1], InvalidState, 0)?;
    let busy = Counter::started(w, Setup::default())?;
    w.refused(Op::ThreadWriteRegisters, busy.agent.thread, &[32, 1, 0], InvalidState, 0)?;
    busy.grows(w)
}

fn write_bad(w: &mut World) -> Check {
    let thread = w.make(Kind::Thread, 0)?;
    for (first, count) in [(34, 1), (33, 2), (30, 5), (35, 0), (64, 1), (130, 1), (u64::MAX, 1)] {
        w.refused(Op::ThreadWriteRegisters, thread, &[first, count, 1, 2, 3, 4, 5, 6], InvalidArgument, 1)?;
    }
    for count in [7, u64::MAX] {
        w.refused(Op::ThreadWriteRegisters, thread, &[0, count, 1, 2, 3, 4, 5, 6], InvalidArgument, 2)?;
    }
    equal(w.ok(Op::ThreadReadRegisters, thread, &[28])?, [0; 8], "registers")
}

fn read_look_up(w: &mut World) -> Check {
    let thread = w.make(Kind::Thread, 0)?;
    look_up(w, Op::ThreadReadRegisters, &[0], Some((thread, Rights::CONTROL | Rights::BIND)))
}

fn read_running(w: &mut World) -> Check {
    let pair = Pair::waiting(w)?;
    w.refused(Op::ThreadReadRegisters, pair.server.thread, &[0], InvalidState, 0)?;
    let busy = w.agent()?;
    w.run(busy, code::SPIN, &[0; 31])?;
    w.refused(Op::ThreadReadRegisters, busy.thread, &[0], InvalidState, 0)
}

fn read_bad(w: &mut World) -> Check {
    let thread = w.make(Kind::Thread, 0)?;
    for first in [34, 63, 130, 1 << 32, u64::MAX] {
        w.refused(Op::ThreadReadRegisters, thread, &[first], InvalidArgument, 1)?;
    }
    w.ok(Op::ThreadWriteRegisters, thread, &[33, 1, 0x1234])?;
    equal(w.ok(Op::ThreadReadRegisters, thread, &[33])?, [0x1234, 0, 0, 0, 0, 0, 0, 0], "registers from the last on")
}

fn read_back(w: &mut World) -> Check {
    let thread = w.make(Kind::Thread, 0)?;
    for register in 0..34u64 {
        w.ok(Op::ThreadWriteRegisters, thread, &[register, 1, pattern(9, register as usize)])?;
    }
    for first in 0..34 {
        let wanted = core::array::from_fn(|at| if first + at < 34 { pattern(9, first + at) } else { 0 });
        equal(w.ok(Op::ThreadReadRegisters, thread, &[first as u64])?, wanted, "registers")?;
    }
    Ok(())
}

fn bind_look_up(w: &mut World) -> Check {
    let (thread, bell) = (w.make(Kind::Thread, 0)?, w.make(Kind::Notification, 0)?);
    look_up(w, Op::ThreadBind, &[bell.into()], Some((thread, Rights::CONFIGURE | Rights::CONTROL)))
}

fn bind_argument(w: &mut World) -> Check {
    let (thread, bell) = (w.make(Kind::Thread, 0)?, w.make(Kind::Notification, 0)?);
    argument(w, Op::ThreadBind, thread, &[bell.into()], 0, Some((bell, Rights::SIGNAL)))
}

fn bind_busy(w: &mut World) -> Check {
    let (one, other, bell) = (w.make(Kind::Thread, 0)?, w.make(Kind::Thread, 0)?, w.make(Kind::Notification, 0)?);
    w.ok(Op::ThreadBind, one, &[bell.into()])?;
    w.refused(Op::ThreadBind, other, &[bell.into()], Busy, 1)?;
    w.ok(Op::ThreadBind, one, &[bell.into()])?;
    let waited = w.make(Kind::Notification, 0)?;
    let mut agent = w.agent()?;
    w.give(agent, 20, waited, ALL, 0)?;
    w.blocks(&mut agent, Request::new(Op::Wait, 20), State::Waiting)?;
    w.refused(Op::ThreadBind, one, &[waited.into()], Busy, 1)
}

fn bind_again(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    let (first, second) = (w.make(Kind::Notification, 0)?, w.make(Kind::Notification, 0)?);
    w.ok(Op::ThreadBind, pair.server.thread, &[first.into()])?;
    w.ok(Op::ThreadBind, pair.server.thread, &[second.into()])?;
    w.ok(Op::Signal, first, &[1])?;
    w.blocks(&mut pair.server, RECEIVE, State::Receiving)?;
    w.ok(Op::Signal, second, &[2])?;
    equal(w.finish(&mut pair.server)?.words()[0], 2, "bits")?;
    w.ok(Op::ThreadBind, pair.server.thread, &[0])?;
    w.ok(Op::Signal, second, &[4])?;
    w.blocks(&mut pair.server, RECEIVE, State::Receiving)?;
    equal(w.ok(Op::Poll, second, &[])?[0], 4, "bits of what is bound no more")
}

fn bind_delivers(w: &mut World) -> Check {
    let mut pair = Pair::waiting(w)?;
    let bell = w.make(Kind::Notification, 0)?;
    w.ok(Op::Signal, bell, &[0x10])?;
    w.ok(Op::ThreadBind, pair.server.thread, &[bell.into()])?;
    equal(w.finish(&mut pair.server)?.words()[0], 0x10, "bits")
}

fn bind_lost(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    let bell = w.make(Kind::Notification, 0)?;
    w.ok(Op::ThreadBind, pair.server.thread, &[bell.into()])?;
    w.blocks(&mut pair.server, RECEIVE, State::Receiving)?;
    w.ok(Op::Delete, OWN, &[bell.into()])?;
    w.begin(&mut pair.client, call().length(2))?;
    arrived(&w.finish(&mut pair.server)?, pair.client, 2, 0, BADGE)
}

fn cancel_look_up(w: &mut World) -> Check {
    let thread = w.make(Kind::Thread, 0)?;
    look_up(w, Op::ThreadCancel, &[], Some((thread, Rights::CONFIGURE | Rights::BIND)))
}

fn cancel_nothing(w: &mut World) -> Check {
    let busy = Counter::started(w, Setup::default())?;
    w.ok(Op::ThreadCancel, busy.agent.thread, &[])?;
    busy.grows(w)?;
    w.ok(Op::ThreadSuspend, busy.agent.thread, &[])?;
    w.ok(Op::ThreadCancel, busy.agent.thread, &[])?;
    equal(w.state(busy.agent)?, State::Suspended, "the agent")
}

fn losing(w: &mut World) -> Check {
    for space in [false, true] {
        let Counter { agent, .. } = Counter::started(w, Setup::default())?;
        let lost = if space { agent.space } else { agent.table };
        w.ok(Op::Revoke, OWN, &[lost.into()])?;
        w.settle()?;
        equal(w.state(agent)?, State::Suspended, "the agent")?;
    }
    Ok(())
}

fn losing_page(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    w.ok(Op::Revoke, OWN, &[pair.client.page.into()])?;
    failed(&w.does(&mut pair.client, call().length(9))?, NoMessagePage, 8)?;
    w.blocks(&mut pair.client, call().length(8), State::Calling)
}

fn kept(w: &mut World) -> Check {
    // What `finish` checks, once more in its own words.
    for unused in agent::UNUSED {
        let mut pair = Pair::taken(w)?;
        w.blocks(&mut pair.server, ANSWER_RECEIVE.length(8).unused(unused), State::Receiving)?;
        let client = w.finish(&mut pair.client)?;
        for register in 19..30 {
            let own = pattern(pair.client.number.into(), register);
            equal(client.x[register], own, &format!("x{register} of the client"))?;
        }
        w.begin(&mut pair.client, call().unused(unused))?;
        let server = w.finish(&mut pair.server)?;
        for register in 19..30 {
            let own = pattern(pair.server.number.into(), register);
            equal(server.x[register], own, &format!("x{register} of the server"))?;
        }
    }
    Ok(())
}

fn nothing_leaks(w: &mut World) -> Check {
    let foreign = |out: &agent::Out, whose: u64| {
        let begins = pattern(whose, 0) >> 48;
        let words = usize::from(out.word().words()).min(8);
        (words..31).filter(|register| !(19..30).contains(register)).all(|at| out.x[at] >> 48 != begins)
    };
    for words in (0..=8).chain([9, 12, 33, 64]) {
        for unused in [0, 1 << 15] {
            let mut pair = Pair::waiting(w)?;
            w.blocks(&mut pair.client, call().length(words).unused(unused), State::Calling)?;
            let server = w.finish(&mut pair.server)?;
            holds(foreign(&server, pair.client.number.into()), "a register of the client reached the server")?;
            w.blocks(&mut pair.server, ANSWER_RECEIVE.length(words).unused(unused), State::Receiving)?;
            let client = w.finish(&mut pair.client)?;
            holds(foreign(&client, pair.server.number.into()), "a register of the server reached the client")?;
        }
    }
    Ok(())
}

fn thread_pointer(w: &mut World) -> Check {
    let mut pair = Pair::waiting(w)?;
    let mut x = call().length(8).registers(pair.client.number.into());
    x[1] = 0x7e57_c11e;
    w.run(pair.client, code::THREAD_POINTER, &x)?;
    w.settle()?;
    w.finish(&mut pair.server)?;
    let mut x = ANSWER_RECEIVE.registers(pair.server.number.into());
    x[1] = 0x7e57_5e52;
    w.run(pair.server, code::THREAD_POINTER, &x)?;
    w.end_of(pair.client)?;
    equal(w.registers(pair.client)?[10], 0x7e57_c11e, "TPIDR_EL0 of the client")
}

fn flags(w: &mut World) -> Check {
    for flags in [0, 0xf000_0000, 0x6000_0000, 0x9000_0000] {
        let mut agent = w.agent()?;
        let bell = w.make(Kind::Notification, 0)?;
        w.give(agent, 20, bell, ALL, 0)?;
        for op in [Op::Poll, Op::Signal] {
            let mut x = Request::new(op, 20).registers(1);
            x[1] = flags;
            agent.doing = None;
            w.run(agent, code::FLAGS, &x)?;
            w.end_of(agent)?;
            equal(w.registers(agent)?[10], flags, "NZCV")?;
        }
    }
    Ok(())
}

fn preempted(w: &mut World) -> Check {
    let mut all = alloc::vec::Vec::new();
    for _ in 0..3 {
        let agent = w.agent()?;
        let x = Request::new(Op::Poll, 20).registers(agent.number.into());
        w.run(agent, code::SPIN, &x)?;
        all.push((agent, x));
    }
    // Slices end, timers fire, others run in between.
    w.sleep(30_000)?;
    for (agent, x) in all {
        w.ok(Op::ThreadSuspend, agent.thread, &[])?;
        equal(w.registers(agent)?, x, "registers of a thread that did nothing")?;
        let rest = w.ok(Op::ThreadReadRegisters, agent.thread, &[31])?;
        equal(rest[1], code::SPIN, "its program counter")?;
    }
    Ok(())
}

fn no_such_operation(w: &mut World) -> Check {
    let mut agent = w.agent()?;
    for number in (0..=255u8).filter(|&number| Op::from_number(number).is_none()).step_by(19) {
        for unused in [0, 1 << 15] {
            let out = w.does(&mut agent, Request::numbered(number, 1).length(8).unused(unused))?;
            failed(&out, InvalidOperation, number)?;
        }
    }
    Ok(())
}
