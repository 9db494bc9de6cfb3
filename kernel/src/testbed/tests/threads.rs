//! Configure, resume, suspend, registers, cancel.

use abi::{ErrorCode, Kind, Op, Rights, layout::USER_END};

use super::{Bed, CLIENT, MEMORY, Message, Outcome, Pair, SERVER, State, TABLE, error, refusal};
use crate::mm::Phys;

const ALL: u64 = 0x6464;

#[test]
fn configure_needs_a_stopped_thread_and_sound_arguments() {
    let mut bed = Bed::new();
    bed.process(MEMORY, 50, 100, 0);
    let good = [50, 51, 53, 0x10_2000, 0, ALL];
    assert_eq!(bed.refused(Op::ThreadConfigure, 52, &good), (ErrorCode::InvalidState, 0));
    bed.ok(Op::ThreadSuspend, 52, &[]);
    bed.give(1, 40, 50, Rights::all_of(Kind::CapTable) - Rights::ATTACH, 0);
    bed.give(1, 41, 51, Rights::all_of(Kind::AddressSpace) - Rights::USE, 0);
    bed.give(1, 42, 53, Rights::READ, 0);
    bed.ok(Op::Retype, MEMORY, &[Kind::Frame as u64, 1, 0, TABLE, 43, 0, 1, 0]);
    bed.ok(Op::Retype, abi::SLOT_DEVICES, &[Kind::Frame as u64, 1, 0, TABLE, 44, 0x900_0000, 0, 0]);
    bed.make(Kind::Endpoint, 0, 45);
    bed.give(1, 46, 45, Rights::RECEIVE, 0);
    let mut refused = |place: usize, value: u64| {
        let mut args = good;
        args[place] = value;
        bed.refused(Op::ThreadConfigure, 52, &args)
    };
    assert_eq!(refused(0, 40), (ErrorCode::MissingRight, 1));
    assert_eq!(refused(0, 0), (ErrorCode::SlotOutOfRange, 1));
    assert_eq!(refused(1, 41), (ErrorCode::MissingRight, 2));
    assert_eq!(refused(1, 50), (ErrorCode::WrongKind, 2));
    assert_eq!(refused(2, 42), (ErrorCode::MissingRight, 3));
    assert_eq!(refused(2, 43), (ErrorCode::InvalidArgument, 3), "uncached memory");
    assert_eq!(refused(2, 44), (ErrorCode::InvalidArgument, 3), "device memory");
    assert_eq!(refused(3, USER_END), (ErrorCode::InvalidArgument, 3));
    assert_eq!(refused(3, 0x10_2008), (ErrorCode::Misaligned, 4));
    assert_eq!(refused(4, 46), (ErrorCode::MissingRight, 5));
    assert_eq!(refused(5, 0x6465), (ErrorCode::InvalidArgument, 6), "priority above its ceiling");
    assert_eq!(refused(5, 0x2_0000), (ErrorCode::InvalidArgument, 6));
    bed.ok(Op::ThreadConfigure, 52, &good);
    // A thread gives no more urgency than its own ceiling.
    let thread = bed.process(MEMORY, 60, 100, 0);
    for (to, from, kind) in [(16, 52, Kind::Thread), (17, 50, Kind::CapTable), (18, 51, Kind::AddressSpace)] {
        bed.give(60, to, from, Rights::all_of(kind), 0);
    }
    let above = [17, 18, 0, 0, 0, 0x6564];
    assert_eq!(bed.refused_of(thread, Op::ThreadConfigure, 16, &above), (ErrorCode::InvalidArgument, 6));
    assert!(bed.call(thread, Op::ThreadConfigure, 16, &[17, 18, 0, 0, 0, ALL]).is_ok());
}

#[test]
fn configuring_replaces_what_is_held_even_by_itself() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 100, 0);
    bed.ok(Op::ThreadSuspend, 52, &[]);
    for _ in 0..3 {
        bed.ok(Op::ThreadConfigure, 52, &[50, 51, 53, 0x10_2000, 0, ALL]);
    }
    bed.ok(Op::ThreadConfigure, 52, &[50, 51, 0, 0, 0, ALL]);
    assert_eq!(bed.k.mem[thread].page, Phys(0));
    // The last capability of a table is the one that the thread holds: with the next table it is gone.
    bed.make(Kind::CapTable, 4, 40);
    bed.make(Kind::Endpoint, 0, 41);
    bed.ok(Op::ThreadConfigure, 52, &[40, 51, 0, 0, 0, ALL]);
    bed.ok(Op::Move, 40, &[1, TABLE, 41]);
    bed.ok(Op::Delete, 1, &[40]);
    assert_eq!(bed.census()[&Kind::Endpoint], 64);
    bed.ok(Op::ThreadConfigure, 52, &[50, 51, 0, 0, 0, ALL]);
    assert!(bed.k.graves.is_none(), "the table is buried at once, and with it the endpoint");
    assert_eq!(bed.census().get(&Kind::Endpoint), None);
}

