//! What several objects' cases do.

use abi::{ErrorCode, Kind, Op, Rights};
use agent::{Agent, Check, Out, REPLY, Request, World, equal};
use alloc::format;

/// Where agents find the Endpoint of a [`Pair`].
pub const DOOR: u32 = 10;
/// The badge of the client's.
pub const BADGE: u64 = 0x0000_0700_0100_0000;
/// All rights, whatever the kind.
pub const ALL: Rights = Rights::all();
/// Refusals of a look-up whose capability cannot be copied, so that it never lacks a right.
pub const LOOK_UP: &[ErrorCode] = &[ErrorCode::SlotOutOfRange, ErrorCode::EmptySlot, ErrorCode::WrongKind];
/// Refusals of a look-up.
pub const LOOK_UP_RIGHT: &[ErrorCode] =
    &[ErrorCode::SlotOutOfRange, ErrorCode::EmptySlot, ErrorCode::WrongKind, ErrorCode::MissingRight];

/// The own table as an argument.
pub const TABLE: u64 = abi::SLOT_TABLE as u64;

/// A target slot outside of the table, empty, of another kind, and without the right.
pub fn look_up(w: &mut World, op: Op, args: &[u64], attenuated: Option<(u32, Rights)>) -> Check {
    for slot in [0, w.slots, w.slots + 1, 1 << 31, u32::MAX] {
        w.refused(op, slot, args, ErrorCode::SlotOutOfRange, 0)?;
    }
    let empty = w.slot()?;
    w.refused(op, empty, args, ErrorCode::EmptySlot, 0)?;
    let on_table = matches!(op, Op::Copy | Op::Move | Op::Delete | Op::Revoke | Op::TableGrow);
    let other = if on_table { abi::SLOT_THREAD } else { abi::SLOT_TABLE };
    w.refused(op, other, args, ErrorCode::WrongKind, 0)?;
    if let Some((full, less)) = attenuated {
        let slot = w.copy(full, less, 0)?;
        w.refused(op, slot, args, ErrorCode::MissingRight, 0)?;
    }
    Ok(())
}

/// The same for the slot in argument number `index`, counted from 0.
pub fn argument(
    w: &mut World,
    op: Op,
    target: u32,
    args: &[u64],
    index: usize,
    attenuated: Option<(u32, Rights)>,
) -> Check {
    let mut args: alloc::vec::Vec<u64> = args.into();
    let detail = index as u8 + 1;
    let zero_is_none = matches!((op, index), (Op::ThreadConfigure, 2 | 4) | (Op::ThreadBind, 0));
    for slot in [0, u64::from(w.slots), u64::from(u32::MAX), 1 << 32, u64::MAX] {
        if slot != 0 || !zero_is_none {
            args[index] = slot;
            w.refused(op, target, &args, ErrorCode::SlotOutOfRange, detail)?;
        }
    }
    args[index] = w.slot()?.into();
    w.refused(op, target, &args, ErrorCode::EmptySlot, detail)?;
    // Nothing takes a Reply in an argument.
    args[index] = abi::SLOT_REPLY.into();
    w.refused(op, target, &args, ErrorCode::WrongKind, detail)?;
    if let Some((full, less)) = attenuated {
        args[index] = w.copy(full, less, 0)?.into();
        w.refused(op, target, &args, ErrorCode::MissingRight, detail)?;
    }
    Ok(())
}

/// A client that may call and a server that may receive.
pub struct Pair {
    pub client: Agent,
    pub server: Agent,
    pub door: u32,
}

impl Pair {
    pub fn new(w: &mut World) -> Check<Self> {
        let door = w.make(Kind::Endpoint, 0)?;
        let (client, server) = (w.agent()?, w.agent()?);
        w.give(client, DOOR, door, Rights::SEND | Rights::GRANT, BADGE)?;
        w.give(server, DOOR, door, Rights::RECEIVE, 0)?;
        Ok(Self { client, server, door })
    }

    /// The server waits.
    pub fn waiting(w: &mut World) -> Check<Self> {
        let mut pair = Self::new(w)?;
        w.blocks(&mut pair.server, RECEIVE, agent::State::Receiving)?;
        Ok(pair)
    }

    /// The server has taken a call and owes the answer.
    pub fn taken(w: &mut World) -> Check<Self> {
        let mut pair = Self::waiting(w)?;
        w.blocks(&mut pair.client, call(), agent::State::Calling)?;
        w.finish(&mut pair.server)?;
        Ok(pair)
    }
}

/// A call of an empty message.
pub const fn call() -> Request {
    Request::new(Op::Call, DOOR)
}

/// A receive.
pub const RECEIVE: Request = Request::new(Op::Receive, DOOR).reply(REPLY);
/// An answer.
pub const ANSWER: Request = Request::new(Op::Reply, REPLY);
/// An answer and a receive.
pub const ANSWER_RECEIVE: Request = Request::new(Op::ReplyReceive, DOOR).reply(REPLY);

/// That a message of `words` words of agent `from` arrived with this label and badge, and nothing else.
#[track_caller]
pub fn arrived(out: &Out, from: Agent, words: u8, label: u32, badge: u64) -> Check {
    equal(out.status(), Ok(()), "status")?;
    equal((out.word().words(), out.word().label()), (words, label), "words and label")?;
    equal((out.word().caps(), out.word().flags()), (0, 0), "capabilities and flags")?;
    equal(out.badge(), badge, "badge")?;
    for (register, value) in out.words().into_iter().enumerate() {
        let sent = agent::pattern(from.number.into(), register);
        let wanted = if register < usize::from(words) { sent } else { 0 };
        equal(value, wanted, &format!("x{register}"))?;
    }
    Ok(())
}

/// That a system call ended with this error.
#[track_caller]
pub fn failed(out: &Out, code: ErrorCode, detail: u8) -> Check {
    equal(out.status(), Err(abi::SyscallError::new(code, detail)), "status")
}
