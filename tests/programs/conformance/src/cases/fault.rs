//! Faults: what each says, and what answers to it do.

use abi::{FaultKind, FaultMessage, Kind, Op, Perms, Rights};
use agent::{Agent, Check, Ended, Registers, Setup, State, World, code, equal, holds, pattern};
use alloc::format;
use rt::{Cap, Message, Received, Reply};

use super::common::*;
use crate::case::{Case, case};

pub const CASES: &[Case] = &[
    case("FT-KIND-001", "a read of what is not mapped is a read fault with its address", |w| {
        kind(w, code::READ, 0x50_0000, FaultKind::Read, 0x50_0000)
    }),
    case("FT-KIND-002", "a write to what is not mapped is a write fault with its address", |w| {
        kind(w, code::WRITE, 0x50_0008, FaultKind::Write, 0x50_0008)
    }),
    case("FT-KIND-003", "a write to a read-only page is a write fault", |w| {
        kind(w, code::WRITE, code::AT, FaultKind::Write, code::AT)
    }),
    case("FT-KIND-004", "execution of what is not mapped is an execute fault", |w| {
        kind(w, code::JUMP, 0x50_0000, FaultKind::Execute, 0x50_0000)
    }),
    case("FT-KIND-005", "execution of a page that is not executable is an execute fault", |w| {
        kind(w, code::JUMP, abi::layout::USER_MESSAGE_PAGE, FaultKind::Execute, abi::layout::USER_MESSAGE_PAGE)
    }),
    case("FT-KIND-006", "the kernel's half can be neither read, written nor executed", kernel_half),
    case("FT-KIND-007", "a program counter that is no multiple of 4 is an alignment fault", |w| {
        kind(w, code::JUMP, code::AT + 2, FaultKind::Alignment, code::AT + 2)
    }),
    case("FT-KIND-008", "an instruction that does not exist is undefined", |w| {
        kind(w, code::UNDEFINED, 0, FaultKind::Undefined, 0)
    }),
    case("FT-KIND-009", "a register of the kernel's is undefined for a program", |w| {
        kind(w, code::PRIVILEGED, 0, FaultKind::Undefined, 0)
    }),
    case("FT-KIND-010", "hvc and smc are undefined for a program", |w| {
        kind(w, code::HVC, 0, FaultKind::Undefined, 0)?;
        kind(w, code::SMC, 0, FaultKind::Undefined, 0)
    }),
    case("FT-KIND-011", "brk is a breakpoint with its immediate in the syndrome", breakpoint),
    case("FT-KIND-012", "svc with another immediate than 0 is a fault and no system call", bad_svc),
    case("FT-KIND-013", "wfi, which the kernel keeps to itself, is a fault", |w| {
        kind(w, code::WAIT, 0, FaultKind::Other, 0)
    }),
    case("FT-KIND-014", "a vector register is a fault for a thread that may not use them", |w| {
        kind(w, code::VECTOR, 0, FaultKind::Fpu, 0)
    }),
    case("FT-MESSAGE-001", "a fault says pc, sp, x29 and x30, and carries its handler's badge", message),
    case("FT-MESSAGE-002", "a fault that nobody waits for is received later", later),
    case("FT-MESSAGE-003", "two faults come in the order in which they happened", in_order),
    case("FT-REPLY-001", "label 0 lets the instruction be tried again, with all registers as they were", retry),
    case("FT-REPLY-002", "another label leaves the thread stopped, until it is resumed", stays_stopped),
    case("FT-REPLY-003", "reply-and-receive answers a fault too", by_reply_receive),
    case("FT-HANDLER-001", "without a handler the thread stops", no_handler),
    case("FT-HANDLER-002", "at a closed handler the thread stops", closed_handler),
    case("FT-HANDLER-003", "a handler that dies leaves the thread stopped", handler_dies),
    case("FT-HANDLER-004", "a handler that ends while the fault waits leaves the thread stopped", handler_ends),
    case("FT-HANDLER-005", "a cancel of a thread whose fault waits leaves it stopped", cancelled),
    case("FT-HANDLER-006", "registers of a faulted thread are read and written", registers_of_faulted),
];

/// Runs a piece of code with x1, and returns the fault it ends with.
fn kind_at(w: &mut World, pc: u64, x1: u64, kind: FaultKind) -> Check<Ended> {
    let agent = w.agent()?;
    let mut x = [0; 31];
    x[1] = x1;
    w.run(agent, pc, &x)?;
    let ended = w.end_of(agent)?;
    equal(ended.kind, Some(kind), "the kind")?;
    Ok(ended)
}

fn kind(w: &mut World, pc: u64, x1: u64, kind: FaultKind, address: u64) -> Check {
    equal(kind_at(w, pc, x1, kind)?.message.address, address, "the address")
}

fn kernel_half(w: &mut World) -> Check {
    for address in [0xffff_0000_0000_0000, 0xffff_8000_0000_0000, 0xffff_ffff_ffff_f000, 1 << 52] {
        kind_at(w, code::READ, address, FaultKind::Read)?;
        kind_at(w, code::WRITE, address, FaultKind::Write)?;
        kind_at(w, code::JUMP, address, FaultKind::Execute)?;
    }
    Ok(())
}

