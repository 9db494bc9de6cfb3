//! Trace: rings and the right to tie them to cores.

use abi::{ErrorCode, Kind, Op, Rights};
use agent::{Check, World, equal};

use super::common::*;
use crate::case::{Case, case, refusals};
use ErrorCode::*;

pub const CASES: &[Case] = &[
    refusals("TR-START-001", "tying a ring needs the right to", &[(Op::TraceStart, LOOK_UP_RIGHT)], start_look_up),
    refusals(
        "TR-START-002",
        "what is tied is a ring that may be mapped",
        &[(Op::TraceStart, LOOK_UP_RIGHT)],
        start_argument,
    ),
    refusals(
        "TR-START-003",
        "a ring is tied to a core that exists",
        &[(Op::TraceStart, &[InvalidArgument])],
        start_nowhere,
    ),
    refusals("TR-START-004", "a ring has one core and a core one ring", &[(Op::TraceStart, &[Busy])], start_twice),
    refusals("TR-STOP-001", "untying a ring needs the right to", &[(Op::TraceStop, LOOK_UP_RIGHT)], stop_look_up),
    refusals(
        "TR-STOP-002",
        "what is untied is a ring that may be mapped",
        &[(Op::TraceStop, LOOK_UP_RIGHT)],
        stop_argument,
    ),
    refusals("TR-STOP-003", "a ring that is not tied is not untied", &[(Op::TraceStop, &[InvalidState])], stop_untied),
    case("TR-STOP-004", "a ring that ends frees its core", ring_ends),
    refusals(
        "TR-MAP-001",
        "the records of a ring need the right to map it",
        &[(Op::TraceMap, LOOK_UP_RIGHT)],
        map_look_up,
    ),
    refusals(
        "TR-MAP-002",
        "the records go into an empty slot",
        &[(Op::TraceMap, &[SlotOccupied, SlotOutOfRange])],
        map_slot,
    ),
    case("TR-MAP-003", "the records are a Frame that can be read and nothing else", map_read_only),
    case("TR-MAP-004", "the records of a ring that ended can still be read", map_kept),
];

const OWN: u32 = abi::SLOT_TABLE;
/// No right at all.
const NOTHING: Rights = Rights::empty();
/// Pages of a ring, its own included.
const PAGES: u64 = 3;

fn ring(w: &mut World) -> Check<u32> {
    w.make(Kind::Trace, PAGES)
}

/// A ring that core 0 writes.
fn tied(w: &mut World) -> Check<u32> {
    let ring = ring(w)?;
    w.ok(Op::TraceStart, w.authority.trace, &[ring.into(), 0])?;
    Ok(ring)
}

fn start_look_up(w: &mut World) -> Check {
    let (ring, control) = (ring(w)?, w.authority.trace);
    look_up(w, Op::TraceStart, &[ring.into(), 0], Some((control, NOTHING)))?;
    // A ring is no such right itself.
    w.refused(Op::TraceStart, ring, &[ring.into(), 0], MissingRight, 0)
}

fn start_argument(w: &mut World) -> Check {
    let (ring, control) = (ring(w)?, w.authority.trace);
    argument(w, Op::TraceStart, control, &[ring.into(), 0], 0, Some((ring, NOTHING)))?;
    w.refused(Op::TraceStart, control, &[control.into(), 0], MissingRight, 1)
}

fn start_nowhere(w: &mut World) -> Check {
    let (ring, control) = (ring(w)?, w.authority.trace);
    for core in [w.cores() as u64, 8, 255, 1 << 32, u64::MAX] {
        w.refused(Op::TraceStart, control, &[ring.into(), core], InvalidArgument, 2)?;
    }
    w.refused(Op::TraceStop, control, &[ring.into()], InvalidState, 1)
}

fn start_twice(w: &mut World) -> Check {
    let (first, second, control) = (tied(w)?, ring(w)?, w.authority.trace);
    w.refused(Op::TraceStart, control, &[first.into(), 0], Busy, 1)?;
    w.refused(Op::TraceStart, control, &[second.into(), 0], Busy, 2)?;
    w.ok(Op::TraceStop, control, &[first.into()])?;
    w.ok(Op::TraceStart, control, &[second.into(), 0])?;
    w.ok(Op::TraceStop, control, &[second.into()]).map(drop)
}

fn stop_look_up(w: &mut World) -> Check {
    let (ring, control) = (tied(w)?, w.authority.trace);
    look_up(w, Op::TraceStop, &[ring.into()], Some((control, NOTHING)))?;
    w.refused(Op::TraceStop, ring, &[ring.into()], MissingRight, 0)?;
    w.ok(Op::TraceStop, control, &[ring.into()]).map(drop)
}

fn stop_argument(w: &mut World) -> Check {
    let (ring, control) = (tied(w)?, w.authority.trace);
    argument(w, Op::TraceStop, control, &[ring.into()], 0, Some((ring, NOTHING)))?;
    w.ok(Op::TraceStop, control, &[ring.into()]).map(drop)
}

fn stop_untied(w: &mut World) -> Check {
    let (ring, control) = (tied(w)?, w.authority.trace);
    w.ok(Op::TraceStop, control, &[ring.into()])?;
    w.refused(Op::TraceStop, control, &[ring.into()], InvalidState, 1)
}

fn ring_ends(w: &mut World) -> Check {
    let (first, second, control) = (tied(w)?, ring(w)?, w.authority.trace);
    w.ok(Op::Delete, OWN, &[first.into()])?;
    w.ok(Op::TraceStart, control, &[second.into(), 0])?;
    w.ok(Op::TraceStop, control, &[second.into()]).map(drop)
}

fn map_look_up(w: &mut World) -> Check {
    let (ring, slot, control) = (ring(w)?, w.slot()?, w.authority.trace);
    look_up(w, Op::TraceMap, &[slot.into()], Some((ring, NOTHING)))?;
    w.refused(Op::TraceMap, control, &[slot.into()], MissingRight, 0)
}

fn map_slot(w: &mut World) -> Check {
    let ring = ring(w)?;
    w.refused(Op::TraceMap, ring, &[TABLE], SlotOccupied, 1)?;
    for index in [0, u64::from(w.slots), u64::MAX] {
        w.refused(Op::TraceMap, ring, &[index], SlotOutOfRange, 1)?;
    }
    Ok(())
}

fn map_read_only(w: &mut World) -> Check {
    let (ring, slot) = (ring(w)?, w.slot()?);
    let bytes = w.ok(Op::TraceMap, ring, &[slot.into()])?[0];
    equal(bytes, (PAGES - 1) * abi::layout::PAGE, "bytes of the records")?;
    let frame = w.inspect(OWN, slot)?;
    equal((frame[0], frame[1], frame[3]), (Kind::Frame as u64, 1, bytes), "kind, rights and size")?;
    let space = w.make(Kind::AddressSpace, 5)?;
    for perms in [3, 5] {
        w.refused(Op::Map, space, &[slot.into(), 0x1000, 0, 1, perms], MissingRight, 5)?;
    }
    w.ok(Op::Map, space, &[slot.into(), 0x1000, 0, 1, 1]).map(drop)
}

fn map_kept(w: &mut World) -> Check {
    let (ring, slot) = (ring(w)?, w.slot()?);
    w.ok(Op::TraceMap, ring, &[slot.into()])?;
    w.ok(Op::Delete, OWN, &[ring.into()])?;
    let space = w.make(Kind::AddressSpace, 5)?;
    w.ok(Op::Map, space, &[slot.into(), 0x1000, 0, 1, 1]).map(drop)
}
