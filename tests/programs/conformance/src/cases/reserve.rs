//! Reserve: memory that is there when it is touched.

use abi::{ErrorCode, FaultKind, Kind, Op, Rights, layout::PAGE, layout::USER_END};
use agent::{Agent, Check, World, code, equal, holds};
use alloc::format;

use super::common::*;
use crate::case::{Case, case, refusals};
use ErrorCode::*;

pub const CASES: &[Case] = &[
    refusals(
        "RV-TIE-001",
        "reserving needs an address space and the right to map",
        &[(Op::Reserve, LOOK_UP_RIGHT)],
        tie_look_up,
    ),
    refusals("RV-TIE-002", "what is reserved is an Untyped", &[(Op::Reserve, LOOK_UP)], tie_argument),
    refusals(
        "RV-TIE-003",
        "memory with children, or that is tied already, is refused",
        &[(Op::Reserve, &[HasChildren])],
        tie_used,
    ),
    refusals(
        "RV-TIE-004",
        "device memory, ranges outside the lower half and empty ones are refused",
        &[(Op::Reserve, &[InvalidArgument, Misaligned])],
        tie_bad,
    ),
    refusals("RV-TIE-005", "two Reserves of an address space do not overlap", &[(Op::Reserve, &[Overlap])], tie_over),
    refusals("RV-TIE-006", "an address space has sixty Reserves", &[(Op::Reserve, &[Busy])], tie_many),
    case("RV-TOUCH-001", "a page is there, zeroed, when it is first touched, and no other", touched),
    case("RV-TOUCH-002", "when the memory is used up a touch is a fault", used_up),
    case("RV-TOUCH-003", "a Reserve is never executed", not_executed),
    case("RV-TOUCH-004", "what is mapped in the range stays, and the rest is the Reserve's", mapped_within),
    refusals("RV-RELEASE-001", "giving pages back needs a Reserve", &[(Op::ReserveRelease, LOOK_UP)], release_look_up),
    refusals(
        "RV-RELEASE-002",
        "pages that are given back lie in the range",
        &[(Op::ReserveRelease, &[InvalidArgument, Misaligned])],
        release_bad,
    ),
    case("RV-RELEASE-003", "a page that was given back is zero when it is touched again", released),
    case("RV-REVOKE-001", "a revoked Reserve is an Untyped again, and its pages are gone", revoked),
    case("RV-REVOKE-002", "the end of the address space gives the memory back", space_ends),
];

const OWN: u32 = abi::SLOT_TABLE;
/// Where the range begins: where an agent has page tables.
const START: u64 = 0x15_0000;

fn tie_look_up(w: &mut World) -> Check {
    let (space, memory) = (w.make(Kind::AddressSpace, 5)?, w.make(Kind::Untyped, 2)?);
    look_up(w, Op::Reserve, &[memory.into(), START, 2], Some((space, Rights::POOL | Rights::USE)))
}

fn tie_argument(w: &mut World) -> Check {
    let space = w.make(Kind::AddressSpace, 5)?;
    argument(w, Op::Reserve, space, &[0, START, 2], 0, None)
}

fn tie_used(w: &mut World) -> Check {
    let (space, used, pool) = (w.make(Kind::AddressSpace, 5)?, w.make(Kind::Untyped, 2)?, w.make(Kind::Untyped, 2)?);
    w.make_of(used, Kind::Endpoint, 0)?;
    w.ok(Op::AddPool, space, &[pool.into()])?;
    for memory in [used, pool] {
        w.refused(Op::Reserve, space, &[memory.into(), START, 2], HasChildren, 1)?;
    }
    Ok(())
}

fn tie_bad(w: &mut World) -> Check {
    let (space, memory) = (w.make(Kind::AddressSpace, 5)?, w.make(Kind::Untyped, 2)?);
    let device = w.authority.registers;
    w.refused(Op::Reserve, space, &[device.into(), START, 1], InvalidArgument, 1)?;
    for offset in [1, 8, 0xfff] {
        w.refused(Op::Reserve, space, &[memory.into(), START + offset, 2], Misaligned, 2)?;
    }
    for address in [USER_END + PAGE, 0xffff_0000_0000_0000, !(PAGE - 1)] {
        w.refused(Op::Reserve, space, &[memory.into(), address, 2], InvalidArgument, 2)?;
    }
    for (address, pages) in [(START, 0), (USER_END - PAGE, 2), (START, 1 << 52), (START, u64::MAX)] {
        w.refused(Op::Reserve, space, &[memory.into(), address, pages], InvalidArgument, 3)?;
    }
    // It is untouched.
    equal(w.ok(Op::Reserve, space, &[memory.into(), START, 2])?[0], 2, "pages")
}

