//! Timers: signals and cancellations at a deadline.

use abi::{ErrorCode, Kind, Op, Rights};

use super::scheduling::without_init;
use super::{Bed, CLIENT, Message, Outcome, Pair, error, refusal, returned};
use crate::object::Timer;

const TIMER: u32 = 45;

fn armed(bed: &Bed) -> bool {
    let timer = bed.cap(bed.init, TIMER).object_of::<Timer>().unwrap();
    bed.k.mem[timer].node.queued
}

#[test]
fn it_signals_a_notification_when_its_deadline_comes() {
    let mut bed = Bed::new();
    bed.make(Kind::Timer, 0, TIMER);
    let now = bed.k.machine.clock;
    bed.ok(Op::TimerArm, TIMER, &[now + 500, abi::SLOT_NOTIFICATION.into(), 0b100]);
    bed.pass(100);
    // Arming again forgets the earlier deadline.
    bed.ok(Op::TimerArm, TIMER, &[now + 1000, abi::SLOT_NOTIFICATION.into(), 0b10]);
    without_init(&mut bed);
    bed.pass(899);
    assert_eq!(bed.k.sched.current(), None);
    bed.pass(1);
    assert_eq!(bed.k.sched.current(), Some(bed.init));
    assert_eq!(returned(bed.result(bed.init)).0[0], 0b10);
    assert!(!armed(&bed));
}

#[test]
fn a_deadline_in_the_past_fires_at_once_and_a_cancelled_one_never() {
    let mut bed = Bed::new();
    bed.make(Kind::Timer, 0, TIMER);
    bed.pass(5000);
    bed.ok(Op::TimerArm, TIMER, &[17, abi::SLOT_NOTIFICATION.into(), 1]);
    bed.pass(0);
    assert_eq!(bed.ok(Op::Poll, abi::SLOT_NOTIFICATION, &[])[0], 1);
    bed.ok(Op::TimerArm, TIMER, &[6000, abi::SLOT_NOTIFICATION.into(), 1]);
    bed.ok(Op::TimerCancel, TIMER, &[]);
    bed.ok(Op::TimerCancel, TIMER, &[]);
    bed.pass(5000);
    assert_eq!(bed.ok(Op::Poll, abi::SLOT_NOTIFICATION, &[])[0], 0);
}

#[test]
fn a_device_comes_before_the_next_of_many_deadlines() {
    const LINE: u32 = 99;
    let mut bed = Bed::new();
    for (slot, bit) in [(46, 1), (47, 2)] {
        bed.make(Kind::Timer, 0, slot);
        bed.ok(Op::TimerArm, slot, &[10, abi::SLOT_NOTIFICATION.into(), bit]);
    }
    bed.k.machine.clock += 20;
    let timer = bed.k.machine.timer_line();
    bed.k.machine.pending.extend([timer, LINE]);
    bed.interrupt(&[]);
    let first = bed.ok(Op::Poll, abi::SLOT_NOTIFICATION, &[])[0];
    assert!(first == 1 || first == 2, "{first:#b}");
    assert!(bed.k.machine.deadline <= bed.k.machine.clock, "the other is not due at once");
    bed.pass(0);
    assert_eq!(bed.ok(Op::Poll, abi::SLOT_NOTIFICATION, &[])[0], 3 - first);
}

#[test]
fn another_core_comes_before_the_next_of_many_deadlines() {
    let mut bed = Bed::new();
    at_once(&mut bed, 2);
    bed.k.machine.wanted = true;
    bed.interrupt(&[]);
    assert_eq!(fired(&bed, 2), 1, "the lock was kept");
    bed.k.machine.wanted = false;
    bed.pass(0);
    assert_eq!(fired(&bed, 2), 2);
}

#[test]
fn many_deadlines_at_once_leave_the_threads_half_of_the_time() {
    const MANY: u32 = 60;
    let mut bed = Bed::new();
    at_once(&mut bed, MANY);
    bed.k.machine.pace = 10;
    bed.interrupt(&[]);
    assert!(fired(&bed, MANY) < MANY / 2, "nobody ran before {} deadlines were served", fired(&bed, MANY));
    assert!(bed.k.machine.deadline > 30, "nobody runs before the next are served");
    bed.k.machine.pace = 0;
    bed.pass(10_000);
    assert_eq!(fired(&bed, MANY), MANY);
}

/// So many Timers that are due now.
fn at_once(bed: &mut Bed, count: u32) {
    for slot in 100..100 + count {
        bed.make(Kind::Timer, 0, slot);
        bed.ok(Op::TimerArm, slot, &[10, abi::SLOT_NOTIFICATION.into(), 1]);
    }
    bed.k.machine.clock += 20;
    bed.k.machine.pending.push_back(bed.k.machine.timer_line());
}

fn fired(bed: &Bed, count: u32) -> u32 {
    let timers = (100..100 + count).map(|slot| bed.cap(bed.init, slot).object_of::<Timer>().unwrap());
    timers.filter(|&timer| !bed.k.mem[timer].node.queued).count() as u32
}