/// Whoever makes, configures and ends other threads goes straight on: neither its address space nor the timer is set anew.
#[test]
fn who_makes_another_thread_goes_straight_on() {
    const MARK: u64 = 1;
    let mut bed = Bed::new();
    bed.make(Kind::CapTable, 4, 40);
    bed.make(Kind::AddressSpace, 8, 41);
    (bed.k.machine.loaded, bed.k.machine.deadline) = (MARK, MARK);
    for _ in 0..2 {
        bed.make(Kind::Thread, 0, 42);
        for _ in 0..2 {
            bed.ok(Op::ThreadConfigure, 42, &[40, 41, 0, 0, 0, 0x101]);
        }
        bed.time(MEMORY, 43, (1, 1, 0), 42);
        bed.ok(Op::ThreadResume, 42, &[]);
        bed.ok(Op::Delete, 1, &[42]);
        bed.ok(Op::Delete, 1, &[43]);
    }
    assert_eq!((bed.k.machine.loaded, bed.k.machine.deadline), (MARK, MARK));
    // The end of its own time is another matter.
    let own = bed.k.mem[bed.init].home.unwrap();
    let own = (1..64).find(|&slot| bed.cap(bed.init, slot).object_of() == Some(own)).unwrap();
    bed.ok(Op::SchedConfigure, abi::SLOT_SCHED_CONTROL, &[own.into(), 500, 1000, 0]);
    assert_ne!(bed.k.machine.deadline, MARK);
}

#[test]
fn resume_needs_table_and_space() {
    let mut bed = Bed::new();
    bed.make(Kind::Thread, 0, 40);
    assert_eq!(bed.refused(Op::ThreadResume, 40, &[]), (ErrorCode::InvalidState, 0));
    let thread = bed.process(MEMORY, 50, 100, 0);
    bed.ok(Op::ThreadResume, 52, &[]);
    bed.ok(Op::Revoke, 1, &[51]);
    assert_eq!(bed.k.mem[thread].state, State::Suspended);
    assert_eq!(bed.refused(Op::ThreadResume, 52, &[]), (ErrorCode::InvalidState, 0));
}

#[test]
fn suspend_ends_what_it_was_blocked_in() {
    let mut pair = Pair::taken();
    pair.bed.ok(Op::ThreadSuspend, CLIENT + 2, &[]);
    pair.bed.ok(Op::ThreadSuspend, CLIENT + 2, &[]);
    assert_eq!(pair.state(pair.client), State::Suspended);
    pair.bed.ok(Op::ThreadResume, CLIENT + 2, &[]);
    assert_eq!(error(pair.bed.result(pair.client)), refusal(ErrorCode::Cancelled, 1));
    // A server that is stopped keeps its debts, and pays them later.
    let mut pair = Pair::taken();
    pair.bed.ok(Op::ThreadSuspend, SERVER + 2, &[]);
    assert!(matches!(pair.state(pair.client), State::AwaitingReply(_)));
    pair.bed.ok(Op::ThreadResume, SERVER + 2, &[]);
    super::returned(pair.reply(Message::default()));
    assert_eq!(pair.state(pair.client), State::Ready);
}

#[test]
fn a_thread_stops_itself() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 100, 0);
    let outcome = bed.ipc(thread, Op::ThreadSuspend, 2, 0, Message::default());
    assert_eq!(outcome, Outcome::Blocked);
    assert_eq!(bed.k.sched.current(), Some(bed.init));
    bed.ok(Op::ThreadResume, 52, &[]);
    assert_eq!(super::returned(bed.result(thread)).1.status(), Ok(()));
}

/// A thread that lost its table while it waited must not take its own message for an answer.
#[test]
fn what_lost_its_table_in_a_call_finds_the_call_refused() {
    let mut pair = Pair::new();
    assert_eq!(pair.call(super::words(&[1, 2, 3])), Outcome::Blocked);
    pair.bed.ok(Op::Revoke, 1, &[CLIENT.into()]);
    assert_eq!(pair.state(pair.client), State::Suspended);
    let slot = u64::from(CLIENT);
    pair.bed.ok(Op::ThreadConfigure, CLIENT + 2, &[slot, slot + 1, slot + 3, 0, 0, ALL]);
    pair.bed.ok(Op::ThreadResume, CLIENT + 2, &[]);
    assert_eq!(error(pair.bed.result(pair.client)), refusal(ErrorCode::Revoked, 0));
    assert_eq!(pair.receive(), Outcome::Blocked);
}

#[test]
fn registers() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 100, 0);
    assert_eq!(bed.refused(Op::ThreadWriteRegisters, 52, &[0, 1, 5]), (ErrorCode::InvalidState, 0));
    bed.ok(Op::ThreadSuspend, 52, &[]);
    for (first, count, argument) in [(0, 7, 2), (35, 0, 1), (34, 1, 1), (29, 6, 1), (u64::MAX, 2, 1), (2, u64::MAX, 2)]
    {
        let error = bed.refused(Op::ThreadWriteRegisters, 52, &[first, count]);
        assert_eq!(error, (ErrorCode::InvalidArgument, argument), "{first} {count}");
    }
    bed.ok(Op::ThreadWriteRegisters, 52, &[0, 6, 1, 2, 3, 4, 5, 6]);
    bed.ok(Op::ThreadWriteRegisters, 52, &[28, 6, 28, 29, 30, 31, 32, 33]);
    bed.ok(Op::ThreadWriteRegisters, 52, &[34, 0]);
    let context = &bed.k.mem[thread].context;
    assert_eq!((context.x[5], context.x[30], context.sp, context.pc, context.tpidr), (6, 30, 31, 32, 33));
    assert_eq!(context.spsr, 0);
    assert_eq!(bed.ok(Op::DebugRegisters, abi::SLOT_DEBUG, &[52, 30]), [30, 31, 32, 33, 0, 0, 0, 0]);
}

#[test]
fn cancel_does_not_touch_who_is_not_blocked() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 100, 0);
    bed.ok(Op::ThreadCancel, 52, &[]);
    assert_eq!(bed.k.mem[thread].state, State::Ready);
    bed.ok(Op::ThreadSuspend, 52, &[]);
    bed.ok(Op::ThreadCancel, 52, &[]);
    assert_eq!(bed.k.mem[thread].state, State::Suspended);
}
