//! Trace rings: who may tie them, what is written, what a reader finds.

use core::sync::atomic::Ordering;

use abi::trace::{Event, Found, Reader, Record, Source};
use abi::{ErrorCode, Kind, Op, Rights, layout::PAGE};

use super::{Bed, Message, Pair};
use crate::fault::{self, Fault};
use crate::mm::{Mem, Phys};
use crate::object::Trace;

const RING: u32 = 45;
const FRAME: u32 = 46;
const PAGES: u64 = 3;
const RECORDS: u64 = 256;

struct Words<'a>(&'a Mem, Phys);

impl Source for Words<'_> {
    fn load(&self, index: usize, _: Ordering) -> u64 {
        self.0.read_u64(Phys(self.1.0 + index as u64 * 8))
    }
    fn fence(&self) {}
}

/// Init ties a ring to core 0.
fn start(bed: &mut Bed) {
    bed.make(Kind::Trace, PAGES, RING);
    bed.ok(Op::TraceMap, RING, &[FRAME.into()]);
    bed.ok(Op::TraceStart, abi::SLOT_TRACE, &[RING.into(), 0]);
}

/// What a reader of the Frame finds.
fn records(bed: &Bed) -> (Vec<Record>, u64) {
    let frame = bed.cap(bed.init, FRAME);
    let ring = Words(&bed.k.mem, Phys(frame.object));
    let mut reader = Reader::new(RECORDS).unwrap();
    let (mut found, mut lost) = (Vec::new(), 0);
    loop {
        match reader.read(&ring) {
            Found::Record(record) => found.push(record),
            Found::Lost(count) => lost += count,
            Found::Nothing => return (found, lost),
        }
    }
}

/// The events behind the one that tells the start.
fn events(bed: &Bed) -> Vec<(Event, u64, u64)> {
    let found = records(bed).0.into_iter();
    found.map(|record| (Event::from_number(record.event).unwrap(), record.a, record.b)).skip(1).collect()
}

#[test]
fn a_message_is_seen_from_call_to_answer() {
    let mut pair = Pair::new();
    start(&mut pair.bed);
    let (client, server) = (pair.client, pair.server);
    pair.receive();
    pair.call(Message { words: 1, label: 7, ..Message::default() });
    pair.reply_receive(Message { label: 9, ..Message::default() });
    let (client, server) = (client.number(), server.number());
    let seen = events(&pair.bed);
    let place = |event: (Event, u64, u64)| {
        seen.iter().position(|&seen| seen == event).unwrap_or_else(|| panic!("{event:x?} is not in {seen:x?}"))
    };
    let call = seen.iter().position(|&(event, a, b)| event == Event::Call && a == client && b as u8 == Op::Call as u8);
    let badge = seen.iter().find(|(event, ..)| *event == Event::Deliver).unwrap().2;
    let deliver = place((Event::Deliver, client | server << 32, badge));
    let answer = place((Event::Answer, server | client << 32, 9));
    assert!(call.unwrap() < deliver && deliver < answer);
    // Init is more urgent than both: the core goes back to it each time.
    let switched = |to| seen.iter().any(|&(event, a, _)| event == Event::Switch && a == to);
    assert!(switched(server) && switched(client) && switched(pair.bed.init.number()), "{seen:x?}");
}

#[test]
fn nothing_is_written_before_the_start_and_behind_the_stop() {
    let mut bed = Bed::new();
    start(&mut bed);
    bed.ok(Op::Signal, abi::SLOT_NOTIFICATION, &[4]);
    bed.ok(Op::TraceStop, abi::SLOT_TRACE, &[RING.into()]);
    let before = records(&bed);
    bed.ok(Op::Signal, abi::SLOT_NOTIFICATION, &[8]);
    assert_eq!(records(&bed), before);
    assert!(!bed.k.machine.traced && !bed.k.trace.is_on());
    let init = bed.init.number();
    let first = before.0[0];
    assert_eq!((first.event, first.a, first.b, first.sequence), (Event::Start as u8, init, 1, 1));
    let signal = |(event, _, bits): &(Event, u64, u64)| *event == Event::Signal && *bits == 4;
    assert_eq!(events(&bed).iter().filter(|event| signal(event)).count(), 1);
    // Tied again, it goes on.
    bed.ok(Op::TraceStart, abi::SLOT_TRACE, &[RING.into(), 0]);
    assert_eq!(records(&bed).0.len(), before.0.len() + 1);
    assert!(bed.k.machine.traced);
}

#[test]
fn the_oldest_records_make_room() {
    let mut bed = Bed::new();
    start(&mut bed);
    for _ in 0..RECORDS {
        bed.ok(Op::Signal, abi::SLOT_NOTIFICATION, &[1]);
    }
    let (found, lost) = records(&bed);
    assert_eq!(found.len() as u64, RECORDS);
    assert!(lost >= 2 * RECORDS, "{lost}");
    assert!(found.windows(2).all(|pair| pair[0].sequence + 1 == pair[1].sequence && pair[0].ticks <= pair[1].ticks));
}

