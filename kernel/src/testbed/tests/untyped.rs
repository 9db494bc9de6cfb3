//! Retype: every object, every refusal, memory that is whole and clean again after a revoke.

use abi::{ErrorCode, InWord, Kind, Op, Rights, Slots, layout::PAGE};

use super::{Bed, MEMORY, TABLE};
use crate::arch::CLEANED;
use crate::mm::Phys;

const DEVICES: u32 = abi::SLOT_DEVICES;

fn retype(kind: Kind, size: u64, to: u64) -> [u64; 8] {
    [kind as u64, size, 0, TABLE, to, 0, 0, 0]
}

#[test]
fn every_object_is_made_where_the_watermark_stands() {
    let mut bed = Bed::new();
    bed.make(Kind::Untyped, 64, 40);
    let kinds = [
        (Kind::CapTable, 4),
        (Kind::Thread, 0),
        (Kind::Endpoint, 0),
        (Kind::Reply, 0),
        (Kind::Notification, 0),
        (Kind::Irq, 0),
        (Kind::AddressSpace, 2),
        (Kind::Frame, 3),
        (Kind::Untyped, 2),
    ];
    for (slot, (kind, size)) in (41..).zip(kinds) {
        bed.make_of(40, kind, size, slot);
        let cap = bed.cap(bed.init, slot);
        assert_eq!((cap.kind, cap.rights), (kind, Rights::all_of(kind)));
    }
    let (untyped, frame) = (bed.cap(bed.init, 40), bed.cap(bed.init, 48));
    assert_eq!(frame.object + 5 * PAGE, untyped.object + untyped.word);
    assert_eq!(bed.cap(bed.init, 49).pages, 2);
}

/// Who asks how much is in use is not told what was in use.
#[test]
fn after_a_revoke_nothing_is_in_use() {
    let mut bed = Bed::new();
    bed.make(Kind::Untyped, 64, 40);
    bed.make_of(40, Kind::Frame, 3, 41);
    let in_use = |bed: &mut Bed| bed.ok(Op::DebugCap, abi::SLOT_DEBUG, &[TABLE, 40])[5];
    assert_eq!(in_use(&mut bed), 3 * PAGE);
    bed.ok(Op::Revoke, abi::SLOT_TABLE, &[40]);
    assert_eq!(in_use(&mut bed), 0);
}

#[test]
fn refusals() {
    let mut bed = Bed::new();
    bed.make(Kind::Untyped, 8, 40);
    bed.make(Kind::Untyped, 8, 41);
    bed.make(Kind::AddressSpace, 2, 42);
    bed.ok(Op::AddPool, 42, &[41]);
    bed.give(1, 43, 1, Rights::all_of(Kind::CapTable) - Rights::PUT, 0);
    let invalid = |argument| (ErrorCode::InvalidArgument, argument);
    let mut refused = |args: [u64; 8]| bed.refused(Op::Retype, 40, &args);
    for kind in [0, 10, 14, 16, 17, 18, 19, 20, 21, 22, 255, u64::MAX] {
        assert_eq!(refused([kind, 1, 0, TABLE, 44, 0, 0, 0]), invalid(1), "kind {kind}");
    }
    for (kind, sizes) in [
        (Kind::CapTable, &[0, 3, 17, 64, u64::MAX][..]),
        (Kind::AddressSpace, &[0, 1, 1 << 16, u64::MAX]),
        (Kind::DmaSpace, &[0, 2, 1 << 16, u64::MAX]),
        (Kind::Trace, &[0, 1, 4, 1 << 15, u64::MAX]),
        (Kind::Frame, &[0, 1 << 32, 1 << 52, u64::MAX]),
        (Kind::Untyped, &[0, 1 << 32, u64::MAX]),
    ] {
        for &size in sizes {
            assert_eq!(refused(retype(kind, size, 44)), invalid(2), "{kind:?} of {size}");
        }
    }
    assert_eq!(refused([9, 1, 31, TABLE, 44, 0, 0, 0]), invalid(3));
    assert_eq!(refused([9, 1, u64::MAX, TABLE, 44, 0, 0, 0]), invalid(3));
    assert_eq!(refused([9, 1, 0, 43, 44, 0, 0, 0]), (ErrorCode::MissingRight, 4));
    assert_eq!(refused([9, 1, 0, 900, 44, 0, 0, 0]), (ErrorCode::EmptySlot, 4));
    assert_eq!(refused([9, 1, 0, TABLE, 1024, 0, 0, 0]), (ErrorCode::SlotOutOfRange, 5));
    assert_eq!(refused([9, 1, 0, TABLE, 40, 0, 0, 0]), (ErrorCode::SlotOccupied, 5));
    assert_eq!(refused([9, 1, 0, TABLE, 44, PAGE, 0, 0]), invalid(6));
    for memory in [2, 3, 4, u64::MAX] {
        assert_eq!(refused([9, 1, 0, TABLE, 44, 0, memory, 0]), invalid(7));
    }
    assert_eq!(refused(retype(Kind::Frame, 9, 44)), (ErrorCode::OutOfMemory, 0));
    assert_eq!(refused(retype(Kind::Frame, u64::from(u32::MAX), 44)), (ErrorCode::OutOfMemory, 0));
    assert_eq!(refused([9, 1, 30, TABLE, 44, 0, 0, 0]), (ErrorCode::OutOfMemory, 0));
    assert_eq!(bed.refused(Op::Retype, 41, &retype(Kind::Frame, 1, 44)), (ErrorCode::HasChildren, 0));
}

