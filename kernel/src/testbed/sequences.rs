//! Sequences that found something once, as they were printed: kernel and model must agree on them for ever.

use abi::Op;

use super::shrink::replay;
use super::step::{Event::*, Step, call};

/// A message with a capability and words in the page, and its answer.
#[test]
fn a_message_and_its_answer() {
    replay(&[
        call(Op::Retype, 32, &[5, 0, 0, 1, 42]),
        call(Op::Retype, 32, &[2, 5, 0, 1, 50]),
        call(Op::Retype, 32, &[8, 8, 0, 1, 51]),
        call(Op::Retype, 32, &[3, 0, 0, 1, 52]),
        call(Op::Retype, 32, &[9, 1, 0, 1, 53]),
        call(Op::Retype, 32, &[6, 0, 0, 1, 54]),
        call(Op::Retype, 32, &[4, 0, 0, 1, 55]),
        call(Op::Copy, 50, &[10, 1, 42, 7]),
        call(Op::Move, 50, &[8, 1, 54]),
        call(Op::ThreadConfigure, 52, &[50, 51, 53, 0x10_0000, 0, 0x6464]),
        call(Op::SchedConfigure, 96, &[55, 1, 1]),
        call(Op::SchedBind, 55, &[52]),
        call(Op::ThreadResume, 52, &[]),
        call(Op::Call, 42, &[1, 2, 3]).message(12, 1, 7).page([42, 0, 0, 0], (0, 0), 5),
        call(Op::Receive, 10, &[]).reply(8).page([0, 0, 0, 0], (16, 2), 0),
        call(Op::ReplyReceive, 10, &[4, 5]).message(2, 0, 9).reply(8),
    ]);
}

/// A table dies while memory is about to become slots of it.
#[test]
fn a_table_dies_that_is_about_to_grow() {
    replay(&[
        call(Op::Retype, 32, &[12, 0, 0, 1, 38]),
        call(Op::IrqSet, 16, &[38, 40]),
        call(Op::IrqBind, 38, &[9, 1]),
        call(Op::Retype, 32, &[1, 16, 0, 1, 40]),
        call(Op::Retype, 40, &[3, 0, 0, 1, 11]),
        call(Op::Retype, 40, &[2, 5, 0, 1, 50]),
        call(Op::Retype, 40, &[8, 2, 0, 1, 51]),
        call(Op::Retype, 40, &[3, 0, 0, 1, 52]),
        call(Op::Retype, 40, &[4, 0, 0, 1, 55]),
        call(Op::Retype, 40, &[1, 5, 0, 1, 56]),
        call(Op::Copy, 50, &[1, 1, 1, 1]),
        call(Op::Move, 50, &[4, 1, 56]),
        call(Op::ThreadConfigure, 52, &[50, 51]),
        call(Op::SchedConfigure, 96, &[55, 1, 1]),
        call(Op::SchedBind, 55, &[52]),
        call(Op::Retype, 40, &[2, 5, 0, 1, 60]),
        call(Op::Copy, 50, &[16, 1, 60, 3]),
        call(Op::ThreadResume, 52, &[]),
        call(Op::Wait, 9, &[]),
        call(Op::TableGrow, 16, &[4, 8]),
        Step::from(Preempt(1)),
        call(Op::Copy, 16, &[41, 1, 1]),
        Step::from(Interrupt(40)),
        call(Op::Revoke, 1, &[40]),
        Step::from(Tick),
        Step::from(Tick),
    ]);
}

/// A thread that runs on the time of a call it still owes gets time of its own, and runs on that from then on.
#[test]
fn own_time_comes_while_older_time_is_used() {
    let mut steps = vec![
        call(Op::Retype, 32, &[5, 0, 0, 1, 43]),
        call(Op::Retype, 32, &[6, 0, 0, 1, 44]),
        call(Op::Retype, 32, &[6, 0, 0, 1, 45]),
    ];
    // A server and two clients.
    for (base, priority) in [(50, 0x3030), (60, 0x2020), (70, 0x1010)] {
        steps.extend([
            call(Op::Retype, 32, &[2, 5, 0, 1, base]),
            call(Op::Retype, 32, &[8, 2, 0, 1, base + 1]),
            call(Op::Retype, 32, &[3, 0, 0, 1, base + 2]),
            call(Op::Retype, 32, &[4, 0, 0, 1, base + 3]),
            call(Op::Copy, base as u32, &[1, 1, base, 3]),
            call(Op::Copy, base as u32, &[2, 1, base + 2, 3]),
            call(Op::Copy, base as u32, &[6, 1, base + 3, 3]),
            call(Op::Copy, base as u32, &[10, 1, 43, 3]),
            call(Op::ThreadConfigure, base as u32 + 2, &[base, base + 1, 0, 0, 0, priority]),
            call(Op::SchedConfigure, 96, &[base + 3, 1, 1]),
            call(Op::SchedBind, base as u32 + 3, &[base + 2]),
            call(Op::ThreadResume, base as u32 + 2, &[]),
        ]);
    }
    steps.extend([
        call(Op::Move, 50, &[8, 1, 44]),
        call(Op::Move, 50, &[9, 1, 45]),
        call(Op::Wait, 9, &[]),
        call(Op::Receive, 10, &[]).reply(8),
        call(Op::Call, 10, &[]),
        call(Op::SchedUnbind, 6, &[]),
        call(Op::Receive, 10, &[]).reply(9),
        call(Op::Call, 10, &[]),
        call(Op::Reply, 9, &[]),
        call(Op::SchedBind, 6, &[2]),
        call(Op::Poll, 1, &[]),
    ]);
    replay(&steps);
}

