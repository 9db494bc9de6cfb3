//! Vector registers: who may use them, whose a core holds, and that nothing gets from one thread to another.

use abi::{ErrorCode, FaultKind, Kind, Op, Rights, THREAD_FPU};

use super::{Bed, MEMORY, Message, Pair, State, TABLE};
use crate::fpu::{FpuState, Place};
use crate::mm::Ref;
use crate::object::Thread;

const V0: u64 = FpuState::FIRST as u64;
const FPCR: u64 = V0 + 64;

/// All of a thread's vector registers as numbers of one row.
fn row(first: u64) -> FpuState {
    let v = core::array::from_fn(|index| [first + 2 * index as u64, first + 2 * index as u64 + 1]);
    FpuState { v, fpcr: first + 64, fpsr: first + 65, ..FpuState::default() }
}

fn same(a: &FpuState, b: &FpuState) -> bool {
    (a.v, a.fpcr, a.fpsr) == (b.v, b.fpcr, b.fpsr)
}

/// A thread computes: it finds what it left and leaves something else.
#[track_caller]
fn compute(bed: &mut Bed, thread: Ref<Thread>, expected: u64, next: u64) {
    let registers = bed.vectors(thread).expect("it may");
    let expected = if expected == 0 { FpuState::default() } else { row(expected) };
    assert!(same(registers, &expected), "found {:x?}", registers.v);
    *registers = row(next);
    bed.check();
}

#[test]
fn each_thread_finds_what_it_left_and_begins_with_zeros() {
    let mut bed = Bed::new();
    let threads = [50, 60, 70].map(|base| bed.process(MEMORY, base, 100, 0));
    for thread in threads {
        compute(&mut bed, thread, 0, 1000 * thread.number());
    }
    for round in 1..4 {
        for thread in threads {
            let number = 1000 * thread.number();
            compute(&mut bed, thread, number + round - 1, number + round);
            compute(&mut bed, thread, number + round, number + round);
        }
    }
    let places = threads.map(|thread| bed.k.mem[FpuState::of(thread)].place);
    assert_eq!(places, [Place::Saved, Place::Saved, Place::InCore]);
}

/// Another thread in between that uses none costs nothing: no register moves.
#[test]
fn the_owner_finds_its_registers_where_it_left_them() {
    let mut bed = Bed::new();
    let [one, other] = [50, 60].map(|base| bed.process(MEMORY, base, 100, 0));
    compute(&mut bed, one, 0, 1000);
    bed.k.force(other);
    assert!(bed.k.enter(other));
    bed.check();
    assert!(!bed.k.machine.fpu[0].open);
    bed.k.mem[FpuState::of(one)].v = [[7; 2]; 32];
    bed.k.force(one);
    assert!(bed.k.enter(one));
    assert!(bed.k.machine.fpu[0].open, "no trap is needed");
    compute(&mut bed, one, 1000, 1001);
}

#[test]
fn without_the_right_it_is_a_fault() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 100, 0);
    bed.ok(Op::ThreadSuspend, 52, &[]);
    bed.ok(Op::ThreadConfigure, 52, &[50, 51, 53, 0x10_2000, 0, 0x6464]);
    bed.ok(Op::ThreadResume, 52, &[]);
    assert!(bed.vectors(thread).is_none());
    assert_eq!(bed.k.mem[thread].state, State::Faulted);
    assert_eq!(FaultKind::Fpu.text(), "use of floating point without asking for it");
    bed.check();
    assert_eq!(bed.ok(Op::DebugCap, abi::SLOT_DEBUG, &[TABLE, 52])[5], 0);
    bed.ok(Op::ThreadConfigure, 52, &[50, 51, 53, 0x10_2000, 0, 0x6464 | THREAD_FPU]);
    assert_eq!(bed.ok(Op::DebugCap, abi::SLOT_DEBUG, &[TABLE, 52])[5], 1);
    bed.ok(Op::ThreadResume, 52, &[]);
    compute(&mut bed, thread, 0, 1000);
}

