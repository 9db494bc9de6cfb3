//! Reserves: first touch, pages given back, the end.

use abi::{
    ErrorCode, FaultKind, InWord, Kind, Op, Rights, Slots,
    layout::{PAGE, USER_END},
};

use super::{Bed, MEMORY, Message, REPLY, State, TABLE, returned};
use crate::fault::{self, Fault};
use crate::mm::{Phys, Ref};
use crate::object::{AddressSpace, Thread};

/// Init's slots: a process and its address space, the Reserve, the Endpoint of its faults.
const PROCESS: u32 = 50;
const SPACE: u32 = PROCESS + 1;
const RESERVE: u32 = 40;
const FAULTS: u32 = 70;
const START: u64 = 0x4000_0000;

/// A process with a Reserve of `memory` pages in a range of `pages`.
fn world(memory: u64, pages: u64) -> (Bed, Ref<Thread>) {
    let mut bed = Bed::new();
    bed.make(Kind::Endpoint, 0, FAULTS);
    let thread = bed.process(MEMORY, PROCESS, 100, FAULTS);
    bed.make(Kind::Untyped, memory, RESERVE);
    assert_eq!(bed.ok(Op::Reserve, SPACE, &[RESERVE.into(), START, pages])[0], memory);
    (bed, thread)
}

fn space(bed: &Bed) -> Ref<AddressSpace> {
    bed.cap(bed.init, SPACE).object_of().unwrap()
}

/// Touches a page, which is there and zero, and fills it.
#[track_caller]
fn fill(bed: &mut Bed, thread: Ref<Thread>, page: u64) -> Phys {
    let place = bed.touch(thread, START + page * PAGE).expect("served");
    bed.check();
    for offset in (0..PAGE).step_by(8) {
        assert_eq!(bed.k.mem.read_u64(Phys(place.0 + offset)), 0, "page {page} is not zero");
        bed.k.mem.write_u64(Phys(place.0 + offset), !page);
    }
    place
}

fn free(bed: &mut Bed) -> u64 {
    let start = bed.cap(bed.init, RESERVE).word;
    bed.ok(Op::ReserveRelease, RESERVE, &[start, 0])[0]
}

/// The fault that init's handler is told, which it answers.
#[track_caller]
fn told(bed: &mut Bed) -> (u32, u64) {
    let (words, out, _) = returned(bed.ipc(bed.init, Op::Receive, FAULTS, REPLY, Message::default()));
    bed.ipc(bed.init, Op::Reply, REPLY, 0, Message::default());
    (out.label(), words[1])
}

