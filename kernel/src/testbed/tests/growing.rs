//! Tables that grow: indices stay, the memory is one's own, and what goes takes its slots along.

use abi::{ErrorCode, InWord, Kind, Op, Rights, Slots};

use super::{Bed, MEMORY, TABLE};

/// A table of 32 slots, memory for it, and an Endpoint to put into it.
const GROWING: u32 = 40;
const MORE: u32 = 41;
const ENDPOINT: u32 = 42;

fn world() -> Bed {
    let mut bed = Bed::new();
    bed.make(Kind::CapTable, 5, GROWING);
    bed.make(Kind::Untyped, 2, MORE);
    bed.make(Kind::Endpoint, 0, ENDPOINT);
    bed
}

fn give(bed: &mut Bed, index: u32) {
    bed.give(GROWING, index, ENDPOINT, Rights::SEND, u64::from(index));
}

/// What `Debug` says of a slot of the growing table: its kind and badge.
fn look(bed: &mut Bed, index: u32) -> (u64, u64) {
    let words = bed.ok(Op::DebugCap, abi::SLOT_DEBUG, &[GROWING.into(), index.into()]);
    (words[0], words[4])
}

#[test]
fn slots_behind_the_last_one() {
    let mut bed = world();
    give(&mut bed, 31);
    assert_eq!(bed.refused(Op::DebugCap, abi::SLOT_DEBUG, &[GROWING.into(), 32]), (ErrorCode::SlotOutOfRange, 2));
    bed.ok(Op::TableGrow, GROWING, &[MORE.into(), 7]);
    for index in 32..128 {
        give(&mut bed, index);
    }
    for index in 31..128 {
        assert_eq!(look(&mut bed, index), (Kind::Endpoint as u64, index.into()));
    }
    let beyond = [128, TABLE, ENDPOINT.into(), 1, 0];
    assert_eq!(bed.refused(Op::Copy, GROWING, &beyond), (ErrorCode::SlotOutOfRange, 1));
    let info = bed.ok(Op::DebugCap, abi::SLOT_DEBUG, &[TABLE, GROWING.into()]);
    assert_eq!(info[3], 128 * 64, "bytes of the table");
    // Its memory is in use.
    let args = [Kind::Endpoint as u64, 0, 0, TABLE, 900];
    assert_eq!(bed.refused(Op::Retype, MORE, &args), (ErrorCode::HasChildren, 0));
    bed.make(Kind::AddressSpace, 4, 43);
    assert_eq!(bed.refused(Op::AddPool, 43, &[MORE.into()]), (ErrorCode::HasChildren, 1));
    assert_eq!(bed.refused(Op::Reserve, 43, &[MORE.into(), 0x10_0000, 1]), (ErrorCode::HasChildren, 1));
}

#[test]
fn refusals() {
    let mut bed = world();
    bed.make(Kind::Untyped, 64, 43);
    let mut refused = |slot: u32, bits: u64| bed.refused(Op::TableGrow, GROWING, &[slot.into(), bits]);
    for bits in [0, 4, 5, 16, 17, 64, u64::MAX] {
        assert_eq!(refused(MORE, bits), (ErrorCode::InvalidArgument, 2), "{bits}: 32 slots, and ten doublings");
    }
    assert_eq!(refused(MORE, 8), (ErrorCode::OutOfMemory, 1));
    assert_eq!(refused(900, 6), (ErrorCode::EmptySlot, 1));
    assert_eq!(refused(ENDPOINT, 6), (ErrorCode::WrongKind, 1));
    assert_eq!(refused(abi::SLOT_DEVICES, 6), (ErrorCode::InvalidArgument, 1));
    bed.make_of(43, Kind::Endpoint, 0, 44);
    assert_eq!(bed.refused(Op::TableGrow, GROWING, &[43, 6]), (ErrorCode::HasChildren, 1));
    bed.ok(Op::Delete, 1, &[44]);
    bed.give(1, 45, GROWING, Rights::all_of(Kind::CapTable) - Rights::PUT, 0);
    assert_eq!(bed.refused(Op::TableGrow, 45, &[43, 6]), (ErrorCode::MissingRight, 0));
    // What has children now has lost its rights when it was deleted.
    bed.ok(Op::TableGrow, GROWING, &[43, 6]);
    assert_eq!(bed.refused(Op::TableGrow, GROWING, &[43, 7]), (ErrorCode::HasChildren, 1));
}