#[test]
fn the_right_comes_from_who_has_it() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 100, 0);
    bed.make(Kind::Thread, 0, 40);
    for (to, from, kind) in [(16, 40, Kind::Thread), (17, 50, Kind::CapTable), (18, 51, Kind::AddressSpace)] {
        bed.give(50, to, from, Rights::all_of(kind), 0);
    }
    let args = [17, 18, 0, 0, 0, THREAD_FPU | 0x6464];
    assert!(bed.call(thread, Op::ThreadConfigure, 16, &args).is_ok());
    bed.ok(Op::ThreadSuspend, 52, &[]);
    bed.ok(Op::ThreadConfigure, 52, &[50, 51, 53, 0x10_2000, 0, 0x6464]);
    bed.ok(Op::ThreadResume, 52, &[]);
    assert_eq!(bed.refused_of(thread, Op::ThreadConfigure, 16, &args), (ErrorCode::InvalidArgument, 6));
    let other: Ref<Thread> = bed.cap(bed.init, 40).object_of().unwrap();
    assert!(bed.k.may_use_fpu(other), "a refused call changes nothing");
    assert!(bed.call(thread, Op::ThreadConfigure, 16, &[17, 18, 0, 0, 0, 0x6464]).is_ok());
    assert!(!bed.k.may_use_fpu(other));
}

#[test]
fn a_thread_that_ends_owns_nothing_and_leaves_nothing_behind() {
    let mut bed = Bed::new();
    bed.make(Kind::Untyped, 8, 40);
    for round in 0..3 {
        bed.make_of(40, Kind::Thread, 0, 41);
        let thread: Ref<Thread> = bed.cap(bed.init, 41).object_of().unwrap();
        bed.make_of(40, Kind::CapTable, 4, 42);
        bed.make_of(40, Kind::AddressSpace, 2, 43);
        bed.make_of(40, Kind::SchedContext, 0, 44);
        bed.ok(Op::ThreadConfigure, 41, &[42, 43, 0, 0, 0, 0x6464 | THREAD_FPU]);
        bed.ok(Op::SchedConfigure, abi::SLOT_SCHED_CONTROL, &[44, 1, 1, 0]);
        bed.ok(Op::SchedBind, 44, &[41]);
        bed.ok(Op::ThreadResume, 41, &[]);
        compute(&mut bed, thread, 0, 1000 + round);
        bed.ok(Op::Revoke, 1, &[40]);
        assert_eq!(bed.k.machine.fpu[0].owner, 0);
        bed.check();
    }
}

#[test]
fn what_is_idle_holds_nothing() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 100, 0);
    bed.ok(Op::ThreadBind, abi::SLOT_THREAD, &[0]);
    bed.ipc(bed.init, Op::Wait, abi::SLOT_NOTIFICATION, 0, Message::default());
    compute(&mut bed, thread, 0, 1000);
    bed.ipc(thread, Op::ThreadSuspend, abi::SLOT_THREAD, 0, Message::default());
    assert_eq!(bed.k.sched.current(), None);
    assert_eq!((bed.k.machine.fpu[0].owner, bed.k.machine.fpu[0].open), (0, false));
    assert!(same(&bed.k.mem[FpuState::of(thread)], &row(1000)));
    bed.check();
}