#[test]
fn refusals() {
    let mut bed = Bed::new();
    bed.make(Kind::AddressSpace, 8, 42);
    bed.make(Kind::Untyped, 4, RESERVE);
    bed.make(Kind::Untyped, 4, 43);
    bed.make_of(43, Kind::Endpoint, 0, 44);
    let good = [u64::from(RESERVE), START, 4];
    let mut refused = |args: [u64; 3]| bed.refused(Op::Reserve, 42, &args);
    assert_eq!(refused([0, START, 4]), (ErrorCode::SlotOutOfRange, 1));
    assert_eq!(refused([44, START, 4]), (ErrorCode::WrongKind, 1));
    assert_eq!(refused([43, START, 4]), (ErrorCode::HasChildren, 1));
    assert_eq!(refused([abi::SLOT_DEVICES.into(), START, 4]), (ErrorCode::InvalidArgument, 1));
    assert_eq!(refused([RESERVE.into(), START + 8, 4]), (ErrorCode::Misaligned, 2));
    assert_eq!(refused([RESERVE.into(), USER_END + PAGE, 1]), (ErrorCode::InvalidArgument, 2));
    assert_eq!(refused([RESERVE.into(), 1 << 63, 1]), (ErrorCode::InvalidArgument, 2));
    for pages in [0, (USER_END - START) / PAGE + 1, 1 << 52, u64::MAX] {
        assert_eq!(refused([RESERVE.into(), START, pages]), (ErrorCode::InvalidArgument, 3), "{pages}");
    }
    bed.give(1, 45, 42, Rights::POOL | Rights::USE, 0);
    assert_eq!(bed.refused(Op::Reserve, 45, &good), (ErrorCode::MissingRight, 0));
    bed.make(Kind::Untyped, 4, 46);
    bed.ok(Op::AddPool, 42, &[46]);
    assert_eq!(bed.refused(Op::Reserve, 42, &[46, START, 4]), (ErrorCode::HasChildren, 1));
    bed.ok(Op::Reserve, 42, &good);
    // It is no Untyped any more, and nobody else's.
    assert_eq!(bed.refused(Op::Reserve, 42, &good), (ErrorCode::WrongKind, 1));
    assert_eq!(bed.refused(Op::Retype, RESERVE, &[9, 1, 0, TABLE, 47]), (ErrorCode::WrongKind, 0));
    assert_eq!(bed.refused(Op::AddPool, 42, &[RESERVE.into()]), (ErrorCode::WrongKind, 1));
    assert_eq!(bed.refused(Op::Copy, 1, &[47, TABLE, RESERVE.into(), 1, 0]), (ErrorCode::InvalidArgument, 3));
    bed.make(Kind::DmaSpace, 3, 90);
    assert_eq!(bed.refused(Op::DmaAttach, 90, &[RESERVE.into()]), (ErrorCode::WrongKind, 1));
    assert_eq!(bed.refused(Op::Map, 42, &[RESERVE.into(), START, 0, 1, 3]), (ErrorCode::WrongKind, 1));
    bed.make(Kind::Untyped, 1, 47);
    for (address, pages) in [(START, 1), (START - PAGE, 2), (START + 3 * PAGE, 9), (START - PAGE, 9)] {
        assert_eq!(bed.refused(Op::Reserve, 42, &[47, address, pages]), (ErrorCode::Overlap, 2), "{address:#x}");
    }
    let mut refused = |args: [u64; 2]| bed.refused(Op::ReserveRelease, RESERVE, &args);
    assert_eq!(refused([START + 1, 1]), (ErrorCode::Misaligned, 1));
    assert_eq!(refused([START - PAGE, 1]), (ErrorCode::InvalidArgument, 1));
    assert_eq!(refused([START + 5 * PAGE, 0]), (ErrorCode::InvalidArgument, 1));
    for (page, pages) in [(0, 5), (3, 2), (4, 1), (1, 1 << 52), (0, u64::MAX)] {
        assert_eq!(refused([START + page * PAGE, pages]), (ErrorCode::InvalidArgument, 2), "{page} {pages}");
    }
    // On both sides of it there is room.
    bed.ok(Op::Reserve, 42, &[47, START - PAGE, 1]);
    bed.make(Kind::Untyped, 1, 48);
    bed.ok(Op::Reserve, 42, &[48, START + 4 * PAGE, (USER_END - START) / PAGE - 4]);
}

#[test]
fn an_address_space_has_sixty() {
    let mut bed = Bed::new();
    bed.make(Kind::AddressSpace, 8, 42);
    bed.make(Kind::Untyped, 61, 43);
    for number in 0..61 {
        bed.make_of(43, Kind::Untyped, 1, 100 + number);
    }
    // In no order.
    for number in 0..60u32 {
        let slot = 100 + number * 7 % 60;
        bed.ok(Op::Reserve, 42, &[slot.into(), START + u64::from(slot) * 2 * PAGE, 2]);
    }
    assert_eq!(bed.refused(Op::Reserve, 42, &[160, START, 1]), (ErrorCode::Busy, 0));
    bed.ok(Op::Delete, 1, &[130]);
    bed.ok(Op::Reserve, 42, &[160, START, 1]);
}

#[test]
fn what_is_touched_is_there_and_zero() {
    let (mut bed, thread) = world(4, 100);
    let first = fill(&mut bed, thread, 70);
    assert_eq!(first.0, bed.cap(bed.init, RESERVE).object, "pages are taken from the front");
    assert_eq!(bed.touch(thread, START + 70 * PAGE + 9), Some(Phys(first.0 + 9)), "it is there");
    for page in [0, 99, 1] {
        fill(&mut bed, thread, page);
    }
    assert_eq!(bed.k.mem[thread].state, State::Ready, "the thread never noticed");
    assert_eq!(free(&mut bed), 0);
    // What Debug says: where, how much, how much of it is in use.
    let words = bed.ok(Op::DebugCap, abi::SLOT_DEBUG, &[TABLE, RESERVE.into()]);
    assert_eq!(words[0], Kind::Reserve as u64);
    assert_eq!(words[2..6], [first.0, 4 * PAGE, START, 4 * PAGE]);
}

#[test]
fn without_memory_a_touch_is_a_fault_that_can_be_mended() {
    let (mut bed, thread) = world(2, 10);
    for page in 0..2 {
        fill(&mut bed, thread, page);
    }
    assert_eq!(bed.touch(thread, START + 5 * PAGE), None);
    assert_eq!(told(&mut bed), (FaultKind::NoMemory as u32, START + 5 * PAGE));
    assert_eq!(bed.ok(Op::ReserveRelease, RESERVE, &[START, 1])[0], 1);
    fill(&mut bed, thread, 5);
}

