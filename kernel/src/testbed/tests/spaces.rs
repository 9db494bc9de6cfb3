//! Map, unmap, protect, page table memory.

use abi::{
    ErrorCode, InWord, Kind, Op, Rights, Slots,
    layout::{PAGE, USER_END},
};

use super::{Bed, MEMORY, TABLE, run_on_core_1};
use crate::mm::Ref;
use crate::object::{AddressSpace, Thread};
use crate::testbed::Outcome;
use crate::testbed::step::{Event, Step};

const SPACE: u32 = 40;
const FRAME: u32 = 41;

fn world(pages: u64) -> (Bed, Ref<AddressSpace>) {
    let mut bed = Bed::new();
    bed.make(Kind::AddressSpace, pages, SPACE);
    bed.make(Kind::Frame, 4, FRAME);
    let space = bed.cap(bed.init, SPACE).object_of().unwrap();
    (bed, space)
}

fn map(frame: u32, address: u64, first: u64, pages: u64, perms: u64) -> [u64; 5] {
    [frame.into(), address, first, pages, perms]
}

#[test]
fn refusals() {
    let (mut bed, _) = world(8);
    bed.make(Kind::AddressSpace, 8, 42);
    bed.give(1, 43, FRAME, Rights::READ | Rights::WRITE, 0);
    bed.ok(Op::Retype, abi::SLOT_DEVICES, &[Kind::Frame as u64, 1, 0, TABLE, 44, 0x900_0000, 0, 0]);
    let good = 0x10_0000;
    let mut refused = |args: [u64; 5]| bed.refused(Op::Map, SPACE, &args);
    let invalid = |argument| (ErrorCode::InvalidArgument, argument);
    assert_eq!(refused(map(900, good, 0, 1, 1)), (ErrorCode::EmptySlot, 1));
    assert_eq!(refused(map(FRAME, good + 8, 0, 1, 1)), (ErrorCode::Misaligned, 2));
    for address in [USER_END, USER_END - PAGE, !4095, 1 << 63] {
        assert_eq!(refused(map(FRAME, address, 0, 2, 1)), invalid(2), "{address:#x}");
    }
    assert_eq!(refused(map(FRAME, good, 4, 1, 1)), invalid(3));
    assert_eq!(refused(map(FRAME, good, u64::MAX, 2, 1)), invalid(3));
    for (first, pages) in [(0, 0), (0, 5), (3, 2), (1, u64::MAX), (0, 1 << 52)] {
        assert_eq!(refused(map(FRAME, good, first, pages, 1)), invalid(4), "{first} {pages}");
    }
    for perms in [0, 2, 4, 6, 8, 16, 256, u64::MAX] {
        assert_eq!(refused(map(FRAME, good, 0, 1, perms)), invalid(5), "{perms}");
    }
    assert_eq!(refused(map(FRAME, good, 0, 1, 7)), (ErrorCode::WriteExecute, 5));
    assert_eq!(refused(map(43, good, 0, 1, 5)), (ErrorCode::MissingRight, 5));
    assert_eq!(refused(map(44, good, 0, 1, 5)), invalid(5));
    bed.ok(Op::Map, SPACE, &map(FRAME, good, 0, 4, 3));
    let mut refused = |args: [u64; 5]| bed.refused(Op::Map, SPACE, &args);
    assert_eq!(refused(map(FRAME, 0x20_0000, 0, 1, 1)), (ErrorCode::AlreadyMapped, 1));
    assert_eq!(refused(map(43, good + 3 * PAGE, 0, 2, 1)), (ErrorCode::Overlap, 0));
    assert_eq!(refused(map(43, good - PAGE, 0, 2, 1)), (ErrorCode::Overlap, 0));
    assert_eq!(bed.refused(Op::Unmap, 42, &[FRAME.into()]), (ErrorCode::NotMapped, 1));
    assert_eq!(bed.refused(Op::Unmap, SPACE, &[43]), (ErrorCode::NotMapped, 1));
    assert_eq!(bed.refused(Op::Protect, 42, &[FRAME.into(), 1]), (ErrorCode::NotMapped, 1));
    assert_eq!(bed.refused(Op::Protect, SPACE, &[FRAME.into(), 7]), (ErrorCode::WriteExecute, 2));
    assert_eq!(bed.refused(Op::Protect, SPACE, &[FRAME.into(), 2]), (ErrorCode::InvalidArgument, 2));
    assert_eq!(bed.refused(Op::Protect, SPACE, &[43, 5]), (ErrorCode::MissingRight, 2));
    bed.ok(Op::Protect, SPACE, &[FRAME.into(), 5]);
    bed.ok(Op::Protect, SPACE, &[FRAME.into(), 3]);
    bed.ok(Op::Unmap, SPACE, &[FRAME.into()]);
    bed.ok(Op::Map, 42, &map(FRAME, USER_END - PAGE, 3, 1, 1));
}