/// On one core until a caller's time takes it to another.
#[test]
fn registers_follow_their_thread_to_another_core() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 100, 0);
    bed.k.sched.add();
    compute(&mut bed, thread, 0, 1000);
    let address = bed.k.mem.context_address(thread);
    bed.k.sched.set_own(1);
    assert!(bed.k.use_fpu(thread));
    let machine = &bed.k.machine;
    assert_eq!((machine.fpu[0].owner, machine.fpu[1].owner), (0, address));
    assert_eq!((machine.fpu[0].open, machine.fpu[1].open), (false, true));
    assert!(same(&machine.fpu[1].registers, &row(1000)));
    assert_eq!(bed.k.mem[FpuState::of(thread)].place, Place::InCore);
    // Back again, and it ends on the other core.
    bed.k.machine.fpu[1].registers = row(2000);
    bed.k.settle_fpu(bed.init);
    bed.k.sched.set_own(0);
    assert!(bed.k.use_fpu(thread));
    assert!(same(&bed.k.machine.fpu[0].registers, &row(2000)));
    bed.k.settle_fpu(bed.init);
    bed.k.sched.set_own(1);
    bed.k.forget_fpu(thread);
    assert_eq!((bed.k.machine.fpu[0].owner, bed.k.machine.fpu[1].owner), (0, 0));
}

#[test]
fn registers_are_read_and_written_while_the_thread_stands() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 100, 0);
    compute(&mut bed, thread, 0, 1000);
    assert_eq!(bed.refused(Op::ThreadReadRegisters, 52, &[V0]), (ErrorCode::InvalidState, 0));
    bed.ok(Op::ThreadSuspend, 52, &[]);
    assert_eq!(bed.ok(Op::ThreadReadRegisters, 52, &[V0]), core::array::from_fn(|index| 1000 + index as u64));
    assert_eq!(bed.ok(Op::ThreadReadRegisters, 52, &[V0 + 63]), [1063, 1064, 1065, 0, 0, 0, 0, 0]);
    bed.ok(Op::ThreadWriteRegisters, 52, &[V0, 2, 2000, 2001]);
    bed.ok(Op::ThreadWriteRegisters, 52, &[V0 + 60, 6, 2060, 2061, 2062, 2063, 2064, 2065]);
    for first in [34, V0 - 1, FPCR + 2, u64::MAX] {
        assert_eq!(bed.refused(Op::ThreadReadRegisters, 52, &[first]), (ErrorCode::InvalidArgument, 1), "{first}");
    }
    for (first, count, argument) in [(V0 + 61, 6, 1), (V0 - 1, 2, 1), (FPCR + 3, 0, 1), (V0, 7, 2), (u64::MAX, 1, 1)] {
        let error = bed.refused(Op::ThreadWriteRegisters, 52, &[first, count]);
        assert_eq!(error, (ErrorCode::InvalidArgument, argument), "{first} {count}");
    }
    bed.ok(Op::ThreadResume, 52, &[]);
    let found = *bed.vectors(thread).expect("it may");
    let mut expected = row(1000);
    (expected.v[0], expected.v[30], expected.v[31]) = ([2000, 2001], [2060, 2061], [2062, 2063]);
    (expected.fpcr, expected.fpsr) = (2064, 2065);
    assert!(same(&found, &expected), "{found:x?}");
    // Without the right there is nothing to write, but what was there can be looked at.
    bed.ok(Op::ThreadSuspend, 52, &[]);
    bed.ok(Op::ThreadConfigure, 52, &[50, 51, 53, 0x10_2000, 0, 0x6464]);
    assert_eq!(bed.refused(Op::ThreadWriteRegisters, 52, &[V0, 1, 5]), (ErrorCode::InvalidArgument, 1));
    assert_eq!(bed.ok(Op::ThreadReadRegisters, 52, &[V0])[..2], [2000, 2001]);
}

#[test]
fn a_call_keeps_what_both_sides_had() {
    let mut pair = Pair::new();
    let (client, server) = (pair.client, pair.server);
    compute(&mut pair.bed, server, 0, 5000);
    pair.receive();
    compute(&mut pair.bed, client, 0, 1000);
    for round in 0..3 {
        pair.call(Message::default());
        compute(&mut pair.bed, server, 5000 + round, 5001 + round);
        pair.reply_receive(Message::default());
        compute(&mut pair.bed, client, 1000 + round, 1001 + round);
    }
}