#[test]
fn without_a_page_for_tables_a_touch_is_a_fault_that_can_be_mended() {
    let (mut bed, thread) = world(100, 1 << 30);
    let pages = bed.k.mem[space(&bed)].free_pages;
    let mut gigabyte = 0;
    while bed.k.mem[space(&bed)].free_pages >= 2 {
        fill(&mut bed, thread, gigabyte << 18);
        gigabyte += 1;
    }
    assert!(gigabyte >= 2 && pages > 4);
    assert_eq!(bed.touch(thread, START + (gigabyte << 30)), None);
    bed.check();
    assert_eq!(told(&mut bed), (FaultKind::NoTables as u32, START + (gigabyte << 30)));
    // Where there are tables it goes on.
    fill(&mut bed, thread, 1);
    bed.make(Kind::Untyped, 1, 41);
    bed.ok(Op::AddPool, SPACE, &[41]);
    fill(&mut bed, thread, gigabyte << 18);
}

#[test]
fn around_a_reserve_a_touch_is_the_ordinary_fault() {
    let (mut bed, thread) = world(4, 4);
    for address in [START - 1, START + 4 * PAGE, 0, USER_END, u64::MAX, START | 0xff << 56] {
        assert_eq!(bed.touch(thread, address), None);
        assert_eq!(told(&mut bed), (FaultKind::Write as u32, address));
    }
    // Another address space knows nothing of it.
    let other = bed.process(MEMORY, 60, 100, FAULTS);
    assert_eq!(bed.touch(other, START), None);
    assert_eq!(told(&mut bed), (FaultKind::Write as u32, START));
}

/// As when two cores touch the same page at once.
#[test]
fn a_page_that_came_meanwhile_stays() {
    let (mut bed, thread) = world(4, 4);
    let place = fill(&mut bed, thread, 1);
    bed.k.force(thread);
    let fault = Fault { kind: FaultKind::Read, address: START + PAGE, syndrome: 0x9200_0007 };
    fault::untranslated(&mut bed.k, thread, fault.address, || fault);
    bed.leave();
    bed.check();
    assert_eq!(bed.touch(thread, START + PAGE), Some(place));
    assert_eq!((free(&mut bed), bed.k.mem.read_u64(place)), (3, !1));
}

#[test]
fn pages_given_back_are_flushed_used_again_and_zero() {
    let (mut bed, thread) = world(8, 1000);
    let places: Vec<_> = (0..8).map(|page| fill(&mut bed, thread, page * 100)).collect();
    let ttbr = bed.k.activate(space(&bed));
    bed.k.machine.flushed.clear();
    assert_eq!(bed.ok(Op::ReserveRelease, RESERVE, &[START + 100 * PAGE, 200])[0], 2);
    let flushed = &bed.k.machine.flushed;
    assert!(flushed.iter().all(|&(of, ..)| of == ttbr) && !flushed.is_empty());
    for page in [100, 200] {
        let address = START + page * PAGE;
        let covers = |&(_, start, pages): &_| (start..start + pages * PAGE).contains(&address);
        assert!(flushed.iter().any(covers), "page {page} was not flushed");
        assert_eq!(bed.k.translate_for_tests(space(&bed), address), None);
    }
    let again = [fill(&mut bed, thread, 150), fill(&mut bed, thread, 100)];
    assert!(again.iter().all(|place| places[1..3].contains(place)));
    assert_eq!(bed.touch(thread, START + 200 * PAGE), None, "there are no more than eight");
    assert_eq!(told(&mut bed).0, FaultKind::NoMemory as u32);
    // Twice is nothing, and neither is what was never there.
    assert_eq!(bed.ok(Op::ReserveRelease, RESERVE, &[START + 200 * PAGE, 100])[0], 0);
}