#[test]
fn memory_of_devices() {
    let mut bed = Bed::new();
    let make =
        |kind: Kind, pages: u64, address: u64, memory: u64| [kind as u64, pages, 0, TABLE, 44, address, memory, 0];
    let uart = 0x900_0000;
    let mut refused = |args: [u64; 8]| bed.refused(Op::Retype, DEVICES, &args);
    assert_eq!(refused(make(Kind::Endpoint, 0, uart, 0)), (ErrorCode::InvalidArgument, 1));
    assert_eq!(refused(make(Kind::Frame, 1, uart + 1, 0)), (ErrorCode::Misaligned, 6));
    assert_eq!(refused(make(Kind::Frame, 1, !4095, 0)), (ErrorCode::InvalidArgument, 6));
    assert_eq!(refused(make(Kind::Frame, 1, 0xffff_ffff_f000, 0)), (ErrorCode::OutOfMemory, 0));
    assert_eq!(refused(make(Kind::Frame, 2, 0x4000_0000 - PAGE, 0)), (ErrorCode::Overlap, 0));
    assert_eq!(refused(make(Kind::Frame, u64::from(u32::MAX), 0, 0)), (ErrorCode::Overlap, 0));
    bed.ok(Op::Retype, DEVICES, &make(Kind::Frame, 2, uart, 0));
    assert_eq!(bed.cap(bed.init, 44).memory, 2, "device memory is nGnRE unless another type is asked for");
    let next = [Kind::Untyped as u64, 4, 0, TABLE, 45, uart + PAGE, 0, 0];
    assert_eq!(bed.refused(Op::Retype, DEVICES, &next), (ErrorCode::Overlap, 0));
    // A copy keeps the range taken when the original is deleted.
    bed.give(1, 46, 44, Rights::all_of(Kind::Frame), 0);
    bed.ok(Op::Delete, 1, &[44]);
    assert_eq!(bed.refused(Op::Retype, DEVICES, &next), (ErrorCode::Overlap, 0));
    bed.ok(Op::Delete, 1, &[46]);
    bed.ok(Op::Retype, DEVICES, &next);
    // An address of 0, and the last page.
    bed.ok(Op::Retype, DEVICES, &make(Kind::Frame, 1, 0, 3));
    assert_eq!(bed.cap(bed.init, 44).object, 0);
    let last = (u64::from(u32::MAX) - 1) * PAGE;
    bed.ok(Op::Retype, DEVICES, &[9, 1, 0, TABLE, 47, last, 1, 0]);
}

#[test]
fn after_a_revoke_memory_is_whole_and_zeroed_before_reuse() {
    let mut bed = Bed::new();
    bed.make(Kind::Untyped, 16, 40);
    let before = bed.census();
    bed.make_of(40, Kind::Frame, 16, 41);
    let base = bed.cap(bed.init, 41).object;
    for page in 0..16 {
        bed.k.mem.write_u64(Phys(base + page * PAGE + 8), u64::MAX);
    }
    assert_eq!(bed.refused(Op::Retype, 40, &retype(Kind::Endpoint, 0, 42)), (ErrorCode::OutOfMemory, 0));
    bed.ok(Op::Revoke, 1, &[40]);
    assert_eq!(bed.census(), before);
    bed.make_of(40, Kind::Untyped, 4, 42);
    bed.make_of(42, Kind::Frame, 4, 43);
    bed.make_of(40, Kind::Frame, 12, 44);
    assert_eq!(bed.cap(bed.init, 43).object, base);
    for page in 0..16 {
        assert_eq!(bed.k.mem.read_u64(Phys(base + page * PAGE + 8)), 0);
    }
}

/// Zeroing that began behind a hole says nothing of the hole.
#[test]
fn an_interrupted_aligned_retype_leaves_nothing_dirty() {
    let mut bed = Bed::new();
    bed.make(Kind::Untyped, 256, 40);
    let base = bed.cap(bed.init, 40).object;
    bed.k.machine.preempt_every = 1;
    let args = [Kind::Frame as u64, 64, 18, TABLE, 41, 0, 0, 0];
    bed.trap(bed.init, InWord::new(Op::Retype as u8, 0, 0, 0), Slots::new(40, 0), args);
    assert!(bed.restarts(bed.init) && bed.cap(bed.init, 41).kind == Kind::Null);
    bed.k.machine.preempt_every = 0;
    // Whoever was interrupted does something else.
    bed.make_of(40, Kind::CapTable, 6, 42);
    let table = bed.cap(bed.init, 42).object_of().unwrap();
    assert_eq!(bed.k.mem.address::<crate::object::CapTable>(table).0, base);
    for index in 1..64 {
        bed.ok(Op::Copy, 42, &[index, TABLE, abi::SLOT_NOTIFICATION.into(), 3, 0]);
    }
}