fn breakpoint(w: &mut World) -> Check {
    let ended = kind_at(w, code::BREAK, 0, FaultKind::Breakpoint)?;
    equal((ended.message.syndrome as u16, ended.message.pc), (7, code::BREAK), "immediate and pc")
}

fn bad_svc(w: &mut World) -> Check {
    let bell = w.make(Kind::Notification, 0)?;
    let agent = w.agent()?;
    w.give(agent, 20, bell, ALL, 0)?;
    let x = agent::Request::new(Op::Signal, 20).words(&[1]).registers(1);
    w.run(agent, code::SVC_1, &x)?;
    equal(w.end_of(agent)?.kind, Some(FaultKind::BadSvc), "the kind")?;
    equal(w.ok(Op::Poll, bell, &[])?[0], 0, "bits")?;
    equal(w.registers(agent)?, x, "the registers")
}

/// An endpoint where faults of agents arrive, and a Reply for it.
struct Handler {
    door: u32,
    reply: u32,
    send: u32,
}

const HANDLER: u64 = 0x1234 << 24;

impl Handler {
    fn new(w: &mut World) -> Check<Self> {
        let (door, reply) = (w.make(Kind::Endpoint, 0)?, w.make(Kind::Reply, 0)?);
        let send = w.copy(door, Rights::SEND, HANDLER)?;
        Ok(Self { door, reply, send })
    }

    fn agent(&self, w: &mut World) -> Check<Agent> {
        w.agent_with(Setup { handler: Some(self.send), ..Setup::default() })
    }

    /// Takes the next fault.
    fn take(&self, w: &mut World) -> Check<(FaultKind, FaultMessage, u64)> {
        match w.receive(self.door, self.reply, 1_000_000)? {
            Some(Received::Call { badge, message, .. }) => {
                equal((message.words, message.caps), (FaultMessage::WORDS, 0), "words and capabilities")?;
                let kind = FaultKind::from_number(message.label).ok_or("no such kind of fault")?;
                Ok((kind, FaultMessage::from_words(&message.regs), badge.0))
            }
            other => Err(agent::Fail(format!("no fault comes: {other:?}"))),
        }
    }

    fn answer(&self, label: u32) -> Check {
        Ok(Cap::<Reply>::from_slot(self.reply).reply(&Message::new(label, []))?)
    }
}

/// Registers that say which they are.
fn patterned(x1: u64) -> Registers {
    let mut x = core::array::from_fn(|register| pattern(3, register));
    x[1] = x1;
    x
}

fn message(w: &mut World) -> Check {
    let handler = Handler::new(w)?;
    let agent = handler.agent(w)?;
    w.run(agent, code::READ, &patterned(0x50_0000))?;
    let (kind, message, badge) = handler.take(w)?;
    equal((kind, badge), (FaultKind::Read, HANDLER), "kind and badge")?;
    equal((message.pc, message.address), (code::READ, 0x50_0000), "pc and address")?;
    equal((message.fp, message.lr), (pattern(3, 29), pattern(3, 30)), "x29 and x30")?;
    equal(message.sp >> 28, 5, "sp")?;
    holds(message.syndrome >> 26 == 0x24, "the syndrome is no data abort's")
}

fn later(w: &mut World) -> Check {
    let handler = Handler::new(w)?;
    let agent = handler.agent(w)?;
    w.run(agent, code::BREAK, &[0; 31])?;
    w.settle()?;
    equal(w.state(agent)?, State::Faulted, "the agent")?;
    equal(handler.take(w)?.0, FaultKind::Breakpoint, "the kind")
}

fn in_order(w: &mut World) -> Check {
    let handler = Handler::new(w)?;
    for pc in [code::BREAK, code::UNDEFINED, code::READ] {
        let agent = handler.agent(w)?;
        w.run(agent, pc, &[0; 31])?;
        w.settle()?;
    }
    for kind in [FaultKind::Breakpoint, FaultKind::Undefined, FaultKind::Read] {
        equal(handler.take(w)?.0, kind, "the kind")?;
        handler.answer(1)?;
    }
    Ok(())
}

fn retry(w: &mut World) -> Check {
    /// Where the page is missing.
    const PLACE: u64 = 0x12_0000;
    let handler = Handler::new(w)?;
    let agent = handler.agent(w)?;
    let x = patterned(PLACE);
    w.run(agent, code::READ, &x)?;
    for _ in 0..3 {
        equal(handler.take(w)?.0, FaultKind::Read, "the kind")?;
        handler.answer(0)?;
    }
    equal(handler.take(w)?.0, FaultKind::Read, "the kind")?;
    let frame = w.make(Kind::Frame, 1)?;
    w.ok(Op::Map, agent.space, &[frame.into(), PLACE, 0, 1, Perms::READ.bits().into()])?;
    handler.answer(0)?;
    let (kind, message, _) = handler.take(w)?;
    equal((kind, message.pc), (FaultKind::Breakpoint, code::READ + 4), "how it went on")?;
    handler.answer(1)?;
    let mut wanted = x;
    wanted[0] = 0;
    equal(w.registers(agent)?, wanted, "the registers")
}

