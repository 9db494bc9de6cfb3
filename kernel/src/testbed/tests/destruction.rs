//! The end of objects: nested, in a circle, under the feet of who ends them.

use abi::{ErrorCode, InWord, Kind, Op, Slots};

use super::{Bed, Message, Outcome, TABLE};
use crate::object::State;

#[test]
fn tables_in_tables_are_emptied_one_after_the_other() {
    for preempt in [0, 1] {
        let mut bed = Bed::new();
        bed.make(Kind::Untyped, 64, 40);
        bed.make_of(40, Kind::Endpoint, 0, 41);
        let empty = bed.census();
        // Each table holds the only capability of the next.
        bed.make(Kind::CapTable, 4, 50);
        for slot in 51..70 {
            bed.make(Kind::CapTable, 4, slot);
        }
        for slot in (51..70).rev() {
            for copy in 4..15 {
                bed.ok(Op::Copy, slot, &[copy, TABLE, 41, 7, 0]);
            }
            bed.ok(Op::Move, slot - 1, &[1, TABLE, slot.into()]);
        }
        bed.k.machine.preempt_every = preempt;
        bed.ok(Op::Delete, 1, &[50]);
        assert_eq!(bed.k.graves.is_some(), preempt == 1, "an interrupt is not kept waiting");
        // Who makes an object of memory waits for the dead; these are steps of that.
        while bed.k.bury().is_err() {
            bed.check();
        }
        assert_eq!(bed.census(), empty);
    }
}

#[test]
fn a_circle_of_tables_lives_until_its_memory_is_revoked() {
    let mut bed = Bed::new();
    bed.make(Kind::Untyped, 64, 40);
    bed.make_of(40, Kind::CapTable, 4, 41);
    bed.make_of(40, Kind::CapTable, 4, 42);
    bed.ok(Op::Copy, 41, &[1, TABLE, 42, 15, 0]);
    bed.ok(Op::Copy, 42, &[1, TABLE, 41, 15, 0]);
    bed.ok(Op::Copy, 42, &[2, TABLE, 42, 15, 0]);
    bed.ok(Op::Delete, 1, &[41]);
    bed.ok(Op::Delete, 1, &[42]);
    assert!(bed.census().contains_key(&Kind::CapTable));
    bed.k.machine.preempt_every = 1;
    bed.ok(Op::Revoke, 1, &[40]);
    bed.k.machine.preempt_every = 0;
    bed.make_of(40, Kind::Frame, 64, 41);
}

#[test]
fn a_thread_revokes_its_own_memory() {
    for preempt in [0, 1, 2, 3] {
        let mut bed = Bed::new();
        bed.make(Kind::Untyped, 128, 40);
        let thread = bed.process(40, 50, 100, 0);
        bed.ok(Op::Move, 50, &[4, TABLE, 40]);
        bed.k.machine.preempt_every = preempt;
        let input = InWord::new(Op::Revoke as u8, 0, 0, 0);
        bed.trap(thread, input, Slots::new(1, 0), [4, 0, 0, 0, 0, 0, 0, 0]);
        bed.check();
        while bed.exists(thread) && bed.runnable(thread) && bed.restarts(thread) {
            bed.again(thread);
            bed.check();
        }
        // Nobody is left to finish what it began; time does.
        bed.k.machine.preempt_every = 0;
        for _ in 0..50 {
            bed.k.machine.pending.push_back(bed.k.machine.timer_line());
            bed.interrupt(&[]);
        }
        assert!(bed.k.graves.is_none());
        assert!(!bed.exists(thread) || !bed.runnable(thread));
        assert_eq!(bed.ok(Op::Poll, abi::SLOT_NOTIFICATION, &[])[0], 0);
    }
}

#[test]
fn a_thread_deletes_itself_its_table_and_its_space() {
    for slot in 1..=3 {
        let mut bed = Bed::new();
        bed.make(Kind::Untyped, 128, 40);
        let thread = bed.process(40, 50, 100, 0);
        for own in [50, 51, 52] {
            bed.ok(Op::Delete, 1, &[own]);
        }
        let outcome = bed.ipc(thread, Op::Delete, 1, 0, Message { regs: [slot; 8], ..Message::default() });
        if slot == 2 {
            assert_eq!(outcome, Outcome::Blocked);
            assert!(!bed.exists(thread));
        } else {
            // The thread itself holds table and space.
            assert_ne!(outcome, Outcome::Blocked);
        }
        bed.ok(Op::Revoke, 1, &[40]);
        bed.make_of(40, Kind::Frame, 128, 41);
    }
}

#[test]
fn callers_of_the_dead_are_told_however_deep_they_lie() {
    // The only capability of a server's thread lies in a table that dies.
    for preempt in [0, 1] {
        let mut pair = super::Pair::taken();
        let bed = &mut pair.bed;
        bed.make(Kind::CapTable, 4, 40);
        bed.ok(Op::Move, 40, &[1, TABLE, u64::from(super::SERVER) + 2]);
        bed.ok(Op::Delete, super::SERVER, &[2]);
        bed.k.machine.preempt_every = preempt;
        bed.ok(Op::Delete, 1, &[40]);
        bed.k.machine.preempt_every = 0;
        // What an interrupt kept from being done is done in time.
        for _ in 0..4 * preempt {
            bed.k.machine.pending.push_back(bed.k.machine.timer_line());
            bed.interrupt(&[]);
        }
        assert_eq!(super::error(bed.result(pair.client)).code, ErrorCode::PeerGone);
        assert_eq!(bed.k.mem[pair.client].state, State::Ready);
    }
}

#[test]
fn an_untyped_that_is_deleted_leaves_its_children_to_its_parent() {
    let mut bed = Bed::new();
    bed.make(Kind::Untyped, 16, 40);
    bed.make_of(40, Kind::Untyped, 8, 41);
    bed.make_of(41, Kind::Endpoint, 0, 42);
    bed.ok(Op::Delete, 1, &[41]);
    assert_eq!(bed.cap(bed.init, 42).kind, Kind::Endpoint);
    assert_eq!(bed.refused(Op::Retype, 40, &[9, 9, 0, TABLE, 43, 0, 0, 0]), (ErrorCode::OutOfMemory, 0));
    bed.ok(Op::Revoke, 1, &[40]);
    assert_eq!(bed.cap(bed.init, 42).kind, Kind::Null);
    bed.make_of(40, Kind::Frame, 16, 43);
}

/// An idle core takes the dead apart, and runs whom that wakes.
#[test]
fn an_idle_core_buries() {
    let mut pair = super::Pair::taken();
    let bed = &mut pair.bed;
    // The server alone holds its thread; it deletes itself and is interrupted before its caller was told.
    bed.ok(Op::Delete, 1, &[u64::from(super::SERVER) + 2]);
    bed.ipc(bed.init, Op::Wait, abi::SLOT_NOTIFICATION, 0, Message::default());
    bed.k.delete(bed.slot_of(pair.server, 2)).unwrap();
    assert!(bed.k.graves.is_some());
    bed.leave();
    assert!(!bed.exists(pair.server) || bed.k.mem[pair.server].state == State::Suspended);
    assert_eq!(bed.k.sched.current(), Some(pair.client));
    assert_eq!(super::error(bed.result(pair.client)).code, ErrorCode::PeerGone);
}
