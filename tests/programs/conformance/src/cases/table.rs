//! CapTable: copy, move, delete, revoke; derivation.

use abi::{ErrorCode, Kind, Op, Rights};
use agent::{Check, Request, State, World, equal, holds};

use super::common::*;
use crate::case::{Case, case, refusals};
use ErrorCode::*;

pub const CASES: &[Case] = &[
    refusals(
        "TB-COPY-001",
        "a copy is put into a table that may be put into",
        &[(Op::Copy, LOOK_UP_RIGHT)],
        copy_target,
    ),
    refusals(
        "TB-COPY-002",
        "a copy is taken from a table that may be taken from",
        &[(Op::Copy, LOOK_UP_RIGHT)],
        copy_source,
    ),
    refusals(
        "TB-COPY-003",
        "a copy needs something to copy and an empty slot",
        &[(Op::Copy, &[SlotOutOfRange, EmptySlot, SlotOccupied])],
        copy_ends,
    ),
    case("TB-COPY-004", "a copy has at most the rights of its original", copy_rights),
    refusals("TB-COPY-005", "rights that do not exist are refused", &[(Op::Copy, &[InvalidArgument])], copy_no_rights),
    refusals("TB-COPY-006", "Untyped and Reply are not copied", &[(Op::Copy, &[InvalidArgument])], copy_never),
    case("TB-COPY-007", "a badge fills fields that are zero", copy_badge),
    refusals("TB-COPY-008", "a field of a badge is set once", &[(Op::Copy, &[BadgeSet])], copy_badge_set),
    refusals("TB-COPY-009", "only Endpoint and Notification have a badge", &[(Op::Copy, &[BadgeSet])], copy_no_badge),
    case("TB-COPY-010", "a copy of a mapped Frame is not mapped", copy_of_mapped),
    case("TB-COPY-011", "a copy between two other tables", copy_elsewhere),
    refusals(
        "TB-MOVE-001",
        "a move needs tables that may be put into and taken from",
        &[(Op::Move, LOOK_UP_RIGHT)],
        move_tables,
    ),
    refusals(
        "TB-MOVE-002",
        "a move needs something to move and an empty slot",
        &[(Op::Move, &[SlotOutOfRange, EmptySlot, SlotOccupied])],
        move_ends,
    ),
    case("TB-MOVE-003", "a moved capability keeps rights, badge, mapping and children", move_keeps),
    case("TB-MOVE-004", "an Untyped and a Reply are moved", move_untyped),
    refusals(
        "TB-MOVE-005",
        "what are slots of a table does not stand in slots that a table grew by",
        &[(Op::Move, &[InvalidArgument])],
        move_slots,
    ),
    refusals(
        "TB-GROW-001",
        "growing needs a table that may be put into",
        &[(Op::TableGrow, LOOK_UP_RIGHT)],
        grow_look_up,
    ),
    refusals("TB-GROW-002", "what a table grows by is an Untyped", &[(Op::TableGrow, LOOK_UP)], grow_argument),
    refusals(
        "TB-GROW-003",
        "not more slots, too many of them, and device memory are refused",
        &[(Op::TableGrow, &[InvalidArgument])],
        grow_bad,
    ),
    refusals(
        "TB-GROW-004",
        "memory that is too small or in use is refused",
        &[(Op::TableGrow, &[OutOfMemory, HasChildren])],
        grow_memory,
    ),
    case("TB-GROW-005", "a table that grew keeps its slots, and loses the new ones with their memory", grow_and_shrink),
    refusals(
        "TB-DELETE-001",
        "deleting needs a table that may be taken from",
        &[(Op::Delete, LOOK_UP_RIGHT)],
        delete_look_up,
    ),
    refusals(
        "TB-DELETE-002",
        "slots outside the table are refused",
        &[(Op::Delete, &[SlotOutOfRange])],
        delete_outside,
    ),
    case("TB-DELETE-003", "an empty slot is deleted without effect", delete_empty),
    case("TB-DELETE-004", "what was derived from a deleted capability hangs on its parent", delete_lifts),
    case("TB-DELETE-005", "an object lives until its last capability goes", delete_last),
    case("TB-DELETE-006", "a deleted table takes the capabilities in it along", delete_table),
    case("TB-DELETE-007", "two tables that hold each other go with the memory they are of", delete_cycle),
    refusals(
        "TB-REVOKE-001",
        "revoking needs a table with the right to",
        &[(Op::Revoke, LOOK_UP_RIGHT)],
        revoke_look_up,
    ),
    refusals(
        "TB-REVOKE-002",
        "revoking needs a capability",
        &[(Op::Revoke, &[SlotOutOfRange, EmptySlot])],
        revoke_nothing,
    ),
    case("TB-REVOKE-003", "a revoke takes all descendants, in all tables, and not the capability", revoke_deep),
    case("TB-REVOKE-004", "a revoke leaves siblings and ancestors alone", revoke_siblings),
    case("TB-REVOKE-005", "a revoke of hundreds of capabilities is complete", revoke_many),
    case("TB-REVOKE-006", "the right to revoke does not come back through a copy", revoke_right),
    case("TB-SLOT-001", "slot 0 is nothing in every table", slot_zero),
];