#[test]
fn the_pool_runs_out_and_is_filled() {
    let (mut bed, space) = world(4);
    bed.make(Kind::Untyped, 3, 42);
    bed.make(Kind::Untyped, 3, 43);
    assert_eq!(bed.refused(Op::Map, SPACE, &map(FRAME, 0x10_0000, 0, 1, 1)), (ErrorCode::NoPool, 0));
    bed.ok(Op::AddPool, SPACE, &[42]);
    assert_eq!(bed.k.mem[space].free_pages, 5);
    bed.ok(Op::Map, SPACE, &map(FRAME, 0x10_0000, 0, 4, 1));
    assert_eq!(bed.k.mem[space].free_pages, 2);
    assert_eq!(bed.refused(Op::AddPool, SPACE, &[42]), (ErrorCode::HasChildren, 1));
    bed.make_of(43, Kind::Endpoint, 0, 44);
    assert_eq!(bed.refused(Op::AddPool, SPACE, &[43]), (ErrorCode::HasChildren, 1));
    assert_eq!(bed.refused(Op::AddPool, SPACE, &[abi::SLOT_DEVICES.into()]), (ErrorCode::InvalidArgument, 1));
    assert_eq!(bed.refused(Op::Retype, 42, &[9, 1, 0, TABLE, 45, 0, 0, 0]), (ErrorCode::HasChildren, 0));
}

#[test]
fn without_its_pool_a_space_is_empty_and_usable() {
    let (mut bed, space) = world(5);
    bed.make(Kind::Untyped, 8, 42);
    bed.make(Kind::Untyped, 16, 43);
    bed.ok(Op::AddPool, SPACE, &[43]);
    for copy in 50..58 {
        bed.give(1, copy, FRAME, Rights::READ, 0);
        bed.ok(Op::Map, SPACE, &map(copy, 0x4000_0000 * u64::from(copy - 49), 0, 2, 1));
    }
    bed.ok(Op::AddPool, SPACE, &[42]);
    bed.k.machine.preempt_every = 1;
    let input = InWord::new(Op::Delete as u8, 0, 0, 0);
    bed.trap(bed.init, input, Slots::new(1, 0), [42, 0, 0, 0, 0, 0, 0, 0]);
    let mut rounds = 0;
    while bed.restarts(bed.init) {
        bed.check();
        // Nobody gets in between.
        assert!(bed.k.mem[space].lost);
        rounds += 1;
        bed.again(bed.init);
    }
    assert!(rounds > 0);
    bed.check();
    bed.k.machine.preempt_every = 0;
    assert_eq!((bed.k.mem[space].free_pages, bed.k.mem[space].lost), (3, false));
    assert!((50..58).all(|slot| bed.cap(bed.init, slot).space.is_none()));
    // The other pool is an Untyped again; the space's own pages serve.
    bed.ok(Op::Map, SPACE, &map(50, 0x10_0000, 0, 2, 1));
    bed.make_of(43, Kind::Frame, 16, 44);
    assert_eq!(bed.refused(Op::Map, SPACE, &map(51, 0x4000_0000, 0, 2, 1)), (ErrorCode::NoPool, 0));
}