/// A core that runs on time which another core takes from it, moves and destroys, does not charge it any more.
#[test]
fn time_moves_to_another_core_while_it_is_used() {
    replay(&[
        call(Op::Retype, 32, &[8, 2, 0, 1, 81]),
        call(Op::Retype, 32, &[3, 0, 0, 1, 82]),
        call(Op::Retype, 32, &[4, 0, 0, 1, 85]),
        call(Op::ThreadConfigure, 82, &[1, 81, 0, 0, 0, 0x5050]),
        call(Op::SchedConfigure, 97, &[85, 100, 1000]),
        call(Op::SchedBind, 85, &[82]),
        call(Op::ThreadResume, 82, &[]),
        Step::from(Look).on(1),
        call(Op::SchedUnbind, 85, &[]),
        call(Op::SchedConfigure, 96, &[85, 100, 1000]),
        Step::from(Late(50)),
        call(Op::Delete, 1, &[85]),
        Step::from(Look).on(1),
    ]);
}

/// A server that goes on with time of its own for a caller whose time ended dies on another core: the caller owes that time.
#[test]
fn who_dies_on_another_core_used_time_for_a_caller() {
    let mut steps = vec![call(Op::Retype, 32, &[5, 0, 0, 1, 43]), call(Op::Retype, 32, &[6, 0, 0, 1, 44])];
    for (base, priority, budget) in [(50, 0x3030, 1000), (60, 0x2020, 100)] {
        steps.extend([
            call(Op::Retype, 32, &[2, 5, 0, 1, base]),
            call(Op::Retype, 32, &[8, 2, 0, 1, base + 1]),
            call(Op::Retype, 32, &[3, 0, 0, 1, base + 2]),
            call(Op::Retype, 32, &[4, 0, 0, 1, base + 3]),
            call(Op::Copy, base as u32, &[10, 1, 43, 3]),
            call(Op::ThreadConfigure, base as u32 + 2, &[base, base + 1, 0, 0, 0, priority]),
            call(Op::SchedConfigure, 97, &[base + 3, budget, 1000]),
            call(Op::SchedBind, base as u32 + 3, &[base + 2]),
            call(Op::ThreadResume, base as u32 + 2, &[]),
        ]);
    }
    steps.extend([
        call(Op::Move, 50, &[8, 1, 44]),
        Step::from(Look).on(1),
        call(Op::Receive, 10, &[]).reply(8).on(1),
        call(Op::Call, 10, &[]).on(1),
        Step::from(Pass(100)).on(1),
        Step::from(Late(50)).on(1),
        call(Op::Delete, 1, &[52]),
        Step::from(Look).on(1),
    ]);
    replay(&steps);
}