fn arguments(to: u32, table: u32, from: u32, rights: Rights, badge: u64) -> [u64; 5] {
    [to.into(), table.into(), from.into(), rights.bits().into(), badge]
}

const OWN: u32 = abi::SLOT_TABLE;
const BELL: u32 = abi::SLOT_NOTIFICATION;

fn copy_target(w: &mut World) -> Check {
    let (table, slot) = (w.make(Kind::CapTable, 4)?, w.slot()?);
    let less = Rights::TAKE | Rights::REVOKE | Rights::ATTACH;
    look_up(w, Op::Copy, &arguments(slot, OWN, BELL, ALL, 0), Some((table, less)))?;
    holds(w.is_empty(slot)?, "a refused copy filled the slot")
}

fn copy_source(w: &mut World) -> Check {
    let (table, slot) = (w.make(Kind::CapTable, 4)?, w.slot()?);
    let less = Rights::PUT | Rights::REVOKE | Rights::ATTACH;
    argument(w, Op::Copy, OWN, &arguments(slot, OWN, BELL, ALL, 0), 1, Some((table, less)))
}

/// What copy and move say of their two slots.
fn ends(w: &mut World, op: Op) -> Check {
    let (empty, to, full) = (w.slot()?, w.slot()?, w.make(Kind::Notification, 0)?);
    for index in [0, w.slots, u32::MAX] {
        w.refused(op, OWN, &arguments(to, OWN, index, ALL, 0), SlotOutOfRange, 3)?;
        w.refused(op, OWN, &arguments(index, OWN, full, ALL, 0), SlotOutOfRange, 1)?;
    }
    w.refused(op, OWN, &arguments(to, OWN, empty, ALL, 0), EmptySlot, 3)?;
    w.refused(op, OWN, &arguments(BELL, OWN, full, ALL, 0), SlotOccupied, 1)?;
    w.refused(op, OWN, &arguments(full, OWN, full, ALL, 0), SlotOccupied, 1)
}

fn copy_ends(w: &mut World) -> Check {
    ends(w, Op::Copy)
}

fn copy_rights(w: &mut World) -> Check {
    let frame = w.make(Kind::Frame, 1)?;
    for bits in 0..16u8 {
        let some = w.copy(frame, Rights::from_bits_truncate(bits), 0)?;
        equal(w.inspect(OWN, some)?[1], bits.into(), "rights of the copy")?;
        let again = w.copy(some, ALL, 0)?;
        equal(w.inspect(OWN, again)?[1], bits.into(), "rights of a copy of the copy")?;
    }
    Ok(())
}

fn copy_no_rights(w: &mut World) -> Check {
    let to = w.slot()?;
    for rights in [1 << 8, u64::from(!Rights::all().bits()), u64::MAX] {
        if rights != 0 {
            w.refused(Op::Copy, OWN, &[to.into(), TABLE, BELL.into(), rights, 0], InvalidArgument, 4)?;
        }
    }
    holds(w.is_empty(to)?, "a refused copy filled the slot")
}