#[test]
fn giving_a_pool_makes_way_and_goes_on() {
    let (mut bed, space) = world(2);
    bed.make(Kind::Untyped, 40, 42);
    bed.k.machine.preempt_every = 1;
    let input = InWord::new(Op::AddPool as u8, 0, 0, 0);
    bed.trap(bed.init, input, Slots::new(SPACE, 0), [42, 0, 0, 0, 0, 0, 0, 0]);
    let mut rounds = 0;
    while bed.restarts(bed.init) {
        bed.check();
        bed.again(bed.init);
        rounds += 1;
    }
    assert!(rounds > 2);
    assert_eq!(abi::OutWord(bed.k.mem[bed.init].context.x[8]).status(), Ok(()));
    assert_eq!(bed.k.mem[space].free_pages, 40);
    bed.check();
}

#[test]
fn a_large_unmap_makes_way_and_goes_on() {
    let (mut bed, space) = world(8);
    bed.make(Kind::Frame, 300, 42);
    bed.ok(Op::Map, SPACE, &map(42, 0x10_0000, 0, 300, 3));
    bed.k.activate(space);
    bed.k.machine.preempt_every = 1;
    let input = InWord::new(Op::Unmap as u8, 0, 0, 0);
    bed.trap(bed.init, input, Slots::new(SPACE, 0), [42, 0, 0, 0, 0, 0, 0, 0]);
    assert!(bed.restarts(bed.init));
    bed.check();
    let left = bed.cap(bed.init, 42);
    assert!(left.mapped() < 300 && left.word == 0x10_0000);
    bed.k.machine.preempt_every = 0;
    bed.again(bed.init);
    assert_eq!(bed.cap(bed.init, 42).space, None);
    let flushed: u64 = bed.k.machine.flushed.iter().map(|&(_, _, pages)| pages).sum();
    assert_eq!(flushed, 300, "every page was flushed");
    bed.check();
}

#[test]
fn permissions_that_are_there_cost_nothing() {
    let (mut bed, space) = world(8);
    bed.make(Kind::Frame, 300, 42);
    bed.ok(Op::Map, SPACE, &map(42, 0x10_0000, 0, 300, 3));
    bed.k.activate(space);
    let pages = |bed: &Bed| bed.k.machine.flushed.iter().map(|&(_, _, pages)| pages).sum::<u64>();
    for (perms, flushed) in [(3, 0), (1, 300), (1, 300), (3, 600), (3, 600)] {
        bed.ok(Op::Protect, SPACE, &[42, perms]);
        assert_eq!(pages(&bed), flushed, "{perms}");
    }
    // Half of it is changed when the call makes way: the rest still has to be.
    bed.k.machine.preempt_every = 1;
    let input = InWord::new(Op::Protect as u8, 0, 0, 0);
    bed.trap(bed.init, input, Slots::new(SPACE, 0), [42, 1, 0, 0, 0, 0, 0, 0]);
    assert!(bed.restarts(bed.init));
    bed.k.machine.preempt_every = 0;
    bed.ok(Op::Protect, SPACE, &[42, 1]);
    assert_eq!(pages(&bed), 900);
    bed.check();
}

