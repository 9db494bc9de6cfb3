//! Untyped: retype, and memory that is whole again.

use abi::{ErrorCode, Kind, Op, Perms, Rights, layout::MemoryType, layout::PAGE};
use agent::{Check, World, equal, holds};
use alloc::format;

use super::common::*;
use crate::case::{Case, case, refusals};
use ErrorCode::*;

pub const CASES: &[Case] = &[
    refusals("UT-RETYPE-001", "retyping needs an Untyped", &[(Op::Retype, LOOK_UP)], look_up_untyped),
    refusals(
        "UT-RETYPE-002",
        "the destination is a table that may be put into",
        &[(Op::Retype, LOOK_UP_RIGHT)],
        look_up_table,
    ),
    case("UT-RETYPE-003", "every kind that memory can become arises, with all its rights", every_kind),
    refusals(
        "UT-RETYPE-004",
        "kinds that memory cannot become are refused",
        &[(Op::Retype, &[InvalidArgument])],
        no_such_kind,
    ),
    refusals("UT-RETYPE-005", "sizes out of range are refused", &[(Op::Retype, &[InvalidArgument])], no_such_size),
    refusals(
        "UT-RETYPE-006",
        "an alignment of more than a gigabyte, and memory types that RAM does not have, are refused",
        &[(Op::Retype, &[InvalidArgument])],
        no_such_memory,
    ),
    refusals("UT-RETYPE-007", "more than is left is refused", &[(Op::Retype, &[OutOfMemory])], out_of_memory),
    refusals("UT-RETYPE-008", "an occupied slot is refused", &[(Op::Retype, &[SlotOccupied])], slot_occupied),
    refusals(
        "UT-RETYPE-009",
        "slots outside the destination are refused",
        &[(Op::Retype, &[SlotOutOfRange])],
        slot_outside,
    ),
    refusals("UT-RETYPE-010", "page table memory is not retyped", &[(Op::Retype, &[HasChildren])], has_children),
    refusals("UT-RETYPE-011", "a device address must be aligned", &[(Op::Retype, &[Misaligned])], device_misaligned),
    refusals(
        "UT-RETYPE-012",
        "device memory is handed out once, and not beyond its end",
        &[(Op::Retype, &[Overlap, OutOfMemory])],
        device_overlap,
    ),
    refusals(
        "UT-RETYPE-013",
        "device memory becomes Frame or Untyped, nothing else",
        &[(Op::Retype, &[InvalidArgument])],
        device_kinds,
    ),
    case("UT-RETYPE-014", "objects lie apart, in ascending order, aligned as asked for", apart),
    case("UT-RETYPE-015", "an Untyped in an Untyped is a child like any other", nested),
    case("UT-RETYPE-016", "an object arises in another table", into_another_table),
    case("UT-MEMORY-001", "a new Frame is zero, whatever the memory held before", frame_is_zero),
    case("UT-MEMORY-002", "memory that was a Frame becomes empty tables and objects", object_is_empty),
    case("UT-MEMORY-003", "after a revoke the Untyped is whole again", whole_again),
    case("UT-MEMORY-004", "after its last child is deleted the Untyped is whole again", whole_after_delete),
    case("UT-MEMORY-005", "while one child is left, what the others had stays used", in_use),
    case("UT-MEMORY-006", "an Untyped is deleted while its children live on, and its memory stays theirs", orphans),
    case("UT-MEMORY-007", "memory becomes non-cacheable and cacheable again without losing a write", memory_types),
];

/// Arguments of a retype into a slot of the own table.
fn args(kind: Kind, size: u64, slot: u32) -> [u64; 7] {
    [kind as u64, size, 0, TABLE, slot.into(), 0, 0]
}

fn look_up_untyped(w: &mut World) -> Check {
    let slot = w.slot()?;
    look_up(w, Op::Retype, &args(Kind::Endpoint, 0, slot), None)?;
    holds(w.is_empty(slot)?, "a refused retype filled the slot")
}