#[test]
fn growing_makes_way_and_goes_on() {
    let mut bed = world();
    bed.make(Kind::Untyped, 64, 43);
    let input = InWord::new(Op::TableGrow as u8, 0, 0, 0);
    bed.k.machine.preempt_every = 1;
    bed.trap(bed.init, input, Slots::new(GROWING, 0), [43, 12, 0, 0, 0, 0, 0, 0]);
    let mut rounds = 0;
    while bed.restarts(bed.init) {
        bed.check();
        let copy = bed.call(bed.init, Op::Copy, GROWING, &[32, TABLE, ENDPOINT.into(), 1, 0]);
        assert_eq!(copy, Err(super::refusal(ErrorCode::SlotOutOfRange, 1)));
        bed.trap(bed.init, input, Slots::new(GROWING, 0), [43, 12, 0, 0, 0, 0, 0, 0]);
        rounds += 1;
    }
    bed.check();
    assert!(rounds > 5, "{rounds}");
    bed.k.machine.preempt_every = 0;
    give(&mut bed, 4095);
    assert_eq!(bed.refused(Op::TableGrow, GROWING, &[MORE.into(), 12]), (ErrorCode::InvalidArgument, 2));
}

/// Two calls at once: who comes too late is refused, and its memory is as it was.
#[test]
fn a_call_that_was_overtaken_gives_its_memory_back() {
    let mut bed = world();
    bed.make(Kind::Untyped, 64, 43);
    bed.make(Kind::Untyped, 64, 44);
    let input = InWord::new(Op::TableGrow as u8, 0, 0, 0);
    bed.k.machine.preempt_every = 1;
    let args = [43, 12, 0, 0, 0, 0, 0, 0];
    bed.trap(bed.init, input, Slots::new(GROWING, 0), args);
    assert!(bed.restarts(bed.init));
    bed.k.machine.preempt_every = 0;
    bed.ok(Op::TableGrow, GROWING, &[44, 12]);
    assert_eq!(
        bed.call(bed.init, Op::TableGrow, GROWING, &args[..2]),
        Err(super::refusal(ErrorCode::InvalidArgument, 2))
    );
    bed.make_of(43, Kind::Frame, 64, 45);
}

#[test]
fn the_slots_go_with_their_memory() {
    let mut bed = world();
    bed.make(Kind::Untyped, 6, 43);
    bed.ok(Op::TableGrow, GROWING, &[MORE.into(), 7]);
    bed.ok(Op::TableGrow, GROWING, &[43, 8]);
    for index in 20..256 {
        give(&mut bed, index);
    }
    bed.k.machine.preempt_every = 1;
    let input = InWord::new(Op::Delete as u8, 0, 0, 0);
    bed.trap(bed.init, input, Slots::new(1, 0), [MORE.into(), 0, 0, 0, 0, 0, 0, 0]);
    let mut rounds = 0;
    while bed.restarts(bed.init) {
        bed.check();
        bed.again(bed.init);
        rounds += 1;
    }
    bed.check();
    assert!(rounds > 5, "{rounds}");
    bed.k.machine.preempt_every = 0;
    let outside = (ErrorCode::SlotOutOfRange, 2);
    assert_eq!(bed.refused(Op::DebugCap, abi::SLOT_DEBUG, &[GROWING.into(), 32]), outside);
    assert_eq!(bed.refused(Op::DebugCap, abi::SLOT_DEBUG, &[GROWING.into(), 127]), outside);
    assert_eq!((look(&mut bed, 31).1, look(&mut bed, 128).1), (31, 128));
    // The hole is filled again, by whoever has memory for it.
    bed.make(Kind::Untyped, 2, MORE);
    assert_eq!(bed.refused(Op::TableGrow, GROWING, &[43, 8]), (ErrorCode::HasChildren, 1));
    bed.ok(Op::TableGrow, GROWING, &[MORE.into(), 8]);
    assert_eq!(look(&mut bed, 32), (0, 0));
    give(&mut bed, 32);
    // Revoke of the memory's memory, and the end of the table.
    bed.ok(Op::Revoke, 1, &[MEMORY.into()]);
    assert_eq!(bed.cap(bed.init, GROWING).kind, Kind::Null);
    bed.make(Kind::Untyped, 900, 40);
}

#[test]
fn memory_is_free_when_its_table_ends() {
    let mut bed = world();
    bed.ok(Op::TableGrow, GROWING, &[MORE.into(), 7]);
    give(&mut bed, 100);
    bed.ok(Op::Delete, 1, &[GROWING.into()]);
    bed.make_of(MORE, Kind::Frame, 2, 43);
    let children = bed.k.mem[bed.slot_of(bed.init, ENDPOINT)].links.child;
    assert_eq!(children, None, "what lay in the slots is gone");
}