#[test]
fn giving_back_makes_way_and_goes_on() {
    let (mut bed, thread) = world(300, 400);
    for page in 0..300 {
        fill(&mut bed, thread, page);
    }
    bed.k.machine.preempt_every = 1;
    let input = InWord::new(Op::ReserveRelease as u8, 0, 0, 0);
    bed.trap(bed.init, input, Slots::new(RESERVE, 0), [START + 2 * PAGE, 398, 0, 0, 0, 0, 0, 0]);
    let mut rounds = 0;
    while bed.restarts(bed.init) {
        bed.check();
        // What lies behind it can be touched meanwhile.
        bed.touch(thread, START + 2 * PAGE).expect("served");
        bed.again(bed.init);
        rounds += 1;
    }
    assert!(rounds > 5, "{rounds}");
    bed.k.machine.preempt_every = 0;
    assert_eq!(free(&mut bed), 297);
    // A range of which most was never touched is short work.
    bed.k.machine.preempt_every = 1;
    let (mut bed, thread) = world(2, 1 << 34);
    fill(&mut bed, thread, (1 << 34) - 1);
    bed.ok(Op::ReserveRelease, RESERVE, &[START, 1 << 34]);
    assert_eq!(free(&mut bed), 2);
}

/// The Untyped is whole again: it can become one Frame, which is clean.
#[track_caller]
fn whole(bed: &mut Bed, pages: u64) {
    let cap = bed.cap(bed.init, RESERVE);
    assert_eq!((cap.kind, cap.space, cap.word, cap.extra), (Kind::Untyped, None, 0, 0));
    bed.make_of(RESERVE, Kind::Frame, pages, 45);
    let base = bed.cap(bed.init, 45).object;
    for page in 0..pages {
        assert_eq!(bed.k.mem.read_u64(Phys(base + page * PAGE + 16)), 0);
    }
    bed.check();
}

#[test]
fn revoke_makes_way_and_leaves_a_whole_untyped() {
    for preempt in [0, 1] {
        let (mut bed, thread) = world(200, 1 << 20);
        for page in 0..200 {
            fill(&mut bed, thread, page * 2);
        }
        bed.k.activate(space(&bed));
        bed.k.machine.preempt_every = preempt;
        let input = InWord::new(Op::Revoke as u8, 0, 0, 0);
        bed.trap(bed.init, input, Slots::new(1, 0), [RESERVE.into(), 0, 0, 0, 0, 0, 0, 0]);
        let mut rounds = 0;
        while bed.restarts(bed.init) {
            bed.check();
            // The range ends from the front: nobody gets a page there again.
            let start = bed.cap(bed.init, RESERVE).word;
            assert!(start > START);
            assert_eq!(bed.touch(thread, START), None);
            assert_eq!(told(&mut bed).0, FaultKind::Write as u32);
            // Whoever was interrupted may never go on; others may move it and give of it back.
            bed.ok(Op::Move, 1, &[44, TABLE, RESERVE.into()]);
            bed.ok(Op::ReserveRelease, 44, &[start, 3]);
            bed.ok(Op::Move, 1, &[RESERVE.into(), TABLE, 44]);
            bed.k.mem[bed.init].context.x[0] = RESERVE.into();
            bed.trap(bed.init, input, Slots::new(1, 0), [RESERVE.into(), 0, 0, 0, 0, 0, 0, 0]);
            rounds += 1;
        }
        assert_eq!(rounds > 3, preempt == 1, "{rounds}");
        bed.check();
        bed.k.machine.preempt_every = 0;
        assert_eq!(bed.k.mem[space(&bed)].windows, 0);
        assert_eq!(bed.touch(thread, START + 14 * PAGE), None);
        whole(&mut bed, 200);
    }
}

#[test]
fn the_untyped_above_takes_it_apart() {
    for preempt in [0, 1] {
        let mut bed = Bed::new();
        let thread = bed.process(MEMORY, PROCESS, 100, 0);
        bed.make(Kind::Untyped, 64, 41);
        let before = bed.census();
        bed.make_of(41, Kind::Untyped, 40, RESERVE);
        bed.ok(Op::Reserve, SPACE, &[RESERVE.into(), START, 64]);
        for page in 0..40 {
            fill(&mut bed, thread, page);
        }
        assert_eq!(bed.census()[&Kind::Reserve], before[&Kind::Reserve] + 40 * PAGE);
        bed.k.machine.preempt_every = preempt;
        bed.ok(Op::Revoke, 1, &[41]);
        bed.k.machine.preempt_every = 0;
        assert_eq!(bed.cap(bed.init, RESERVE).kind, Kind::Null);
        assert_eq!(bed.k.translate_for_tests(space(&bed), START), None);
        assert_eq!(bed.census(), before);
        bed.make_of(41, Kind::Frame, 64, 45);
    }
}