#[test]
fn blocks_are_used_where_they_fit() {
    let (mut bed, space) = world(10);
    let base = 0x1_0000_0000u64;
    let args = [Kind::Frame as u64, 1 << 18, 0, TABLE, 42, base, 0, 0];
    bed.ok(Op::Retype, abi::SLOT_DEVICES, &args);
    bed.ok(Op::Map, SPACE, &map(42, 0x8000_0000, 0, 1 << 18, 3));
    assert_eq!(bed.k.mem[space].free_pages, 7, "one block of a gigabyte");
    bed.ok(Op::Unmap, SPACE, &[42]);
    bed.ok(Op::Map, SPACE, &map(42, 0x8000_1000, 1, 1024, 3));
    assert_eq!(bed.k.mem[space].free_pages, 4);
    bed.ok(Op::Protect, SPACE, &[42, 1]);
    bed.check();
    bed.ok(Op::Unmap, SPACE, &[42]);
    // So many tables that the pool is used up: refused early, however large the Frame.
    bed.ok(Op::Delete, 1, &[42]);
    let huge = [Kind::Frame as u64, 1 << 31, 0, TABLE, 42, base, 0, 0];
    bed.ok(Op::Retype, abi::SLOT_DEVICES, &huge);
    assert_eq!(bed.refused(Op::Map, SPACE, &map(42, 0x8000_0000, 1, (1 << 31) - 1, 1)), (ErrorCode::NoPool, 0));
}

/// A call that maps, made again until it does not make way any more.
fn map_in_steps(bed: &mut Bed, args: [u64; 8], mut between: impl FnMut(&mut Bed)) -> u32 {
    let input = InWord::new(Op::Map as u8, 0, 0, 0);
    bed.trap(bed.init, input, Slots::new(SPACE, 0), args);
    let mut rounds = 0;
    while bed.restarts(bed.init) {
        rounds += 1;
        bed.check();
        between(bed);
        bed.again(bed.init);
    }
    bed.check();
    rounds
}

fn args(slot: u64, address: u64, first: u64, pages: u64, perms: u64) -> [u64; 8] {
    [slot, address, first, pages, perms, 0, 0, 0]
}

#[test]
fn a_large_map_makes_way_and_goes_on() {
    let (mut bed, space) = world(8);
    bed.make(Kind::Frame, 300, 42);
    bed.k.activate(space);
    bed.k.machine.preempt_every = 1;
    let rounds = map_in_steps(&mut bed, args(42, 0x1f_0000, 0, 300, 3), |_| {});
    assert!(rounds > 1, "{rounds}");
    let cap = bed.cap(bed.init, 42);
    assert_eq!((cap.word, cap.mapped(), cap.extra), (0x1f_0000, 300, 300));
    assert_eq!(
        bed.k.translate_for_tests(space, 0x1f_0000 + 299 * 4096),
        Some(crate::mm::Phys(cap.object + 299 * 4096))
    );
    // Memory that is executed is cleaned first, which takes longer.
    bed.k.machine.preempt_every = 0;
    bed.ok(Op::Unmap, SPACE, &[42]);
    bed.k.machine.preempt_every = 1;
    let executable = map_in_steps(&mut bed, args(42, 0x1f_0000, 0, 300, 5), |_| {});
    assert!(executable > 2 * rounds, "{executable}");
    // So does memory that becomes executable.
    let input = InWord::new(Op::Protect as u8, 0, 0, 0);
    for (perms, least) in [(3, 1), (5, 2 * rounds), (1, 1)] {
        bed.trap(bed.init, input, Slots::new(SPACE, 0), [42, perms, 0, 0, 0, 0, 0, 0]);
        let mut rounds = 0;
        while bed.restarts(bed.init) {
            rounds += 1;
            bed.check();
            bed.again(bed.init);
        }
        bed.check();
        assert!(rounds >= least, "{rounds} for {perms}");
    }
}