fn copy_never(w: &mut World) -> Check {
    let (reply, to) = (w.make(Kind::Reply, 0)?, w.slot()?);
    for from in [w.arena, reply, abi::SLOT_MEMORY, abi::SLOT_REPLY] {
        w.refused(Op::Copy, OWN, &arguments(to, OWN, from, ALL, 0), InvalidArgument, 3)?;
    }
    Ok(())
}

/// Values of the three fields.
const FIELDS: [u64; 3] = [5 << 40, 6 << 24, 7];

fn copy_badge(w: &mut World) -> Check {
    let door = w.make(Kind::Endpoint, 0)?;
    let (mut slot, mut badge) = (door, 0);
    for field in FIELDS {
        badge |= field;
        slot = w.copy(slot, ALL, field)?;
        equal(w.inspect(OWN, slot)?[4], badge, "badge")?;
        // The same once more is no change.
        slot = w.copy(slot, ALL, badge)?;
        equal(w.inspect(OWN, slot)?[4], badge, "badge")?;
    }
    Ok(())
}

fn copy_badge_set(w: &mut World) -> Check {
    let (door, to) = (w.make(Kind::Endpoint, 0)?, w.slot()?);
    let badged = w.copy(door, ALL, FIELDS.iter().sum())?;
    for other in [4 << 40, 7 << 24, 8, u64::MAX] {
        w.refused(Op::Copy, OWN, &arguments(to, OWN, badged, ALL, other), BadgeSet, 5)?;
    }
    equal(w.inspect(OWN, badged)?[4], FIELDS.iter().sum(), "badge")
}

fn copy_no_badge(w: &mut World) -> Check {
    let to = w.slot()?;
    for (kind, size) in [(Kind::Frame, 1), (Kind::Thread, 0), (Kind::CapTable, 4), (Kind::SchedContext, 0)] {
        let slot = w.make(kind, size)?;
        w.refused(Op::Copy, OWN, &arguments(to, OWN, slot, ALL, 1), BadgeSet, 5)?;
    }
    Ok(())
}

fn copy_of_mapped(w: &mut World) -> Check {
    let (space, frame) = (w.make(Kind::AddressSpace, 5)?, w.make(Kind::Frame, 1)?);
    w.ok(Op::Map, space, &[frame.into(), 0x1000, 0, 1, 3])?;
    let copy = w.copy(frame, ALL, 0)?;
    w.refused(Op::Unmap, space, &[copy.into()], NotMapped, 1)?;
    w.ok(Op::Map, space, &[copy.into(), 0x2000, 0, 1, 3]).map(drop)
}

fn copy_elsewhere(w: &mut World) -> Check {
    let (one, other) = (w.make(Kind::CapTable, 4)?, w.make(Kind::CapTable, 5)?);
    w.give_new(one, Kind::Endpoint, 3)?;
    w.ok(Op::Copy, other, &arguments(31, one, 3, Rights::SEND, 9))?;
    let copy = w.inspect(other, 31)?;
    equal((copy[0], copy[1], copy[4]), (Kind::Endpoint as u64, 1, 9), "the copy")
}

fn move_tables(w: &mut World) -> Check {
    let (table, full, slot) = (w.make(Kind::CapTable, 4)?, w.make(Kind::Notification, 0)?, w.slot()?);
    let args = [slot.into(), TABLE, full.into()];
    look_up(w, Op::Move, &args, Some((table, Rights::TAKE | Rights::REVOKE)))?;
    argument(w, Op::Move, OWN, &args, 1, Some((table, Rights::PUT | Rights::REVOKE)))?;
    equal(w.inspect(OWN, full)?[0], Kind::Notification as u64, "what was to be moved")
}

fn move_ends(w: &mut World) -> Check {
    ends(w, Op::Move)
}

