//! Who runs: priority, round robin, and time that follows a call.

use abi::Op;

use super::{Bed, MEMORY, Message, Outcome, Pair};
use crate::mm::Ref;
use crate::object::{State, Thread};

fn run(bed: &mut Bed) -> Option<Ref<Thread>> {
    let next = bed.k.pick();
    if let Some(next) = next {
        assert!(bed.k.enter(next));
    }
    bed.check();
    next
}

fn tick(bed: &mut Bed, ms: u64) {
    bed.k.machine.clock += ms * 1000;
    bed.k.machine.pending.push_back(27);
    crate::interrupt::handle(&mut bed.k);
}

/// Init out of the way, so that others run.
pub(super) fn without_init(bed: &mut Bed) {
    assert_eq!(bed.ipc(bed.init, Op::Wait, abi::SLOT_NOTIFICATION, 0, Message::default()), Outcome::Blocked);
}

/// Ticks that were used of a thread's own time.
pub(super) fn used(bed: &mut Bed, thread: Ref<Thread>) -> u64 {
    bed.k.settle_time();
    bed.k.mem[thread].home.map_or(0, |time| bed.k.mem[time].consumed)
}

/// Another core stops the thread that runs here while its slice ends: the timer must not fire again and again for a slice
/// that is nobody's.
#[test]
fn a_thread_stopped_from_elsewhere_leaves_no_deadline() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 10, 0);
    without_init(&mut bed);
    assert_eq!(run(&mut bed), Some(thread));
    bed.k.halt(thread, State::Suspended);
    tick(&mut bed, 50);
    assert!(bed.k.machine.deadline > bed.k.machine.clock, "the timer fires at once");
    let used = used(&mut bed, thread);
    bed.k.machine.clock += 1000;
    assert_eq!(super::scheduling::used(&mut bed, thread), used, "it pays for what it does not run");
}

/// A thread that somebody more urgent interrupts again and again comes to the end of its slice nevertheless.
#[test]
fn equals_take_turns_though_they_are_interrupted() {
    let mut bed = Bed::new();
    let urgent = bed.process(MEMORY, 50, 200, 0);
    let a = bed.process(MEMORY, 60, 20, 0);
    let b = bed.process(MEMORY, 70, 20, 0);
    for thread in [urgent, a, b] {
        bed.k.mem[thread].state = State::Suspended;
        bed.k.unqueue(thread);
    }
    without_init(&mut bed);
    bed.k.make_ready(a);
    bed.k.make_ready(b);
    for _ in 0..100 {
        assert_ne!(run(&mut bed), Some(urgent));
        bed.k.machine.clock += 1000;
        bed.k.make_ready(urgent);
        assert_eq!(run(&mut bed), Some(urgent));
        bed.k.halt(urgent, State::Suspended);
    }
    run(&mut bed);
    let (of_a, of_b) = (used(&mut bed, a), used(&mut bed, b));
    assert_eq!(of_a + of_b, 100_000);
    assert!(of_a.abs_diff(of_b) <= 5000, "{of_a} and {of_b}");
}

#[test]
fn the_most_urgent_runs_and_equals_take_turns() {
    let mut bed = Bed::new();
    let low = bed.process(MEMORY, 50, 10, 0);
    let a = bed.process(MEMORY, 60, 20, 0);
    let b = bed.process(MEMORY, 70, 20, 0);
    assert_eq!(run(&mut bed), Some(bed.init));
    without_init(&mut bed);
    let mut turns = Vec::new();
    for _ in 0..4 {
        turns.push(run(&mut bed).unwrap());
        tick(&mut bed, 1);
        assert_eq!(run(&mut bed), turns.last().copied(), "the slice is not over");
        tick(&mut bed, 5);
    }
    assert_eq!(turns, [a, b, a, b]);
    for thread in [a, b] {
        bed.k.force(thread);
        bed.ipc(thread, Op::ThreadSuspend, 2, 0, Message::default());
    }
    assert_eq!(run(&mut bed), Some(low));
    assert!(used(&mut bed, a) >= 10_000 && used(&mut bed, low) == 0);
    bed.ipc(low, Op::ThreadSuspend, 2, 0, Message::default());
    assert_eq!(run(&mut bed), None);
    // What a tick wakes runs.
    tick(&mut bed, 50);
    assert_eq!(run(&mut bed), None);
    let bell = bed.k.mem[bed.init].bound.unwrap();
    bed.k.notify(bell, 1);
    assert_eq!(run(&mut bed), Some(bed.init));
}

#[test]
fn who_is_woken_and_more_urgent_runs_at_once_and_the_other_goes_on_after_it() {
    let mut bed = Bed::new();
    let low = bed.process(MEMORY, 50, 10, 0);
    let other = bed.process(MEMORY, 60, 10, 0);
    without_init(&mut bed);
    assert_eq!(run(&mut bed), Some(low));
    let bell = bed.k.mem[bed.init].bound.unwrap();
    bed.k.notify(bell, 1);
    assert_eq!(run(&mut bed), Some(bed.init));
    without_init(&mut bed);
    assert_eq!(run(&mut bed), Some(low), "it was interrupted, its turn was not over");
    tick(&mut bed, 5);
    assert_eq!(run(&mut bed), Some(other));
}

#[test]
fn a_call_goes_to_the_server_at_once_and_the_answer_back() {
    let mut pair = Pair::new();
    let third = pair.bed.process(MEMORY, 80, 100, 0);
    pair.receive();
    without_init(&mut pair.bed);
    pair.call(Message::default());
    assert_eq!(pair.bed.k.sched.current(), Some(pair.server), "not the one that waits for its turn");
    pair.reply_receive(Message::default());
    assert_eq!(pair.bed.k.sched.current(), Some(pair.client));
    assert_eq!(used(&mut pair.bed, third), 0);
}

#[test]
fn a_more_urgent_thread_comes_before_the_partner_of_a_call() {
    let mut pair = Pair::new();
    pair.receive();
    let urgent = pair.bed.process(MEMORY, 80, 200, 0);
    without_init(&mut pair.bed);
    pair.call(Message::default());
    assert_eq!(pair.bed.k.sched.current(), Some(urgent));
    pair.bed.ipc(urgent, Op::ThreadSuspend, 2, 0, Message::default());
    assert_eq!(pair.bed.k.sched.current(), Some(pair.server));
}