/// Timers that are due soon after one another.
fn many(bed: &mut Bed) {
    for slot in 46..50 {
        bed.make(Kind::Timer, 0, slot);
        bed.ok(Op::TimerArm, slot, &[46 + u64::from(slot - 46) * 20, abi::SLOT_NOTIFICATION.into(), 1]);
    }
    bed.k.machine.clock = 46;
    bed.k.machine.pending.push_back(bed.k.machine.timer_line());
}

#[test]
fn deadlines_have_half_of_the_time_at_most() {
    let mut bed = Bed::new();
    many(&mut bed);
    bed.k.machine.pace = 10;
    bed.interrupt(&[]);
    let deadline = bed.k.machine.deadline;
    // The second came while the first was being served.
    assert!(deadline > 46 + 20, "the timer fires again before anyone ran: at {deadline}");
}

#[test]
fn a_timer_that_is_due_again_does_not_keep_the_lock() {
    let mut bed = Bed::new();
    many(&mut bed);
    bed.k.machine.pending.push_back(bed.k.machine.timer_line());
    bed.interrupt(&[]);
    assert_eq!(bed.k.machine.pending.len(), 1, "other cores did not get the lock in between");
}

#[test]
fn the_badge_is_among_the_bits() {
    let mut bed = Bed::new();
    bed.make(Kind::Timer, 0, TIMER);
    bed.give(1, 46, abi::SLOT_NOTIFICATION, Rights::SIGNAL, 0b1000);
    bed.ok(Op::TimerArm, TIMER, &[10, 46, 1]);
    bed.pass(20);
    assert_eq!(bed.ok(Op::Poll, abi::SLOT_NOTIFICATION, &[])[0], 0b1001);
}

#[test]
fn it_cancels_the_ipc_a_thread_is_blocked_in() {
    let mut pair = Pair::new();
    pair.bed.make(Kind::Timer, 0, TIMER);
    pair.bed.ok(Op::TimerArm, TIMER, &[1000, (CLIENT + 2).into(), 0]);
    pair.receive();
    without_init(&mut pair.bed);
    assert_eq!(pair.call(Message::default()), Outcome::Blocked);
    pair.bed.pass(1000);
    assert_eq!(error(pair.bed.result(pair.client)), refusal(ErrorCode::Cancelled, abi::MAY_HAVE_ACTED));
    // The server goes on with its own time.
    assert!(pair.bed.runnable(pair.client) && pair.bed.runnable(pair.server));
    assert_eq!(pair.bed.k.time_of(pair.server), pair.bed.k.mem[pair.server].home);
}

#[test]
fn one_that_is_not_blocked_does_not_notice() {
    let mut pair = Pair::new();
    pair.bed.make(Kind::Timer, 0, TIMER);
    pair.bed.ok(Op::TimerArm, TIMER, &[100, (CLIENT + 2).into(), 0]);
    pair.bed.pass(200);
    assert_eq!(pair.bed.call(pair.client, Op::Call, 31, &[]).unwrap_err().code, ErrorCode::EmptySlot);
    assert!(!armed(&pair.bed));
}

#[test]
fn it_ends_with_what_it_acts_on_and_with_itself() {
    let mut pair = Pair::new();
    let bed = &mut pair.bed;
    bed.make(Kind::Timer, 0, TIMER);
    bed.make(Kind::Notification, 0, 46);
    bed.ok(Op::TimerArm, TIMER, &[100, 46, 1]);
    bed.ok(Op::Revoke, 1, &[46]);
    assert!(!armed(bed));
    // What only the timer still names lives until it fires.
    bed.ok(Op::TimerArm, TIMER, &[100, 46, 1]);
    bed.ok(Op::Delete, 1, &[46]);
    assert!(armed(bed));
    bed.pass(200);
    assert!(!armed(bed));
    bed.ok(Op::TimerArm, TIMER, &[1000, (CLIENT + 2).into(), 0]);
    bed.ok(Op::Delete, 1, &[TIMER.into()]);
    assert_eq!(bed.k.sched.deadlines.first(&bed.k.mem), None);
    bed.pass(2000);
}

#[test]
fn refusals() {
    let mut pair = Pair::new();
    let bed = &mut pair.bed;
    bed.make(Kind::Timer, 0, TIMER);
    let mut arm = |args: [u64; 3]| bed.refused(Op::TimerArm, TIMER, &args);
    assert_eq!(arm([9, 900, 1]), (ErrorCode::EmptySlot, 2));
    assert_eq!(arm([9, 1, 1]), (ErrorCode::WrongKind, 2));
    assert_eq!(arm([9, (CLIENT + 2).into(), 1]), (ErrorCode::InvalidArgument, 3));
    bed.give(1, 46, CLIENT + 2, Rights::CONFIGURE, 0);
    bed.give(1, 47, abi::SLOT_NOTIFICATION, Rights::WAIT, 0);
    assert_eq!(bed.refused(Op::TimerArm, TIMER, &[9, 46, 0]), (ErrorCode::MissingRight, 2));
    assert_eq!(bed.refused(Op::TimerArm, TIMER, &[9, 47, 0]), (ErrorCode::MissingRight, 2));
}