#[test]
fn the_end_of_the_address_space_leaves_a_whole_untyped() {
    for preempt in [0, 1] {
        let mut bed = Bed::new();
        bed.make(Kind::Untyped, 60, 41);
        let thread = bed.process(41, PROCESS, 100, 0);
        for (number, slot) in [RESERVE, 42, 43].into_iter().enumerate() {
            bed.make(Kind::Untyped, 9, slot);
            bed.ok(Op::Reserve, SPACE, &[slot.into(), START + number as u64 * 100 * PAGE, 100]);
        }
        for page in 0..25 {
            fill(&mut bed, thread, page * 12);
        }
        bed.k.machine.preempt_every = preempt;
        bed.ok(Op::Revoke, 1, &[41]);
        bed.k.machine.preempt_every = 0;
        assert!((42..44).all(|slot| bed.cap(bed.init, slot).kind == Kind::Untyped));
        whole(&mut bed, 9);
    }
}

#[test]
fn without_its_tables_a_space_has_no_reserves() {
    let (mut bed, thread) = world(9, 100);
    bed.make(Kind::Untyped, 2, 41);
    bed.ok(Op::AddPool, SPACE, &[41]);
    bed.make(Kind::Untyped, 2, 42);
    for slot in 80..90 {
        bed.give(1, slot, PROCESS + 3, Rights::READ, 0);
        bed.ok(Op::Map, SPACE, &[slot.into(), 0x10_0000 + u64::from(slot) * PAGE, 0, 1, 1]);
    }
    fill(&mut bed, thread, 0);
    bed.k.machine.preempt_every = 1;
    bed.trap(bed.init, InWord::new(Op::Delete as u8, 0, 0, 0), Slots::new(1, 0), [41, 0, 0, 0, 0, 0, 0, 0]);
    assert!(bed.restarts(bed.init) && bed.k.mem[space(&bed)].lost);
    bed.check();
    bed.k.machine.preempt_every = 0;
    let pc = bed.k.mem[bed.init].context.pc;
    let state = bed.k.mem[bed.init].context;
    // Meanwhile nothing is served, given back or tied.
    if bed.cap(bed.init, RESERVE).kind == Kind::Reserve {
        assert_eq!(bed.refused(Op::ReserveRelease, RESERVE, &[START, 1]), (ErrorCode::InvalidState, 0));
    }
    assert_eq!(bed.refused(Op::Reserve, SPACE, &[42, START, 1]), (ErrorCode::Busy, 0));
    assert_eq!(bed.refused(Op::AddPool, SPACE, &[42]), (ErrorCode::Busy, 0));
    assert_eq!(bed.touch(thread, START), None);
    bed.k.mem[bed.init].context = state;
    assert_eq!(pc, state.pc);
    bed.again(bed.init);
    bed.check();
    bed.ok(Op::Reserve, SPACE, &[42, START, 1]);
    whole(&mut bed, 9);
}

/// A Frame stays where it is mapped, in the middle of a range, whatever becomes of the pages around it.
#[test]
fn a_frame_may_lie_in_the_range() {
    let (mut bed, thread) = world(8, 1000);
    bed.make(Kind::Frame, 4, 43);
    let at = START + 10 * PAGE;
    let map = |frame: u64, address: u64, pages: u64| [frame, address, 0, pages, 3];
    fill(&mut bed, thread, 13);
    assert_eq!(bed.refused(Op::Map, SPACE, &map(43, at, 4)), (ErrorCode::Overlap, 0));
    bed.ok(Op::ReserveRelease, RESERVE, &[START + 13 * PAGE, 1]);
    bed.ok(Op::Map, SPACE, &map(43, at, 4));
    let base = bed.cap(bed.init, 43).object;
    assert_eq!(bed.touch(thread, at + PAGE), Some(Phys(base + PAGE)));
    fill(&mut bed, thread, 9);
    fill(&mut bed, thread, 14);
    bed.ok(Op::ReserveRelease, RESERVE, &[START, 1000]);
    assert_eq!(bed.touch(thread, at + PAGE), Some(Phys(base + PAGE)));
    bed.ok(Op::Unmap, SPACE, &[43]);
    fill(&mut bed, thread, 11);
    bed.ok(Op::Delete, 1, &[RESERVE.into()]);
    bed.ok(Op::Map, SPACE, &map(43, at, 4));
}

/// Debug maps nothing, and does not see what nobody touched.
#[test]
fn looking_is_not_touching() {
    let (mut bed, thread) = world(4, 4);
    let look = [u64::from(SPACE), START + PAGE];
    assert_eq!(bed.refused(Op::DebugRead, abi::SLOT_DEBUG, &look), (ErrorCode::NotMapped, 2));
    fill(&mut bed, thread, 1);
    assert_eq!(bed.ok(Op::DebugRead, abi::SLOT_DEBUG, &look)[0], !1);
}