/// What was mapped before something was met is taken away again, tables too.
#[test]
fn a_large_map_that_meets_something_changes_nothing() {
    let (mut bed, space) = world(12);
    bed.make(Kind::Frame, 700, 42);
    bed.k.activate(space);
    bed.ok(Op::Map, SPACE, &map(FRAME, 0x1f_0000 + 600 * 4096, 0, 4, 1));
    assert_eq!(bed.refused(Op::Map, SPACE, &map(42, 0x1f_0000, 0, 700, 3)), (ErrorCode::Overlap, 0));
    bed.k.machine.preempt_every = 1;
    assert_eq!(bed.refused(Op::Map, SPACE, &map(42, 0x1f_0000, 0, 700, 3)), (ErrorCode::Overlap, 0));
    // Not even when the other mapping goes meanwhile: once it is being undone it ends so.
    let mut gone = false;
    map_in_steps(&mut bed, args(42, 0x1f_0000, 0, 700, 3), |bed| {
        let work = bed.cap(bed.init, 42).work().0;
        if !gone && work == crate::object::Work::Undo(ErrorCode::Overlap) {
            let slot = bed.slot_of(bed.init, FRAME);
            bed.k.unmap_slot(slot).unwrap();
            gone = true;
        }
    });
    assert!(gone);
    let Outcome::Returned(_, out, _) = bed.result(bed.init) else { panic!("it waits") };
    assert_eq!(out.status(), Err(ErrorCode::Overlap.into()));
    bed.k.machine.preempt_every = 0;
    // The same with tables that are missing.
    assert_eq!(bed.k.mem[space].free_pages, 10);
    bed.make(Kind::Frame, 6, 43);
    let far = [0x4000_0000 - 0x1000u64, 0x8000_0000 - 0x1000, 0xc000_0000 - 0x1000];
    for (slot, address) in [(42, far[0]), (43, far[1])] {
        bed.ok(Op::Map, SPACE, &map(slot, address, 0, 2, 3));
    }
    assert_eq!(bed.refused(Op::Map, SPACE, &map(FRAME, far[2], 0, 4, 3)), (ErrorCode::NoPool, 0));
}

/// A map that made way is not finished by a call for fewer pages: the others would stay in the tables, and outlive the Frame.
#[test]
fn a_call_for_fewer_pages_does_not_finish_a_map() {
    let (mut bed, space) = world(8);
    bed.make(Kind::Untyped, 300, 43);
    bed.make_of(43, Kind::Frame, 300, 42);
    bed.k.machine.preempt_every = 1;
    let input = InWord::new(Op::Map as u8, 0, 0, 0);
    bed.trap(bed.init, input, Slots::new(SPACE, 0), args(42, 0x10_0000, 0, 300, 3));
    assert!(bed.restarts(bed.init));
    bed.k.machine.preempt_every = 0;
    assert_eq!(bed.refused(Op::Map, SPACE, &map(42, 0x10_0000, 0, 1, 3)), (ErrorCode::AlreadyMapped, 1));
    bed.ok(Op::Revoke, 1, &[43]);
    assert_eq!(bed.k.translate_for_tests(space, 0x10_1000), None, "the Frame is gone");
}

/// A mapping that was not finished can be unmapped, and nothing else.
#[test]
fn a_map_that_was_given_up_is_a_mapping() {
    let (mut bed, space) = world(8);
    bed.make(Kind::Frame, 300, 42);
    bed.k.machine.preempt_every = 1;
    let input = InWord::new(Op::Map as u8, 0, 0, 0);
    bed.trap(bed.init, input, Slots::new(SPACE, 0), args(42, 0x10_0000, 0, 300, 3));
    assert!(bed.restarts(bed.init));
    bed.k.machine.preempt_every = 0;
    assert_eq!(bed.refused(Op::Protect, SPACE, &[42, 1]), (ErrorCode::Busy, 1));
    assert_eq!(bed.refused(Op::Map, SPACE, &map(42, 0x20_0000, 0, 300, 3)), (ErrorCode::AlreadyMapped, 1));
    assert_eq!(bed.refused(Op::Map, SPACE, &map(42, 0x10_0000, 1, 299, 3)), (ErrorCode::AlreadyMapped, 1));
    bed.ok(Op::Unmap, SPACE, &[42]);
    assert_eq!(bed.k.mem[space].free_pages, 6);
    bed.ok(Op::Map, SPACE, &map(42, 0x10_0000, 0, 300, 3));
}