fn look_up_table(w: &mut World) -> Check {
    let slot = w.slot()?;
    let full = w.make(Kind::CapTable, 4)?;
    argument(
        w,
        Op::Retype,
        w.arena,
        &args(Kind::Endpoint, 0, slot),
        3,
        Some((full, Rights::TAKE | Rights::REVOKE | Rights::ATTACH)),
    )
}

/// What can be made, with a size.
const KINDS: [(Kind, u64); 12] = [
    (Kind::Untyped, 1),
    (Kind::CapTable, 4),
    (Kind::Thread, 0),
    (Kind::SchedContext, 0),
    (Kind::Endpoint, 0),
    (Kind::Reply, 0),
    (Kind::Notification, 0),
    (Kind::AddressSpace, 2),
    (Kind::DmaSpace, 3),
    (Kind::Frame, 1),
    (Kind::Irq, 0),
    (Kind::Timer, 0),
];

fn every_kind(w: &mut World) -> Check {
    for (kind, size) in KINDS {
        let slot = w.make(kind, size)?;
        let made = w.inspect(abi::SLOT_TABLE, slot)?;
        equal(made[..2].to_vec(), [kind as u64, Rights::all_of(kind).bits().into()].to_vec(), kind.name())?;
    }
    Ok(())
}

fn no_such_kind(w: &mut World) -> Check {
    let slot = w.slot()?;
    let made = |number: u64| KINDS.iter().any(|(kind, _)| *kind as u64 == number);
    // Kinds to come may be made of memory: those that stand for authority never.
    let authority = [
        Kind::Null,
        Kind::IommuControl,
        Kind::Smc,
        Kind::SchedControl,
        Kind::IrqControl,
        Kind::Debug,
        Kind::KernelConsole,
    ];
    for kind in authority {
        w.refused(Op::Retype, w.arena, &args(kind, 4, slot), InvalidArgument, 1)?;
    }
    for number in [Kind::ALL.len() as u64, 200, 256, 256 + Kind::Endpoint as u64, u64::MAX] {
        holds(!made(number), "no such kind")?;
        w.refused(Op::Retype, w.arena, &[number, 4, 0, TABLE, slot.into(), 0, 0], InvalidArgument, 1)?;
    }
    holds(w.is_empty(slot)?, "a refused retype filled the slot")
}

fn no_such_size(w: &mut World) -> Check {
    let slot = w.slot()?;
    let sizes = [
        (Kind::Frame, 0),
        (Kind::Frame, 1 << 32),
        (Kind::Frame, u64::MAX),
        (Kind::Untyped, 0),
        (Kind::Untyped, 1 << 52),
        (Kind::CapTable, 0),
        (Kind::CapTable, 3),
        (Kind::CapTable, 17),
        (Kind::CapTable, 64),
        (Kind::CapTable, u64::MAX),
        (Kind::AddressSpace, 0),
        (Kind::AddressSpace, 1),
        (Kind::AddressSpace, 1 << 16),
        (Kind::AddressSpace, u64::MAX),
        (Kind::DmaSpace, 2),
        (Kind::DmaSpace, 1 << 16),
    ];
    for (kind, size) in sizes {
        w.refused(Op::Retype, w.arena, &args(kind, size, slot), InvalidArgument, 2)?;
    }
    Ok(())
}

fn no_such_memory(w: &mut World) -> Check {
    let slot = w.slot()?;
    let frame = |align, address, memory| [Kind::Frame as u64, 1, align, TABLE, slot.into(), address, memory];
    for align in [31, 64, u64::MAX] {
        w.refused(Op::Retype, w.arena, &frame(align, 0, 0), InvalidArgument, 3)?;
    }
    for memory in [2, 3, 4, u64::MAX] {
        w.refused(Op::Retype, w.arena, &frame(0, 0, memory), InvalidArgument, 7)?;
    }
    w.refused(Op::Retype, w.arena, &frame(0, 0x4000_0000, 0), InvalidArgument, 6)
}