/// No table's memory hangs in the slots that another's gives, whatever one tries: taking it away is never a nest of itself.
#[test]
fn memory_in_use_stays_in_first_parts() {
    let mut bed = world();
    bed.ok(Op::TableGrow, GROWING, &[MORE.into(), 6]);
    bed.make(Kind::CapTable, 5, 43);
    bed.make(Kind::Untyped, 1, 44);
    bed.ok(Op::TableGrow, 43, &[44, 6]);
    assert_eq!(bed.refused(Op::Move, GROWING, &[40, TABLE, 44]), (ErrorCode::InvalidArgument, 1));
    assert_eq!(bed.refused(Op::Move, 43, &[40, TABLE, MORE.into()]), (ErrorCode::InvalidArgument, 1));
    bed.ok(Op::Move, GROWING, &[20, TABLE, 44]);
    bed.ok(Op::Move, 43, &[20, TABLE, MORE.into()]);
    bed.check();
    // Each now holds the other's memory.
    bed.make(Kind::Endpoint, 0, 45);
    bed.give(GROWING, 50, 45, Rights::SEND, 0);
    bed.give(43, 50, 45, Rights::SEND, 0);
    bed.ok(Op::Delete, 43, &[20]);
    assert_eq!(bed.refused(Op::DebugCap, abi::SLOT_DEBUG, &[GROWING.into(), 50]), (ErrorCode::SlotOutOfRange, 2));
    bed.ok(Op::Delete, 1, &[43]);
    bed.ok(Op::Delete, 1, &[GROWING.into()]);
    assert_eq!(bed.k.mem[bed.slot_of(bed.init, 45)].links.child, None);
    // One that stands behind the first part of the caller's own table cannot be used.
    let thread = bed.process(MEMORY, 60, 10, 0);
    bed.make(Kind::Untyped, 1, 50);
    bed.make(Kind::Untyped, 1, 51);
    bed.ok(Op::TableGrow, 60, &[50, 6]);
    bed.ok(Op::Move, 60, &[40, TABLE, 51]);
    bed.give(60, 12, 60, Rights::all_of(Kind::CapTable), 0);
    assert_eq!(bed.refused_of(thread, Op::TableGrow, 12, &[40, 7]), (ErrorCode::InvalidArgument, 1));
}

/// A delete whose object is taken apart later is over: what another puts into the slot meanwhile stays.
#[test]
fn delete_is_over_when_the_slot_is_empty() {
    let mut bed = world();
    for index in 10..30 {
        give(&mut bed, index);
    }
    bed.k.machine.preempt_every = 1;
    let input = InWord::new(Op::Delete as u8, 0, 0, 0);
    bed.trap(bed.init, input, Slots::new(1, 0), [GROWING.into(), 0, 0, 0, 0, 0, 0, 0]);
    assert!(bed.k.graves.is_some(), "the table still has to be emptied");
    assert!(!bed.restarts(bed.init), "another may have filled the slot by then");
    bed.check();
}

/// Init begins to delete the memory of slots that are all filled, and is interrupted.
fn delete_begun() -> Bed {
    let mut bed = world();
    bed.ok(Op::TableGrow, GROWING, &[MORE.into(), 7]);
    (32..128).for_each(|index| give(&mut bed, index));
    bed.k.machine.preempt_every = 1;
    let input = InWord::new(Op::Delete as u8, 0, 0, 0);
    bed.trap(bed.init, input, Slots::new(1, 0), [MORE.into(), 0, 0, 0, 0, 0, 0, 0]);
    assert!(bed.restarts(bed.init));
    bed.k.machine.preempt_every = 0;
    bed
}

/// The slots can be zeroed and used for something else: nothing lies in them any more.
fn nothing_is_left(bed: &mut Bed) {
    bed.check();
    let children = bed.k.mem[bed.slot_of(bed.init, ENDPOINT)].links.child;
    assert_eq!(children, None, "what lay in the slots is gone");
}

#[test]
fn a_table_ends_while_its_memory_is_deleted() {
    let mut bed = delete_begun();
    bed.ok(Op::Delete, 1, &[GROWING.into()]);
    nothing_is_left(&mut bed);
    bed.make_of(MORE, Kind::Frame, 2, 43);
    bed.check();
}

#[test]
fn memory_is_given_again_while_it_is_deleted() {
    let mut bed = delete_begun();
    bed.make(Kind::Untyped, 2, 43);
    bed.ok(Op::TableGrow, GROWING, &[43, 7]);
    let again = bed.call(bed.init, Op::TableGrow, GROWING, &[MORE.into(), 7]);
    assert_eq!(again, Err(super::refusal(ErrorCode::InvalidArgument, 2)));
    nothing_is_left(&mut bed);
    bed.make_of(MORE, Kind::Frame, 2, 44);
    bed.check();
}