fn move_keeps(w: &mut World) -> Check {
    let (space, frame) = (w.make(Kind::AddressSpace, 5)?, w.make(Kind::Frame, 1)?);
    w.ok(Op::Map, space, &[frame.into(), 0x1000, 0, 1, 3])?;
    let (child, to) = (w.copy(frame, Rights::READ, 0)?, w.slot()?);
    let before = w.inspect(OWN, frame)?;
    w.ok(Op::Move, OWN, &[to.into(), TABLE, frame.into()])?;
    equal(w.inspect(OWN, to)?, before, "the capability")?;
    holds(w.is_empty(frame)?, "it is still where it was")?;
    w.ok(Op::Revoke, OWN, &[to.into()])?;
    holds(w.is_empty(child)?, "its child is not its child any more")?;
    w.ok(Op::Unmap, space, &[to.into()])?;
    let (door, to) = (w.make(Kind::Endpoint, 0)?, w.slot()?);
    let badged = w.copy(door, Rights::SEND, 77)?;
    w.ok(Op::Move, OWN, &[to.into(), TABLE, badged.into()])?;
    let moved = w.inspect(OWN, to)?;
    equal((moved[1], moved[4]), (1, 77), "rights and badge")?;
    w.ok(Op::Revoke, OWN, &[door.into()])?;
    holds(w.is_empty(to)?, "it is not its parent's child any more")
}

fn move_untyped(w: &mut World) -> Check {
    let (memory, reply, table) = (w.make(Kind::Untyped, 2)?, w.make(Kind::Reply, 0)?, w.make(Kind::CapTable, 4)?);
    let bell = w.make_of(memory, Kind::Notification, 0)?;
    w.ok(Op::Move, table, &[3, TABLE, memory.into()])?;
    w.ok(Op::Move, table, &[4, TABLE, reply.into()])?;
    equal((w.inspect(table, 3)?[0], w.inspect(table, 4)?[0]), (Kind::Untyped as u64, Kind::Reply as u64), "kinds")?;
    w.ok(Op::Revoke, table, &[3])?;
    holds(w.is_empty(bell)?, "the moved Untyped lost its child")
}

/// A table of 32 slots and a page of memory for more.
fn small(w: &mut World) -> Check<(u32, u32)> {
    Ok((w.make(Kind::CapTable, 5)?, w.make(Kind::Untyped, 1)?))
}

fn move_slots(w: &mut World) -> Check {
    let (table, memory) = small(w)?;
    w.ok(Op::TableGrow, table, &[memory.into(), 6])?;
    w.refused(Op::Move, table, &[40, TABLE, memory.into()], InvalidArgument, 1)?;
    equal(w.inspect(OWN, memory)?[0], Kind::Untyped as u64, "what was to be moved")
}

fn grow_look_up(w: &mut World) -> Check {
    let (table, memory) = small(w)?;
    look_up(w, Op::TableGrow, &[memory.into(), 6], Some((table, Rights::TAKE | Rights::REVOKE | Rights::ATTACH)))
}

fn grow_argument(w: &mut World) -> Check {
    let (table, _) = small(w)?;
    argument(w, Op::TableGrow, table, &[0, 6], 0, None)
}

fn grow_bad(w: &mut World) -> Check {
    let (table, memory) = small(w)?;
    for bits in [0, 4, 5, 17, 64, u64::MAX] {
        w.refused(Op::TableGrow, table, &[memory.into(), bits], InvalidArgument, 2)?;
    }
    let device = w.authority.registers;
    w.refused(Op::TableGrow, table, &[device.into(), 6], InvalidArgument, 1)
}

fn grow_memory(w: &mut World) -> Check {
    let (table, memory) = small(w)?;
    w.refused(Op::TableGrow, table, &[memory.into(), 8], OutOfMemory, 1)?;
    w.make_of(memory, Kind::Endpoint, 0)?;
    w.refused(Op::TableGrow, table, &[memory.into(), 6], HasChildren, 1)
}