/// An idle core takes dead objects apart, which wakes a thread, and is interrupted.
#[test]
fn who_is_woken_by_an_interrupted_burial_runs() {
    replay(&[
        call(Op::Retype, 32, &[12, 0, 0, 1, 38]),
        call(Op::IrqSet, 16, &[38, 40]),
        call(Op::IrqBind, 38, &[9, 1]),
        call(Op::Retype, 32, &[1, 64, 0, 1, 40]),
        call(Op::Retype, 40, &[5, 0, 0, 1, 42]),
        call(Op::Retype, 40, &[5, 0, 0, 1, 43]),
        call(Op::Retype, 40, &[2, 5, 0, 1, 50]),
        call(Op::Retype, 40, &[8, 8, 0, 1, 51]),
        call(Op::Retype, 40, &[2, 5, 0, 1, 60]),
        call(Op::Retype, 40, &[8, 8, 0, 1, 61]),
        call(Op::Retype, 40, &[3, 0, 0, 1, 62]),
        call(Op::Retype, 40, &[6, 0, 0, 1, 64]),
        call(Op::Retype, 40, &[4, 0, 0, 1, 65]),
        call(Op::Retype, 40, &[1, 1, 0, 1, 33]),
        call(Op::Retype, 40, &[3, 0, 0, 1, 67]),
        call(Op::Move, 60, &[8, 1, 64]),
        call(Op::ThreadConfigure, 62, &[60, 61, 0, 0, 0, 0x5919]),
        call(Op::Copy, 60, &[10, 1, 42, 3]),
        call(Op::Copy, 60, &[21, 1, 43, 3]),
        call(Op::SchedConfigure, 97, &[65, 1, 1]),
        call(Op::SchedBind, 65, &[62]),
        call(Op::Copy, 60, &[1, 1, 65]),
        call(Op::Retype, 40, &[2, 5, 0, 1, 70]),
        call(Op::Retype, 40, &[8, 8, 0, 1, 71]),
        call(Op::Retype, 40, &[3, 0, 0, 1, 72]),
        call(Op::Retype, 40, &[9, 1, 0, 1, 73]),
        call(Op::Retype, 40, &[6, 0, 0, 1, 74]),
        call(Op::Retype, 40, &[4, 0, 0, 1, 75]),
        call(Op::Retype, 40, &[1, 1, 0, 1, 76]),
        call(Op::Copy, 70, &[1, 1, 70, 1]),
        call(Op::Move, 70, &[8, 1, 74]),
        call(Op::ThreadConfigure, 72, &[70, 71, 73]),
        call(Op::SchedConfigure, 96, &[75, 1, 1]),
        call(Op::SchedBind, 75, &[72]),
        call(Op::Retype, 40, &[2, 5, 0, 1, 80]),
        call(Op::Retype, 40, &[8, 8, 0, 1, 81]),
        call(Op::Retype, 40, &[3, 0, 0, 1, 82]),
        call(Op::Retype, 40, &[9, 1, 0, 1, 83]),
        call(Op::Retype, 40, &[3, 0, 0, 1, 84]),
        call(Op::Retype, 40, &[4, 0, 0, 1, 85]),
        call(Op::Retype, 40, &[1, 1, 0, 1, 86]),
        call(Op::Retype, 40, &[3, 0, 0, 1, 87]),
        call(Op::Retype, 40, &[3, 0, 0, 1, 11]),
        call(Op::Copy, 80, &[1, 1, 80]),
        call(Op::Copy, 80, &[2, 1, 82]),
        call(Op::Copy, 80, &[3, 1, 81]),
        call(Op::Copy, 80, &[5, 1, 83]),
        call(Op::Move, 80, &[4, 1, 86]),
        call(Op::ThreadConfigure, 82, &[80, 81, 83]),
        call(Op::Copy, 80, &[10, 1, 43, 3]),
        call(Op::Copy, 80, &[21, 1, 42, 1]),
        call(Op::SchedConfigure, 97, &[85, 1, 1]),
        call(Op::SchedBind, 85, &[82]),
        call(Op::Copy, 70, &[3, 1, 81]),
        call(Op::Copy, 70, &[16, 1, 80, 3]),
        call(Op::Copy, 80, &[16, 1, 50, 3]),
        call(Op::ThreadResume, 82, &[]),
        call(Op::Wait, 9, &[]),
        Step::from(Interrupt(40)),
        call(Op::IrqAck, 38, &[]),
        call(Op::ThreadResume, 62, &[]),
        call(Op::Wait, 9, &[]),
        Step::from(Look).on(1),
        call(Op::ReplyReceive, 21, &[]).reply(8).on(1),
        call(Op::Retype, 4, &[3, 0, 0, 16, 1]).on(1),
        Step::from(Interrupt(40)),
        call(Op::IrqAck, 38, &[]),
        call(Op::ThreadCancel, 62, &[]),
        call(Op::ThreadResume, 72, &[]),
        call(Op::Wait, 9, &[]),
        call(Op::Move, 16, &[28, 1, 8]),
        Step::from(Look).on(1),
        Step::from(Touch(0x111000)).on(1),
        call(Op::Retype, 4, &[2, 5, 0, 16, 3]).on(1),
        Step::from(Interrupt(40)),
        call(Op::ThreadResume, 62, &[]),
        Step::from(Look).on(1),
        call(Op::Receive, 10, &[]).reply(8).on(1),
        Step::from(Preempt(20)),
        call(Op::Retype, 4, &[4, 0, 0, 16, 6]).on(1),
        call(Op::Call, 21, &[]).on(1),
        call(Op::Reply, 8, &[]).on(1),
        call(Op::Call, 21, &[]).on(1),
        call(Op::ReplyReceive, 10, &[]).reply(28).on(1),
        call(Op::Revoke, 1, &[40]),
        Step::from(Again),
        Step::from(Look).on(1),
        Step::from(Again),
    ]);
}