fn out_of_memory(w: &mut World) -> Check {
    let memory = w.make(Kind::Untyped, 4)?;
    let slot = w.slot()?;
    for size in [5, u64::from(u32::MAX)] {
        w.refused(Op::Retype, memory, &args(Kind::Frame, size, slot), OutOfMemory, 0)?;
    }
    // 64 KiB aligned memory is not in four pages, unless they begin so.
    w.make_of(memory, Kind::Frame, 3)?;
    w.refused(Op::Retype, memory, &args(Kind::Frame, 2, slot), OutOfMemory, 0)?;
    w.make_of(memory, Kind::Frame, 1)?;
    w.refused(Op::Retype, memory, &args(Kind::Endpoint, 0, slot), OutOfMemory, 0)
}

fn slot_occupied(w: &mut World) -> Check {
    let slot = w.make(Kind::Notification, 0)?;
    w.refused(Op::Retype, w.arena, &args(Kind::Endpoint, 0, slot), SlotOccupied, 5)?;
    equal(w.inspect(abi::SLOT_TABLE, slot)?[0], Kind::Notification as u64, "what was there")
}

fn slot_outside(w: &mut World) -> Check {
    let table = w.make(Kind::CapTable, 4)?;
    for index in [0, 16, 17, 1 << 32, u64::MAX] {
        let args = [Kind::Endpoint as u64, 0, 0, table.into(), index, 0, 0];
        w.refused(Op::Retype, w.arena, &args, SlotOutOfRange, 5)?;
    }
    Ok(())
}

fn has_children(w: &mut World) -> Check {
    let (memory, space) = (w.make(Kind::Untyped, 2)?, w.make(Kind::AddressSpace, 2)?);
    w.ok(Op::AddPool, space, &[memory.into()])?;
    let slot = w.slot()?;
    w.refused(Op::Retype, memory, &args(Kind::Endpoint, 0, slot), HasChildren, 0)
}

/// Address of the device's registers.
fn device(w: &mut World) -> Check<(u32, u64)> {
    let memory = w.authority.registers;
    Ok((memory, w.inspect(abi::SLOT_TABLE, memory)?[2]))
}

/// Arguments of a retype of device memory.
fn device_args(kind: Kind, slot: u32, address: u64, memory: MemoryType) -> [u64; 7] {
    [kind as u64, 1, 12, TABLE, slot.into(), address, memory as u64]
}

fn device_misaligned(w: &mut World) -> Check {
    let (memory, base) = device(w)?;
    let slot = w.slot()?;
    for offset in [1, 8, 2048] {
        let args = device_args(Kind::Frame, slot, base + offset, MemoryType::DeviceNgnre);
        w.refused(Op::Retype, memory, &args, Misaligned, 6)?;
    }
    Ok(())
}

fn device_overlap(w: &mut World) -> Check {
    let (memory, base) = device(w)?;
    let (slot, second) = (w.slot()?, w.slot()?);
    let frame = |slot, address| device_args(Kind::Frame, slot, address, MemoryType::DeviceNgnre);
    for address in [base - PAGE, base + PAGE, 0, 0x4000_0000] {
        w.refused(Op::Retype, memory, &frame(slot, address), OutOfMemory, 0)?;
    }
    w.ok(Op::Retype, memory, &frame(slot, base))?;
    w.refused(Op::Retype, memory, &frame(second, base), Overlap, 0)?;
    w.ok(Op::Delete, abi::SLOT_TABLE, &[slot.into()])?;
    w.ok(Op::Retype, memory, &frame(second, base)).map(drop)
}

fn device_kinds(w: &mut World) -> Check {
    let (memory, base) = device(w)?;
    let slot = w.slot()?;
    for (kind, size) in KINDS {
        if !matches!(kind, Kind::Frame | Kind::Untyped) {
            let args = [kind as u64, size, 12, TABLE, slot.into(), base, 0];
            w.refused(Op::Retype, memory, &args, InvalidArgument, 1)?;
        }
    }
    Ok(())
}

