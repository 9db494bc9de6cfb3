//! Debug: looking into processes.

use abi::{ErrorCode, Kind, layout::MemoryType, layout::PAGE, layout::USER_END};

use super::{Call, Cap, Model, Out, State, Step, refuse};
use crate::object;
use crate::testbed::bed::{RAM, RAM_END};

const INVOKE: u8 = 1;

fn allowed(m: &Model, call: &Call) -> Step {
    m.get(call, call.target, Kind::Debug, INVOKE, 0).map(drop)
}

pub fn cap(m: &mut Model, call: &Call) -> Out {
    allowed(m, call)?;
    let table = m.object(call, call.x[0], Kind::CapTable, 0, 1)?;
    let place = m.slot(table, call.x[1], 2)?;
    let results = m.in_slot(place).map_or([0; 8], |name| describe(m, &m.caps[&name]));
    Ok(m.answer(call.caller, results))
}

fn describe(m: &Model, cap: &Cap) -> [u64; 8] {
    let bytes = match cap.kind {
        Kind::Untyped | Kind::Reserve | Kind::Frame => cap.pages * PAGE,
        Kind::CapTable => 64 * m.tables[&cap.object].end(),
        Kind::AddressSpace | Kind::DmaSpace => m.spaces[&cap.object].pages * PAGE,
        Kind::Thread => object::Thread::BYTES as u64,
        Kind::Endpoint => size_of::<object::Endpoint>() as u64,
        Kind::Reply => size_of::<object::Reply>() as u64,
        Kind::Notification => size_of::<object::Notification>() as u64,
        Kind::SchedContext => size_of::<object::SchedContext>() as u64,
        Kind::Irq => size_of::<object::Irq>() as u64,
        Kind::Smc => cap.pages,
        Kind::Trace if cap.object != 0 => (m.rings[&cap.object].pages + 1) * PAGE,
        _ => 0,
    };
    let base = if bytes == 0 { 0 } else { cap.object };
    let (about, used) = match cap.kind {
        Kind::Untyped if cap.children.is_empty() && !cap.is_tied() => (0, 0),
        Kind::Untyped => (0, cap.used),
        Kind::Frame => cap.mapping.map_or((0, 0), |mapping| (mapping.address, mapping.pages * PAGE)),
        Kind::Reserve => cap.reserve.as_ref().map_or((0, 0), |reserve| (reserve.start, reserve.given() * PAGE)),
        Kind::DmaSpace => {
            let space = &m.spaces[&cap.object];
            let reach = space.stream.map_or(u64::from(space.bound), |stream| u64::from(stream) + 2);
            (reach, space.mapped.len() as u64)
        }
        Kind::Thread => (0, m.threads[&cap.object].fpu.into()),
        Kind::SchedContext => (m.times[&cap.object].period, m.times[&cap.object].budget),
        Kind::Irq => {
            let irq = &m.irqs[&cap.object];
            let message = irq.message.map_or(0, |it| u64::from(it.device) | (u64::from(it.event) + 1) << 32);
            (irq.line.unwrap_or(0).into(), message)
        }
        _ => (cap.badge, 0),
    };
    let pending = cap.kind == Kind::Irq && m.irqs[&cap.object].pending;
    [cap.kind as u64, cap.rights.into(), base, bytes, about, used, pending.into(), 0]
}

pub fn registers(m: &mut Model, call: &Call) -> Out {
    allowed(m, call)?;
    let thread = m.object(call, call.x[0], Kind::Thread, 0, 1)?;
    if call.x[1] > 33 {
        return refuse(ErrorCode::InvalidArgument, 2);
    }
    let values = m.eight_registers(thread, call.x[1] as usize);
    Ok(m.answer(call.caller, values))
}

pub fn read(m: &mut Model, call: &Call) -> Out {
    allowed(m, call)?;
    let space = m.object(call, call.x[0], Kind::AddressSpace, 0, 1)?;
    let address = call.x[1];
    if !address.is_multiple_of(8) {
        return refuse(ErrorCode::Misaligned, 2);
    }
    let leaf = m.spaces[&space].leaves.range(..=address).next_back().filter(|(start, leaf)| {
        let span = PAGE << (9 * (3 - leaf.level));
        address < USER_END && address - **start < span
    });
    let Some((start, leaf)) = leaf else { return refuse(ErrorCode::NotMapped, 2) };
    let place = leaf.base + (address - start);
    let device = matches!(leaf.memory, MemoryType::DeviceNgnre | MemoryType::DeviceNgnrne);
    let ram = (RAM..RAM_END).contains(&place);
    if device || !ram {
        return refuse(ErrorCode::NotMapped, 2);
    }
    let word = if m.is_record(place) { m.oracle } else { m.read_word(place) };
    Ok(m.answer_one(call.caller, word))
}

pub fn thread(m: &mut Model, call: &Call) -> Out {
    allowed(m, call)?;
    let at = m.object(call, call.x[0], Kind::Thread, 0, 1)?;
    let thread = &m.threads[&at];
    let state = match thread.state {
        State::Suspended => 0,
        State::Ready => 1,
        State::Sending(_) | State::AwaitingReply(_) if thread.fault.is_some() => 5,
        State::Sending(_) | State::AwaitingReply(_) => 2,
        State::Receiving(..) => 3,
        State::Waiting(_) => 4,
        State::Faulted => 5,
    };
    let home = thread.home;
    m.charge();
    let (used, core) = home.map_or((0, 0), |home| (m.times[&home].consumed, m.times[&home].core));
    // The fake machine's cores are called by their numbers.
    Ok(m.answer(call.caller, [state, used, (at - RAM) / 64, core as u64, 0, 0, 0, 0]))
}