/// Who asks whether memory that a client lent is still there is told no as soon as some of it is gone.
#[test]
fn what_is_being_taken_away_is_not_there_any_more() {
    let (mut bed, _) = world(8);
    bed.make(Kind::Untyped, 300, 43);
    bed.make_of(43, Kind::Frame, 300, 42);
    bed.ok(Op::Map, SPACE, &map(42, 0x10_0000, 0, 300, 3));
    assert_eq!(bed.refused(Op::Map, SPACE, &map(42, 0x10_0000, 0, 1, 3)), (ErrorCode::AlreadyMapped, 1));
    bed.k.machine.preempt_every = 1;
    let input = InWord::new(Op::Revoke as u8, 0, 0, 0);
    bed.trap(bed.init, input, Slots::new(1, 0), [43, 0, 0, 0, 0, 0, 0, 0]);
    while bed.restarts(bed.init) && bed.cap(bed.init, 42).mapped() == 300 {
        bed.again(bed.init);
    }
    bed.k.machine.preempt_every = 0;
    let left = bed.cap(bed.init, 42).mapped();
    assert!((1..300).contains(&left), "{left}");
    assert_eq!(bed.refused(Op::Map, SPACE, &map(42, 0x10_0000, 0, 1, 3)), (ErrorCode::Busy, 1));
    assert_eq!(bed.refused(Op::Protect, SPACE, &[42, 3]), (ErrorCode::Busy, 1));
    bed.ok(Op::Unmap, SPACE, &[42]);
    bed.ok(Op::Map, SPACE, &map(42, 0x10_0000, 0, 300, 3));
}

/// Where pages were mapped and unmapped, a block fits again, and the pool is whole again.
#[test]
fn tables_that_empty_go_back() {
    let (mut bed, space) = world(8);
    bed.k.activate(space);
    for round in 0..50u64 {
        let address = 0x10_0000 + round * 0x4000_0000;
        bed.ok(Op::Map, SPACE, &map(FRAME, address, 0, 4, 3));
        assert_eq!(bed.k.mem[space].free_pages, 3);
        bed.ok(Op::Unmap, SPACE, &[FRAME.into()]);
        assert_eq!((bed.k.mem[space].free_pages, bed.k.mem[space].fresh), (6, 2));
    }
    let args = [Kind::Frame as u64, 512, 0, TABLE, 43, 0x1_0000_0000, 0, 0];
    bed.ok(Op::Retype, abi::SLOT_DEVICES, &args);
    bed.ok(Op::Map, SPACE, &map(FRAME, 0x40_0000, 0, 4, 3));
    assert_eq!(bed.refused(Op::Map, SPACE, &map(43, 0x40_0000, 0, 512, 3)), (ErrorCode::Overlap, 0));
    bed.ok(Op::Unmap, SPACE, &[FRAME.into()]);
    bed.ok(Op::Map, SPACE, &map(43, 0x40_0000, 0, 512, 3));
    assert_eq!(bed.k.mem[space].free_pages, 4, "one block of 2 MiB");
}

#[test]
fn mappings_end_with_frame_and_with_space() {
    let (mut bed, space) = world(8);
    bed.give(1, 42, FRAME, Rights::READ, 0);
    bed.ok(Op::Map, SPACE, &map(42, 0x10_0000, 0, 4, 1));
    bed.ok(Op::Map, SPACE, &map(FRAME, 0x20_0000, 0, 4, 1));
    bed.ok(Op::Revoke, 1, &[FRAME.into()]);
    assert_eq!(bed.k.translate_for_tests(space, 0x10_0000), None);
    assert!(bed.k.translate_for_tests(space, 0x20_0000).is_some());
    let ttbr = bed.k.activate(space);
    bed.k.machine.flushed.clear();
    bed.ok(Op::Delete, 1, &[SPACE.into()]);
    assert_eq!(bed.k.machine.flushed, [(ttbr, 0, 0)]);
    let cap = bed.cap(bed.init, FRAME);
    assert_eq!((cap.space, cap.word, cap.extra), (None, 0, 0));
}