fn apart(w: &mut World) -> Check {
    let mut end = 0;
    for (kind, size) in KINDS {
        for align in [0, 8, 13] {
            let slot = w.slot()?;
            w.ok(Op::Retype, w.arena, &[kind as u64, size, align, TABLE, slot.into(), 0, 0])?;
            let made = w.inspect(abi::SLOT_TABLE, slot)?;
            // Timer and Reply do not say where they lie.
            if made[2] != 0 {
                holds(made[2] >= end, &format!("{} overlaps what was made before", kind.name()))?;
                let aligned = if align > 0 { 1 << align } else { 64 };
                holds(made[2].is_multiple_of(aligned), &format!("{} is not aligned", kind.name()))?;
                end = made[2] + made[3];
            }
        }
    }
    Ok(())
}

fn nested(w: &mut World) -> Check {
    let outer = w.make(Kind::Untyped, 8)?;
    let inner = w.make_of(outer, Kind::Untyped, 4)?;
    let bell = w.make_of(inner, Kind::Notification, 0)?;
    w.ok(Op::Revoke, abi::SLOT_TABLE, &[outer.into()])?;
    holds(w.is_empty(inner)? && w.is_empty(bell)?, "a child survives the revoke of its ancestor")?;
    w.make_of(outer, Kind::Untyped, 8).map(drop)
}

fn into_another_table(w: &mut World) -> Check {
    let table = w.make(Kind::CapTable, 4)?;
    w.give_new(table, Kind::Endpoint, 15)?;
    equal(w.inspect(table, 15)?[0], Kind::Endpoint as u64, "what lies there")
}

/// The words of a Frame, mapped here; its copy is deleted afterwards.
fn with_pages<T>(w: &mut World, frame: u32, pages: u64, look: impl FnOnce(&rt::SharedBuffer) -> Check<T>) -> Check<T> {
    let copy = w.copy(frame, ALL, 0)?;
    let buffer = w.map(copy, pages)?;
    let result = look(&buffer);
    w.ok(Op::Delete, abi::SLOT_TABLE, &[copy.into()])?;
    result
}

fn fill(buffer: &rt::SharedBuffer) -> Check {
    let page = [0xa5; PAGE as usize];
    (0..buffer.len()).step_by(page.len()).try_for_each(|at| buffer.write(at, &page).map_err(|_| "outside".into()))
}

fn is_zero(buffer: &rt::SharedBuffer) -> Check {
    let mut page = [1; 256];
    for at in (0..buffer.len()).step_by(page.len()) {
        buffer.read(at, &mut page).map_err(|_| agent::Fail::from("outside"))?;
        holds(page == [0; 256], &format!("bytes {at:#x} are not zero"))?;
    }
    Ok(())
}

fn frame_is_zero(w: &mut World) -> Check {
    let memory = w.make(Kind::Untyped, 8)?;
    for round in 0..3 {
        let frame = w.make_of(memory, Kind::Frame, 8 - round)?;
        with_pages(w, frame, 8 - round, |buffer| is_zero(buffer).and_then(|()| fill(buffer)))?;
        w.ok(Op::Revoke, abi::SLOT_TABLE, &[memory.into()])?;
    }
    Ok(())
}

fn object_is_empty(w: &mut World) -> Check {
    let memory = w.make(Kind::Untyped, 8)?;
    let frame = w.make_of(memory, Kind::Frame, 8)?;
    with_pages(w, frame, 8, fill)?;
    w.ok(Op::Revoke, abi::SLOT_TABLE, &[memory.into()])?;
    let table = w.make_of(memory, Kind::CapTable, 6)?;
    for index in 1..64 {
        equal(w.inspect(table, index)?, [0; 8], "a slot of a new table")?;
    }
    let bell = w.make_of(memory, Kind::Notification, 0)?;
    equal(w.ok(Op::Poll, bell, &[])?[0], 0, "bits of a new notification")?;
    let thread = w.make_of(memory, Kind::Thread, 0)?;
    for first in [0, 8, 16, 24, 32] {
        equal(w.ok(Op::ThreadReadRegisters, thread, &[first])?, [0; 8], "registers of a new thread")?;
    }
    let space = w.make_of(memory, Kind::AddressSpace, 5)?;
    let debug = w.authority.debug;
    for address in [0, 0x1000, 0x20_0000, 0x4000_0000] {
        w.refused(Op::DebugRead, debug, &[space.into(), address], NotMapped, 2)?;
    }
    Ok(())
}