fn tie_over(w: &mut World) -> Check {
    let (space, one, other) = (w.make(Kind::AddressSpace, 5)?, w.make(Kind::Untyped, 1)?, w.make(Kind::Untyped, 1)?);
    w.ok(Op::Reserve, space, &[one.into(), START, 4])?;
    for (address, pages) in [(START, 4), (START - PAGE, 2), (START + 3 * PAGE, 1), (START - PAGE, 9)] {
        w.refused(Op::Reserve, space, &[other.into(), address, pages], Overlap, 2)?;
    }
    w.ok(Op::Reserve, space, &[other.into(), START + 4 * PAGE, 4]).map(drop)
}

fn tie_many(w: &mut World) -> Check {
    let space = w.make(Kind::AddressSpace, 5)?;
    for number in 0..60 {
        let memory = w.make(Kind::Untyped, 1)?;
        w.ok(Op::Reserve, space, &[memory.into(), START + number * PAGE, 1])?;
    }
    let last = w.make(Kind::Untyped, 1)?;
    w.refused(Op::Reserve, space, &[last.into(), 0x10_0000, 1], Busy, 0)
}

/// An agent, a Reserve of its address space with so many pages of memory for so many of the range.
fn reserved(w: &mut World, memory: u64, pages: u64) -> Check<(Agent, u32)> {
    let (agent, slot) = (w.agent()?, w.make(Kind::Untyped, memory)?);
    w.ok(Op::Reserve, agent.space, &[slot.into(), START, pages])?;
    Ok((agent, slot))
}

/// Lets an agent touch an address; x0 afterwards, or how it faulted.
fn touch(w: &mut World, agent: Agent, pc: u64, address: u64) -> Check<Result<u64, Option<FaultKind>>> {
    let mut x = [0x77; 31];
    x[1] = address;
    w.run(agent, pc, &x)?;
    let ended = w.end_of(agent)?;
    if ended.kind == Some(FaultKind::Breakpoint) { Ok(Ok(w.registers(agent)?[0])) } else { Ok(Err(ended.kind)) }
}

/// Bytes of a Reserve that are mapped.
fn mapped(w: &mut World, reserve: u32) -> Check<u64> {
    let told = w.inspect(OWN, reserve)?;
    equal(told[0], Kind::Reserve as u64, "the kind")?;
    Ok(told[5])
}

fn touched(w: &mut World) -> Check {
    let (agent, reserve) = reserved(w, 4, 16)?;
    equal(mapped(w, reserve)?, 0, "bytes mapped before")?;
    equal(touch(w, agent, code::READ, START + 5 * PAGE + 8)?, Ok(0), "a word")?;
    equal(mapped(w, reserve)?, PAGE, "bytes mapped")?;
    equal(touch(w, agent, code::WRITE, START + 5 * PAGE + 8)?, Ok(0x77), "a write")?;
    equal(touch(w, agent, code::READ, START + 5 * PAGE + 8)?, Ok(0x77), "the word")?;
    equal(touch(w, agent, code::WRITE, START)?, Ok(0x77), "a write that is the first touch")?;
    equal(mapped(w, reserve)?, 2 * PAGE, "bytes mapped")
}

fn used_up(w: &mut World) -> Check {
    let (agent, _) = reserved(w, 2, 4)?;
    for page in [0, 1] {
        equal(touch(w, agent, code::READ, START + page * PAGE)?, Ok(0), "a word")?;
    }
    for page in [2, 3] {
        holds(touch(w, agent, code::READ, START + page * PAGE)?.is_err(), "there is a page more than memory")?;
    }
    for address in [START - 8, START + 4 * PAGE] {
        equal(touch(w, agent, code::READ, address)?, Err(Some(FaultKind::Read)), "beside the range")?;
    }
    equal(touch(w, agent, code::READ, START + 8)?, Ok(0), "a page that was touched")
}

fn not_executed(w: &mut World) -> Check {
    let (agent, _) = reserved(w, 2, 4)?;
    equal(touch(w, agent, code::JUMP, START)?, Err(Some(FaultKind::Execute)), "a page nobody touched")?;
    equal(touch(w, agent, code::READ, START + PAGE)?, Ok(0), "a word")?;
    equal(touch(w, agent, code::JUMP, START + PAGE)?, Err(Some(FaultKind::Execute)), "a page that is there")
}

