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
