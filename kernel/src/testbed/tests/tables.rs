//! Copy, move, delete, revoke.

use abi::{Badge, ErrorCode, InWord, Kind, Op, Rights, Slots};

use super::{Bed, TABLE};

#[test]
fn refusals_of_copy_and_move() {
    let mut bed = Bed::new();
    bed.make(Kind::Endpoint, 0, 40);
    bed.make(Kind::CapTable, 4, 41);
    bed.give(1, 42, 41, Rights::all_of(Kind::CapTable) - Rights::TAKE, 0);
    for op in [Op::Copy, Op::Move] {
        let mut refused = |args: [u64; 5]| bed.refused(op, 41, &args);
        assert_eq!(refused([0, TABLE, 40, 7, 0]), (ErrorCode::SlotOutOfRange, 1));
        assert_eq!(refused([16, TABLE, 40, 7, 0]), (ErrorCode::SlotOutOfRange, 1));
        assert_eq!(refused([1, 40, 40, 7, 0]), (ErrorCode::WrongKind, 2));
        assert_eq!(refused([1, 42, 1, 7, 0]), (ErrorCode::MissingRight, 2));
        assert_eq!(refused([1, TABLE, 1024, 7, 0]), (ErrorCode::SlotOutOfRange, 3));
        assert_eq!(refused([1, TABLE, 900, 7, 0]), (ErrorCode::EmptySlot, 3));
    }
    bed.give(41, 1, 40, Rights::SEND, 0);
    for op in [Op::Copy, Op::Move] {
        assert_eq!(bed.refused(op, 41, &[1, TABLE, 40, 7, 0]), (ErrorCode::SlotOccupied, 1));
        assert_eq!(bed.refused(op, 1, &[40, TABLE, 40, 7, 0]), (ErrorCode::SlotOccupied, 1));
    }
    for slot in [abi::SLOT_INIT_MEMORY, abi::SLOT_REPLY] {
        assert_eq!(bed.refused(Op::Copy, 41, &[2, TABLE, slot.into(), 1, 0]), (ErrorCode::InvalidArgument, 3));
    }
    for rights in [0x10, 0x80, 0x100, u64::MAX] {
        assert_eq!(bed.refused(Op::Copy, 41, &[2, TABLE, 40, rights, 0]), (ErrorCode::InvalidArgument, 4));
    }
    assert_eq!(bed.refused(Op::Copy, 41, &[2, TABLE, 41, 15, 9]), (ErrorCode::BadgeSet, 5));
}

#[test]
fn a_copy_has_no_more_rights_and_its_badge_only_grows() {
    let mut bed = Bed::new();
    bed.make(Kind::Endpoint, 0, 40);
    bed.give(1, 41, 40, Rights::SEND | Rights::GRANT, Badge::new(7, 1, 0).0);
    bed.give(1, 42, 41, Rights::all_of(Kind::Endpoint), Badge::new(0, 0, 9).0);
    let cap = bed.cap(bed.init, 42);
    assert_eq!((cap.rights, cap.badge()), (Rights::SEND | Rights::GRANT, Badge::new(7, 1, 9)));
    for badge in [Badge::new(8, 0, 0), Badge::new(0, 2, 0), Badge::new(7, 1, 8)] {
        assert_eq!(bed.refused(Op::Copy, 1, &[43, TABLE, 42, 7, badge.0]), (ErrorCode::BadgeSet, 5));
    }
    bed.give(1, 43, 42, Rights::SEND, Badge::new(7, 1, 9).0);
    // Grown too: rights that were lost stay lost.
    bed.give(1, 44, 43, Rights::all_of(Kind::Endpoint), 0);
    assert_eq!(bed.cap(bed.init, 44).rights, Rights::SEND);
}

#[test]
fn a_move_keeps_place_and_mapping() {
    let mut bed = Bed::new();
    bed.make(Kind::AddressSpace, 8, 40);
    bed.make(Kind::Frame, 2, 41);
    bed.ok(Op::Map, 40, &[41, 0x10_0000, 0, 2, 3]);
    for copy in 42..46 {
        bed.give(1, copy, 41, Rights::all_of(Kind::Frame), 0);
    }
    bed.ok(Op::Map, 40, &[43, 0x20_0000, 0, 1, 1]);
    bed.ok(Op::Move, 1, &[50, TABLE, 41]);
    bed.ok(Op::Move, 1, &[51, TABLE, 43]);
    assert_eq!(bed.refused(Op::Map, 40, &[50, 0x30_0000, 0, 1, 1]), (ErrorCode::AlreadyMapped, 1));
    bed.ok(Op::Revoke, 1, &[50]);
    assert_eq!(bed.cap(bed.init, 51).kind, Kind::Null);
    bed.ok(Op::Unmap, 40, &[50]);
}

/// Short whatever hangs on the capability: no interrupt waits for it.
#[test]
fn a_move_is_one_step() {
    let mut bed = Bed::new();
    bed.make(Kind::Endpoint, 0, 40);
    for copy in 100..600 {
        bed.give(1, copy, 40, Rights::SEND, 0);
    }
    bed.k.machine.preempt_every = 1;
    bed.trap(bed.init, InWord::new(Op::Move as u8, 0, 0, 0), Slots::new(1, 0), [41, TABLE, 40, 0, 0, 0, 0, 0]);
    assert!(!bed.restarts(bed.init));
    bed.ok(Op::Revoke, 1, &[41]);
    assert!((100..600).all(|slot| bed.cap(bed.init, slot).kind == Kind::Null));
}

#[test]
fn delete_pulls_children_up_and_revoke_takes_all_descendants() {
    let mut bed = Bed::new();
    bed.make(Kind::Endpoint, 0, 40);
    for slot in 41..46 {
        bed.give(1, slot, slot - 1, Rights::all_of(Kind::Endpoint), 0);
    }
    bed.ok(Op::Delete, 1, &[42]);
    bed.ok(Op::Delete, 1, &[42]);
    assert_eq!(bed.cap(bed.init, 43).kind, Kind::Endpoint);
    bed.ok(Op::Revoke, 1, &[41]);
    assert!((42..46).all(|slot| bed.cap(bed.init, slot).kind == Kind::Null));
    assert_eq!(bed.cap(bed.init, 41).kind, Kind::Endpoint);
    assert_eq!(bed.refused(Op::Revoke, 1, &[42]), (ErrorCode::EmptySlot, 1));
    assert_eq!(bed.refused(Op::Revoke, 1, &[1024]), (ErrorCode::SlotOutOfRange, 1));
    assert_eq!(bed.refused(Op::Delete, 1, &[0]), (ErrorCode::SlotOutOfRange, 1));
}

#[test]
fn revoke_makes_way_and_goes_on() {
    let mut bed = Bed::new();
    bed.make(Kind::Endpoint, 0, 40);
    for copy in 100..300 {
        bed.give(1, copy, if copy % 3 == 0 { copy - 1 } else { 40 }, Rights::SEND, 0);
    }
    bed.k.machine.preempt_every = 1;
    bed.trap(bed.init, InWord::new(Op::Revoke as u8, 0, 0, 0), Slots::new(1, 0), [40, 0, 0, 0, 0, 0, 0, 0]);
    let mut rounds = 0;
    while bed.restarts(bed.init) {
        bed.check();
        bed.again(bed.init);
        rounds += 1;
    }
    assert!(rounds > 10);
    assert!((100..300).all(|slot| bed.cap(bed.init, slot).kind == Kind::Null));
}