/// A thread that a fast path lets go on without one faults at once, and then gets one.
#[test]
fn a_thread_whose_space_lost_its_asid_is_known() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 100, 0);
    let space = bed.k.mem[thread].space().unwrap();
    assert!(bed.k.lacks_space(thread), "it has not run yet");
    bed.k.activate(space);
    assert!(!bed.k.lacks_space(thread));
    bed.make(Kind::Untyped, 700, 42);
    for slot in 100..400 {
        bed.make_of(42, Kind::AddressSpace, 2, slot);
        let other = bed.cap(bed.init, slot).object_of().unwrap();
        bed.k.activate(other);
    }
    assert!(bed.k.lacks_space(thread));
    bed.k.activate(space);
    assert!(!bed.k.lacks_space(thread));
}

#[test]
fn asids_are_stolen() {
    let mut bed = Bed::new();
    bed.make(Kind::Untyped, 700, 42);
    let mut spaces = Vec::new();
    for slot in 100..400 {
        bed.make_of(42, Kind::AddressSpace, 2, slot);
        let space: Ref<AddressSpace> = bed.cap(bed.init, slot).object_of().unwrap();
        assert_ne!(bed.k.activate(space), 0);
        spaces.push(space);
        bed.check();
    }
    assert_eq!(bed.k.mem[spaces[0]].ttbr, crate::arch::empty_space(), "the first lost its own");
    bed.k.activate(spaces[0]);
    bed.ok(Op::Revoke, 1, &[42]);
    bed.make_of(42, Kind::Frame, 700, 43);
}

fn space_of(bed: &Bed, thread: Ref<Thread>) -> (Ref<AddressSpace>, u64) {
    let space = bed.k.mem[thread].space().expect("it has one");
    (space, bed.k.mem[space].ttbr)
}

/// What a core waits for at the lock is not taken back because an address space ends that it is not in: one who revokes many
/// would keep it waiting for all of them.
#[test]
fn the_end_of_an_address_space_stops_nobody_who_is_elsewhere() {
    let mut bed = Bed::new().anew(2);
    let stays = bed.process(MEMORY, 50, 100, 0);
    let goes = bed.process(MEMORY, 60, 100, 0);
    bed.call(goes, Op::SchedConsumed, 6, &[]).unwrap();
    run_on_core_1(&mut bed, 50);
    let ttbr = space_of(&bed, stays).1;
    assert_ne!((ttbr, bed.k.machine.others[1].0), (space_of(&bed, goes).1, 0));
    bed.ok(Op::Revoke, 1, &[61]);
    bed.ok(Op::Delete, 1, &[61]);
    let machine = &bed.k.machine;
    assert!(machine.stopped.is_empty() && machine.evicted.is_empty(), "{:?} {:?}", machine.stopped, machine.evicted);
    assert_eq!(machine.others[1].0, ttbr);
    // Nor does it notice later.
    bed.take(&Step::from(Event::Look).on(1));
    assert_eq!((bed.k.sched.current(), bed.k.machine.loaded), (Some(stays), ttbr));
}

#[test]
fn who_is_in_an_address_space_that_ends_leaves_it() {
    // Its thread goes on elsewhere, or loses it first.
    let mut bed = Bed::new().anew(2);
    let thread = bed.process(MEMORY, 50, 100, 0);
    run_on_core_1(&mut bed, 50);
    let (space, ttbr) = space_of(&bed, thread);
    bed.k.leave_space(space, ttbr);
    assert!(bed.k.machine.stopped.contains(&1) && bed.k.machine.evicted.contains(&1));
    assert_eq!((bed.k.sched.of(1).loaded, bed.k.machine.others[1].0), (None, 0));
    let mut bed = Bed::new().anew(2);
    bed.process(MEMORY, 50, 100, 0);
    run_on_core_1(&mut bed, 50);
    bed.ok(Op::Revoke, 1, &[51]);
    bed.ok(Op::Delete, 1, &[51]);
    assert!(bed.k.machine.evicted.contains(&1));
    assert_eq!((bed.k.sched.of(1).current(), bed.k.machine.others[1].0), (None, 0));
}