fn stays_stopped(w: &mut World) -> Check {
    let handler = Handler::new(w)?;
    let agent = handler.agent(w)?;
    w.run(agent, code::READ, &patterned(0x50_0000))?;
    for label in [1, u32::MAX] {
        handler.take(w)?;
        handler.answer(label)?;
        w.settle()?;
        equal(w.state(agent)?, State::Faulted, "the agent")?;
        w.ok(Op::ThreadResume, agent.thread, &[])?;
    }
    equal(handler.take(w)?.1.pc, code::READ, "pc")
}

fn by_reply_receive(w: &mut World) -> Check {
    let handler = Handler::new(w)?;
    let faulty = handler.agent(w)?;
    let mut server = w.agent()?;
    w.give(server, DOOR, handler.door, Rights::RECEIVE, 0)?;
    w.blocks(&mut server, RECEIVE, State::Receiving)?;
    w.run(faulty, code::READ, &patterned(0x50_0000))?;
    for _ in 0..3 {
        let out = w.finish(&mut server)?;
        equal((out.word().label(), out.words()[1]), (FaultKind::Read as u32, 0x50_0000), "kind and address")?;
        w.begin(&mut server, ANSWER_RECEIVE)?;
    }
    w.finish(&mut server)?;
    w.blocks(&mut server, ANSWER_RECEIVE.label(1), State::Receiving)?;
    equal(w.state(faulty)?, State::Faulted, "the agent")
}

fn no_handler(w: &mut World) -> Check {
    let agent = w.agent_with(Setup { handler: Some(0), ..Setup::default() })?;
    w.run(agent, code::READ, &patterned(0x50_0000))?;
    w.settle()?;
    equal(w.state(agent)?, State::Faulted, "the agent")?;
    equal(w.registers(agent)?, patterned(0x50_0000), "its registers")
}

fn closed_handler(w: &mut World) -> Check {
    let handler = Handler::new(w)?;
    let agent = handler.agent(w)?;
    w.ok(Op::EndpointClose, handler.door, &[1])?;
    w.run(agent, code::BREAK, &[0; 31])?;
    w.settle()?;
    equal(w.state(agent)?, State::Faulted, "the agent")?;
    w.ok(Op::EndpointOpen, handler.door, &[])?;
    w.ok(Op::ThreadResume, agent.thread, &[])?;
    equal(handler.take(w)?.0, FaultKind::Breakpoint, "the kind")
}

fn handler_dies(w: &mut World) -> Check {
    let handler = Handler::new(w)?;
    let faulty = handler.agent(w)?;
    let mut server = w.agent()?;
    w.give(server, DOOR, handler.door, Rights::RECEIVE, 0)?;
    w.blocks(&mut server, RECEIVE, State::Receiving)?;
    w.run(faulty, code::BREAK, &[0; 31])?;
    w.finish(&mut server)?;
    w.ok(Op::Delete, abi::SLOT_TABLE, &[server.thread.into()])?;
    w.settle()?;
    equal(w.state(faulty)?, State::Faulted, "the agent")
}

fn handler_ends(w: &mut World) -> Check {
    let handler = Handler::new(w)?;
    let agent = handler.agent(w)?;
    w.run(agent, code::BREAK, &patterned(0))?;
    w.settle()?;
    w.ok(Op::Revoke, abi::SLOT_TABLE, &[handler.door.into()])?;
    w.ok(Op::Delete, abi::SLOT_TABLE, &[handler.door.into()])?;
    equal(w.state(agent)?, State::Faulted, "the agent")?;
    equal(w.registers(agent)?, patterned(0), "its registers")
}

fn cancelled(w: &mut World) -> Check {
    let handler = Handler::new(w)?;
    let agent = handler.agent(w)?;
    w.run(agent, code::BREAK, &patterned(0))?;
    w.settle()?;
    w.ok(Op::ThreadCancel, agent.thread, &[])?;
    equal(w.state(agent)?, State::Faulted, "the agent")?;
    equal(w.registers(agent)?, patterned(0), "its registers")?;
    w.ok(Op::ThreadResume, agent.thread, &[])?;
    equal(handler.take(w)?.0, FaultKind::Breakpoint, "the kind")
}

fn registers_of_faulted(w: &mut World) -> Check {
    let handler = Handler::new(w)?;
    let agent = handler.agent(w)?;
    w.run(agent, code::READ, &patterned(0x50_0000))?;
    handler.take(w)?;
    handler.answer(1)?;
    equal(w.registers(agent)?, patterned(0x50_0000), "its registers")?;
    // It goes on elsewhere, with another address.
    w.ok(Op::ThreadWriteRegisters, agent.thread, &[1, 1, code::AT])?;
    w.ok(Op::ThreadResume, agent.thread, &[])?;
    let (kind, message, _) = handler.take(w)?;
    equal((kind, message.pc), (FaultKind::Breakpoint, code::READ + 4), "how it went on")
}