fn grow_and_shrink(w: &mut World) -> Check {
    let (table, memory) = small(w)?;
    let (bell, debug) = (w.make(Kind::Notification, 0)?, w.authority.debug);
    w.ok(Op::Copy, table, &arguments(31, OWN, bell, ALL, 1))?;
    w.refused(Op::Copy, table, &arguments(32, OWN, bell, ALL, 2), SlotOutOfRange, 1)?;
    w.ok(Op::TableGrow, table, &[memory.into(), 6])?;
    w.ok(Op::Copy, table, &arguments(63, OWN, bell, ALL, 2))?;
    equal((w.inspect(table, 31)?[4], w.inspect(table, 63)?[4]), (1, 2), "badges")?;
    w.ok(Op::Delete, OWN, &[memory.into()])?;
    equal(w.inspect(table, 31)?[4], 1, "badge")?;
    w.refused(Op::DebugCap, debug, &[table.into(), 63], SlotOutOfRange, 2)
}

fn delete_look_up(w: &mut World) -> Check {
    let table = w.make(Kind::CapTable, 4)?;
    look_up(w, Op::Delete, &[3], Some((table, Rights::PUT | Rights::REVOKE | Rights::ATTACH)))
}

fn delete_outside(w: &mut World) -> Check {
    let table = w.make(Kind::CapTable, 4)?;
    for index in [0, 16, u64::from(u32::MAX), 1 << 32, u64::MAX] {
        w.refused(Op::Delete, table, &[index], SlotOutOfRange, 1)?;
    }
    Ok(())
}

fn delete_empty(w: &mut World) -> Check {
    let table = w.make(Kind::CapTable, 4)?;
    for index in 1..16 {
        w.ok(Op::Delete, table, &[index])?;
    }
    Ok(())
}

fn delete_lifts(w: &mut World) -> Check {
    let door = w.make(Kind::Endpoint, 0)?;
    let middle = w.copy(door, ALL, 0)?;
    let (one, other) = (w.copy(middle, ALL, 0)?, w.copy(middle, ALL, 0)?);
    w.ok(Op::Delete, OWN, &[middle.into()])?;
    holds(!w.is_empty(one)? && !w.is_empty(other)?, "a child went with its parent")?;
    w.ok(Op::Revoke, OWN, &[door.into()])?;
    holds(w.is_empty(one)? && w.is_empty(other)?, "the grandparent's revoke does not reach them")
}

fn delete_last(w: &mut World) -> Check {
    let memory = w.make(Kind::Untyped, 1)?;
    let bell = w.make_of(memory, Kind::Notification, 0)?;
    let copy = w.copy(bell, ALL, 0)?;
    w.ok(Op::Signal, bell, &[6])?;
    w.ok(Op::Delete, OWN, &[bell.into()])?;
    equal(w.ok(Op::Poll, copy, &[])?[0], 6, "bits through the copy")?;
    holds(w.inspect(OWN, memory)?[5] > 0, "its memory is free while a capability is left")?;
    w.ok(Op::Delete, OWN, &[copy.into()])?;
    equal(w.inspect(OWN, memory)?[5], 0, "bytes in use")
}

fn delete_table(w: &mut World) -> Check {
    let table = w.make(Kind::CapTable, 8)?;
    let door = w.make(Kind::Endpoint, 0)?;
    let mut agent = w.agent()?;
    w.give(agent, DOOR, door, Rights::SEND, 0)?;
    w.ok(Op::Move, table, &[200, TABLE, door.into()])?;
    w.blocks(&mut agent, call(), State::Calling)?;
    w.ok(Op::Delete, agent.table, &[DOOR.into()])?;
    w.ok(Op::Delete, OWN, &[table.into()])?;
    // The endpoint's last capability lay in it.
    failed(&w.finish(&mut agent)?, Revoked, 0)
}