/// What is uncached was cleaned from the cache.
#[test]
fn uncached_memory() {
    let mut bed = Bed::new();
    bed.ok(Op::Retype, MEMORY, &[Kind::Frame as u64, 2, 0, TABLE, 40, 0, 1, 0]);
    assert_eq!(bed.cap(bed.init, 40).memory, 1);
}

/// However much it is, an interrupt waits for the cleaning of one page at most; and what was zeroed in the cache only, for
/// another who made way, is cleaned too.
#[test]
fn uncached_memory_is_cleaned_page_by_page() {
    const PAGES: usize = 16;
    for begun in [false, true] {
        let mut bed = Bed::new();
        bed.make(Kind::Untyped, 64, 40);
        let retype = |memory: u64| [Kind::Frame as u64, PAGES as u64, 0, TABLE, 41, 0, memory, 0];
        let (input, slots) = (InWord::new(Op::Retype as u8, 0, 0, 0), Slots::new(40, 0));
        if begun {
            bed.k.machine.preempt_every = 3;
            bed.trap(bed.init, input, slots, retype(0));
            assert!(bed.restarts(bed.init));
        }
        CLEANED.take();
        bed.k.machine.preempt_every = 1;
        bed.trap(bed.init, input, slots, retype(1));
        while bed.restarts(bed.init) {
            bed.check();
            bed.again(bed.init);
        }
        bed.k.machine.preempt_every = 0;
        let frame = bed.cap(bed.init, 41);
        assert_eq!((frame.kind, frame.memory), (Kind::Frame, 1));
        let cleaned = CLEANED.take();
        let first = cleaned[0].0;
        let wanted: Vec<_> = (0..PAGES).map(|page| (first + page * PAGE as usize, PAGE as usize)).collect();
        assert_eq!(cleaned, wanted, "begun {begun}");
    }
}

/// A table in the very Untyped whose capability it holds.
#[test]
fn memory_can_be_handed_out_into_itself_and_revoked() {
    let mut bed = Bed::new();
    bed.make(Kind::Untyped, 32, 40);
    bed.make_of(40, Kind::CapTable, 5, 41);
    bed.ok(Op::Copy, 41, &[1, TABLE, 41, 15, 0]);
    bed.ok(Op::Retype, 40, &[Kind::Endpoint as u64, 0, 0, 41, 2, 0, 0, 0]);
    bed.ok(Op::Retype, 40, &[Kind::Untyped as u64, 4, 0, 41, 3, 0, 0, 0]);
    bed.ok(Op::Delete, 1, &[41]);
    let census = bed.census();
    assert!(census[&Kind::CapTable] > 0, "a table that holds itself lives on");
    bed.ok(Op::Revoke, 1, &[40]);
    let census = bed.census();
    assert_eq!(census.get(&Kind::Endpoint), None);
    bed.make_of(40, Kind::Frame, 32, 41);
}

/// An Untyped that is being deleted or revoked hands nothing out while what was made of it lives.
#[test]
fn memory_that_is_being_revoked_is_not_handed_out() {
    for op in [Op::Delete, Op::Revoke] {
        let mut bed = Bed::new();
        bed.make(Kind::Untyped, 64, 40);
        bed.make_of(40, Kind::Untyped, 32, 41);
        let victim = bed.process(MEMORY, 50, 10, 0);
        bed.ok(Op::Move, 50, &[4, TABLE, 41]);
        for index in 0..12 {
            let args = [Kind::Endpoint as u64, 0, 0, 1, 16 + index, 0, 0, 0];
            assert!(bed.call(victim, Op::Retype, 4, &args).is_ok());
        }
        bed.k.machine.preempt_every = 1;
        let (table, slot) = if op == Op::Revoke { (1, 40) } else { (50, 4) };
        let input = InWord::new(op as u8, 0, 0, 0);
        bed.trap(bed.init, input, Slots::new(table, 0), [slot, 0, 0, 0, 0, 0, 0, 0]);
        let mut rounds = 0;
        while bed.restarts(bed.init) {
            bed.check();
            bed.k.machine.preempt_every = 0;
            let args = [Kind::Frame as u64, 1, 0, 1, 30, 0, 0, 0];
            let refused = bed.call(victim, Op::Retype, 4, &args).unwrap_err();
            assert!(matches!(refused.code, ErrorCode::MissingRight | ErrorCode::EmptySlot), "{refused:?}");
            bed.k.machine.preempt_every = 1;
            bed.again(bed.init);
            rounds += 1;
        }
        assert!(rounds > 0, "{op:?} made way");
        bed.check();
        assert_eq!(bed.cap(victim, 4).kind, Kind::Null);
    }
}