fn mapped_within(w: &mut World) -> Check {
    let (agent, memory, frame) = (w.agent()?, w.make(Kind::Untyped, 4)?, w.make(Kind::Frame, 1)?);
    w.ok(Op::Map, agent.space, &[frame.into(), START + PAGE, 0, 1, 3])?;
    equal(touch(w, agent, code::WRITE, START + PAGE)?, Ok(0x77), "the Frame")?;
    w.ok(Op::Reserve, agent.space, &[memory.into(), START, 4])?;
    equal(touch(w, agent, code::READ, START + PAGE)?, Ok(0x77), "the Frame's word")?;
    equal(touch(w, agent, code::READ, START)?, Ok(0), "the Reserve's")?;
    let copy = w.copy(frame, ALL, 0)?;
    w.refused(Op::Map, agent.space, &[copy.into(), START, 0, 1, 3], Overlap, 0)?;
    equal(mapped(w, memory)?, PAGE, "bytes mapped of the Reserve")
}

fn release_look_up(w: &mut World) -> Check {
    look_up(w, Op::ReserveRelease, &[START, 0], None)
}

fn release_bad(w: &mut World) -> Check {
    let (_, reserve) = reserved(w, 2, 4)?;
    for offset in [1, 0x800] {
        w.refused(Op::ReserveRelease, reserve, &[START + offset, 1], Misaligned, 1)?;
    }
    for address in [START - PAGE, START + 5 * PAGE, 0, !(PAGE - 1)] {
        w.refused(Op::ReserveRelease, reserve, &[address, 1], InvalidArgument, 1)?;
    }
    for (first, pages) in [(0, 5), (3, 2), (0, 1 << 52), (0, u64::MAX)] {
        w.refused(Op::ReserveRelease, reserve, &[START + first * PAGE, pages], InvalidArgument, 2)?;
    }
    Ok(())
}

fn released(w: &mut World) -> Check {
    let (agent, reserve) = reserved(w, 2, 4)?;
    for _ in 0..3 {
        for page in [0, 1] {
            equal(touch(w, agent, code::WRITE, START + page * PAGE)?, Ok(0x77), "a write")?;
        }
        equal(w.ok(Op::ReserveRelease, reserve, &[START, 1])?[0], 1, "free pages")?;
        // What is not there is passed over, and asking for nothing only asks.
        equal(w.ok(Op::ReserveRelease, reserve, &[START + 2 * PAGE, 2])?[0], 1, "free pages")?;
        equal(w.ok(Op::ReserveRelease, reserve, &[START, 0])?[0], 1, "free pages")?;
        equal(touch(w, agent, code::READ, START)?, Ok(0), "the page given back")?;
        equal(touch(w, agent, code::READ, START + PAGE)?, Ok(0x77), "the other")?;
        equal(w.ok(Op::ReserveRelease, reserve, &[START, 4])?[0], 2, "free pages")?;
    }
    Ok(())
}

fn revoked(w: &mut World) -> Check {
    let (agent, reserve) = reserved(w, 2, 4)?;
    equal(touch(w, agent, code::WRITE, START)?, Ok(0x77), "a write")?;
    w.ok(Op::Revoke, OWN, &[reserve.into()])?;
    let told = w.inspect(OWN, reserve)?;
    equal((told[0], told[5]), (Kind::Untyped as u64, 0), "kind and bytes in use")?;
    equal(touch(w, agent, code::READ, START)?, Err(Some(FaultKind::Read)), "where it was")?;
    let frame = w.make_of(reserve, Kind::Frame, 2)?;
    let copy = w.copy(frame, ALL, 0)?;
    let buffer = w.map(copy, 2)?;
    let mut word = [1; 8];
    buffer.read(0, &mut word).map_err(|_| agent::Fail::from("outside"))?;
    equal(word, [0; 8], "the memory afterwards")
}

fn space_ends(w: &mut World) -> Check {
    let (space, memory) = (w.make(Kind::AddressSpace, 5)?, w.make(Kind::Untyped, 2)?);
    w.ok(Op::Reserve, space, &[memory.into(), START, 4])?;
    w.ok(Op::Delete, OWN, &[space.into()])?;
    equal(w.inspect(OWN, memory)?[0], Kind::Untyped as u64, &format!("the kind of slot {memory}"))?;
    w.make_of(memory, Kind::Untyped, 2).map(drop)
}