fn delete_cycle(w: &mut World) -> Check {
    let memory = w.make(Kind::Untyped, 4)?;
    let (one, other) = (w.make_of(memory, Kind::CapTable, 4)?, w.make_of(memory, Kind::CapTable, 4)?);
    w.ok(Op::Copy, one, &arguments(3, OWN, other, ALL, 0))?;
    w.ok(Op::Copy, other, &arguments(3, OWN, one, ALL, 0))?;
    w.ok(Op::Copy, one, &arguments(4, OWN, one, ALL, 0))?;
    w.ok(Op::Revoke, OWN, &[memory.into()])?;
    holds(w.is_empty(one)? && w.is_empty(other)?, "a table is left")?;
    w.make_of(memory, Kind::Frame, 4).map(drop)
}

fn revoke_look_up(w: &mut World) -> Check {
    let table = w.make(Kind::CapTable, 4)?;
    look_up(w, Op::Revoke, &[3], Some((table, Rights::PUT | Rights::TAKE | Rights::ATTACH)))
}

fn revoke_nothing(w: &mut World) -> Check {
    let table = w.make(Kind::CapTable, 4)?;
    for index in [0, 16, u64::MAX] {
        w.refused(Op::Revoke, table, &[index], SlotOutOfRange, 1)?;
    }
    w.refused(Op::Revoke, table, &[5], EmptySlot, 1)
}

fn revoke_deep(w: &mut World) -> Check {
    let (door, table) = (w.make(Kind::Endpoint, 0)?, w.make(Kind::CapTable, 5)?);
    let mut slot = door;
    let mut all = alloc::vec::Vec::new();
    for index in 1..20 {
        w.ok(Op::Copy, table, &arguments(index, OWN, slot, ALL, 0))?;
        slot = w.copy(slot, ALL, 0)?;
        all.push(slot);
    }
    w.ok(Op::Revoke, OWN, &[door.into()])?;
    for slot in all {
        holds(w.is_empty(slot)?, "a descendant is left in the own table")?;
    }
    for index in 1..20 {
        equal(w.inspect(table, index)?[0], 0, "a descendant in another table")?;
    }
    holds(!w.is_empty(door)?, "the capability itself is gone")
}

fn revoke_siblings(w: &mut World) -> Check {
    let door = w.make(Kind::Endpoint, 0)?;
    let (one, other) = (w.copy(door, ALL, 1)?, w.copy(door, ALL, 2)?);
    let (of_one, of_other) = (w.copy(one, ALL, 0)?, w.copy(other, ALL, 0)?);
    w.ok(Op::Revoke, OWN, &[one.into()])?;
    holds(w.is_empty(of_one)?, "the child is left")?;
    holds(!w.is_empty(one)? && !w.is_empty(other)? && !w.is_empty(of_other)? && !w.is_empty(door)?, "others went too")
}

fn revoke_many(w: &mut World) -> Check {
    let (door, table) = (w.make(Kind::Endpoint, 0)?, w.make(Kind::CapTable, 10)?);
    for index in 1..1024 {
        let from = if index < 3 { door } else { index / 3 };
        let source = if index < 3 { OWN } else { table };
        w.ok(Op::Copy, table, &arguments(index, source, from, ALL, 0))?;
    }
    w.ok(Op::Revoke, OWN, &[door.into()])?;
    for index in 1..1024 {
        equal(w.inspect(table, index)?[0], 0, "a descendant")?;
    }
    Ok(())
}

fn revoke_right(w: &mut World) -> Check {
    let table = w.make(Kind::CapTable, 4)?;
    w.give_new(table, Kind::Endpoint, 3)?;
    let less = w.copy(table, Rights::TAKE | Rights::PUT, 0)?;
    let again = w.copy(less, ALL, 0)?;
    w.refused(Op::Revoke, again, &[3], MissingRight, 0)?;
    w.ok(Op::Revoke, table, &[3]).map(drop)
}

fn slot_zero(w: &mut World) -> Check {
    let mut agent = w.agent()?;
    for op in [Op::Call, Op::Poll, Op::Signal, Op::Delete, Op::Map, Op::ThreadResume] {
        failed(&w.does(&mut agent, Request::new(op, 0))?, SlotOutOfRange, 0)?;
    }
    Ok(())
}