#[test]
fn threads_faults_refusals_and_interrupts_are_seen() {
    let mut bed = Bed::new();
    start(&mut bed);
    bed.make(Kind::Thread, 0, 50);
    let thread = bed.cap(bed.init, 50).object;
    assert_eq!(bed.ok(Op::DebugThread, abi::SLOT_DEBUG, &[50])[2], thread);
    bed.refused(Op::Signal, 900, &[]);
    bed.ok(Op::Delete, abi::SLOT_TABLE, &[50]);
    bed.k.machine.open.insert(40);
    bed.interrupt(&[40]);
    let other = bed.process(super::MEMORY, 60, 100, 0);
    bed.k.force(other);
    bed.k.mem[other].context.pc = 0x1234;
    fault::handle(&mut bed.k, other, Fault { kind: abi::FaultKind::Write, address: 8, syndrome: 0 });
    bed.leave();
    let seen = events(&bed);
    let init = bed.init.number();
    for event in [
        (Event::Create, thread, 0),
        (Event::End, thread, 0),
        (Event::Return, init, ErrorCode::EmptySlot as u64),
        (Event::Interrupt, 40, 0),
        (Event::Fault, other.number() | (abi::FaultKind::Write as u64) << 32, 0x1234),
    ] {
        assert!(seen.contains(&event), "{event:x?} is not in {seen:x?}");
    }
}

#[test]
fn deadlines_are_seen() {
    let mut bed = Bed::new();
    start(&mut bed);
    bed.make(Kind::Timer, 0, 50);
    let now = bed.k.machine.clock;
    bed.ok(Op::TimerArm, 50, &[now + 100, abi::SLOT_NOTIFICATION.into(), 2]);
    bed.pass(200);
    let timer = bed.cap(bed.init, 50).object;
    assert!(events(&bed).contains(&(Event::Timer, timer, 1)));
}

#[test]
fn a_ring_alone_is_powerless() {
    let mut bed = Bed::new();
    bed.make(Kind::Trace, PAGES, RING);
    assert_eq!(bed.refused(Op::TraceStart, RING, &[RING.into(), 0]), (ErrorCode::MissingRight, 0));
    assert_eq!(bed.refused(Op::TraceStop, RING, &[RING.into()]), (ErrorCode::MissingRight, 0));
    assert_eq!(bed.refused(Op::TraceMap, abi::SLOT_TRACE, &[FRAME.into()]), (ErrorCode::MissingRight, 0));
    bed.give(abi::SLOT_TABLE, 47, RING, Rights::empty(), 0);
    assert_eq!(bed.refused(Op::TraceStart, abi::SLOT_TRACE, &[47, 0]), (ErrorCode::MissingRight, 1));
    assert_eq!(
        bed.refused(Op::TraceStart, abi::SLOT_TRACE, &[abi::SLOT_TRACE.into(), 0]),
        (ErrorCode::MissingRight, 1)
    );
}

#[test]
fn what_cannot_be_tied_is_refused() {
    let mut bed = Bed::new();
    start(&mut bed);
    bed.make(Kind::Trace, PAGES, 47);
    assert_eq!(bed.refused(Op::TraceStart, abi::SLOT_TRACE, &[RING.into(), 0]), (ErrorCode::Busy, 1));
    assert_eq!(bed.refused(Op::TraceStart, abi::SLOT_TRACE, &[47, 0]), (ErrorCode::Busy, 2));
    for core in [1, 8, u64::MAX] {
        assert_eq!(bed.refused(Op::TraceStart, abi::SLOT_TRACE, &[47, core]), (ErrorCode::InvalidArgument, 2));
    }
    assert_eq!(bed.refused(Op::TraceStop, abi::SLOT_TRACE, &[47]), (ErrorCode::InvalidState, 1));
    assert_eq!(bed.refused(Op::TraceMap, RING, &[FRAME.into()]), (ErrorCode::SlotOccupied, 1));
    for pages in [0, 1, 4, 6, (1 << 14) + 2, (1 << 15) + 1, u64::MAX] {
        let args = [Kind::Trace as u64, pages, 0, abi::SLOT_TABLE.into(), 60];
        assert_eq!(bed.refused(Op::Retype, super::MEMORY, &args), (ErrorCode::InvalidArgument, 2), "{pages}");
    }
}

#[test]
fn the_frame_shows_the_records_and_cannot_be_written() {
    let mut bed = Bed::new();
    start(&mut bed);
    let (ring, frame) = (bed.cap(bed.init, RING), bed.cap(bed.init, FRAME));
    let place = bed.k.mem.address(ring.object_of::<Trace>().unwrap());
    assert_eq!((frame.object, u64::from(frame.pages)), (place.0 + PAGE, PAGES - 1));
    let map =
        |bed: &mut Bed, perms| bed.call(bed.init, Op::Map, abi::SLOT_SPACE, &[FRAME.into(), 0x4000_0000, 0, 2, perms]);
    assert!(map(&mut bed, 3).is_err());
    assert!(map(&mut bed, 1).is_ok());
}

#[test]
fn the_last_capability_of_a_ring_stops_it() {
    let mut bed = Bed::new();
    start(&mut bed);
    bed.ok(Op::Copy, abi::SLOT_TABLE, &[47, abi::SLOT_TABLE.into(), RING.into(), 3]);
    bed.ok(Op::Delete, abi::SLOT_TABLE, &[RING.into()]);
    assert!(bed.k.machine.traced);
    bed.ok(Op::Delete, abi::SLOT_TABLE, &[47]);
    assert!(!bed.k.machine.traced);
    // The Frame still shows what was written.
    assert!(!events(&bed).is_empty());
    bed.ok(Op::Revoke, abi::SLOT_TABLE, &[super::MEMORY.into()]);
}