fn whole_again(w: &mut World) -> Check {
    let memory = w.make(Kind::Untyped, 64)?;
    for _ in 0..3 {
        for (kind, size) in KINDS {
            w.make_of(memory, kind, size)?;
        }
        w.ok(Op::Revoke, abi::SLOT_TABLE, &[memory.into()])?;
        equal(w.inspect(abi::SLOT_TABLE, memory)?[5], 0, "bytes in use")?;
        let all = w.make_of(memory, Kind::Frame, 64)?;
        w.ok(Op::Delete, abi::SLOT_TABLE, &[all.into()])?;
    }
    Ok(())
}

fn whole_after_delete(w: &mut World) -> Check {
    let memory = w.make(Kind::Untyped, 64)?;
    for (kind, size) in KINDS {
        let slot = w.make_of(memory, kind, size)?;
        w.ok(Op::Delete, abi::SLOT_TABLE, &[slot.into()])?;
        let all = w.make_of(memory, Kind::Untyped, 64)?;
        w.ok(Op::Delete, abi::SLOT_TABLE, &[all.into()])?;
    }
    Ok(())
}

fn in_use(w: &mut World) -> Check {
    let memory = w.make(Kind::Untyped, 4)?;
    let first = w.make_of(memory, Kind::Frame, 1)?;
    let second = w.make_of(memory, Kind::Frame, 1)?;
    let before = w.inspect(abi::SLOT_TABLE, second)?[2];
    w.ok(Op::Delete, abi::SLOT_TABLE, &[second.into()])?;
    let third = w.make_of(memory, Kind::Frame, 1)?;
    holds(w.inspect(abi::SLOT_TABLE, third)?[2] > before, "memory was used anew while a child lived")?;
    equal(w.inspect(abi::SLOT_TABLE, memory)?[5], 3 * PAGE, "bytes in use")?;
    w.ok(Op::Delete, abi::SLOT_TABLE, &[first.into()]).map(drop)
}

fn orphans(w: &mut World) -> Check {
    let outer = w.make(Kind::Untyped, 4)?;
    let inner = w.make_of(outer, Kind::Untyped, 4)?;
    let frame = w.make_of(inner, Kind::Frame, 4)?;
    with_pages(w, frame, 4, fill)?;
    w.ok(Op::Delete, abi::SLOT_TABLE, &[inner.into()])?;
    equal(w.inspect(abi::SLOT_TABLE, frame)?[0], Kind::Frame as u64, "the child")?;
    // The memory is still the child's, also for the grandparent.
    let slot = w.slot()?;
    w.refused(Op::Retype, outer, &args(Kind::Frame, 1, slot), OutOfMemory, 0)?;
    w.ok(Op::Revoke, abi::SLOT_TABLE, &[outer.into()])?;
    holds(w.is_empty(frame)?, "the grandparent's revoke does not reach the child")
}

fn memory_types(w: &mut World) -> Check {
    let memory = w.make(Kind::Untyped, 4)?;
    for kind in [MemoryType::Normal, MemoryType::NonCacheable, MemoryType::Normal, MemoryType::NonCacheable] {
        let slot = w.slot()?;
        w.ok(Op::Retype, memory, &[Kind::Frame as u64, 4, 0, TABLE, slot.into(), 0, kind as u64])?;
        with_pages(w, slot, 4, |buffer| is_zero(buffer).and_then(|()| fill(buffer)))?;
        let mut bytes = [0; 16];
        with_pages(w, slot, 4, |buffer| buffer.read(4096, &mut bytes).map_err(|_| "outside".into()))?;
        equal(bytes, [0xa5; 16], "what was written")?;
        w.ok(Op::Delete, abi::SLOT_TABLE, &[slot.into()])?;
    }
    equal(Perms::READ.bits(), Rights::READ.bits(), "the bits of permissions and rights")
}
