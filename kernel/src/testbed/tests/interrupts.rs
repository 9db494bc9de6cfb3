//! Irq: lines, sharers, masking, and what becomes of the line when somebody goes.

use abi::{ErrorCode, Kind, Op, Rights};

use super::{Bed, TABLE};

const CONTROL: u32 = abi::SLOT_IRQ_CONTROL;
const LINE: u64 = 40;

/// `count` Irqs in slots 100… on one line, each bound to its Notification in 200….
fn sharers(count: u32) -> Bed {
    let mut bed = Bed::new();
    for index in 0..count {
        bed.make(Kind::Irq, 0, 100 + index);
        bed.make(Kind::Notification, 0, 200 + index);
        bed.ok(Op::IrqSet, CONTROL, &[u64::from(100 + index), LINE, 0]);
    }
    assert!(!bed.k.machine.open.contains(&(LINE as u32)), "nobody listens yet");
    for index in 0..count {
        bed.ok(Op::IrqBind, 100 + index, &[u64::from(200 + index), 1 << index]);
    }
    bed
}

fn open(bed: &Bed) -> bool {
    bed.k.machine.open.contains(&(LINE as u32))
}

fn bits(bed: &mut Bed, index: u32) -> u64 {
    bed.ok(Op::Poll, 200 + index, &[])[0]
}

#[test]
fn refusals() {
    let mut bed = Bed::new();
    bed.make(Kind::Irq, 0, 40);
    bed.make(Kind::Notification, 0, 41);
    bed.give(1, 42, 41, Rights::WAIT, 0);
    bed.give(1, 43, 40, Rights::IRQ_ACK, 0);
    for line in [0, 27, 31, 288, 1020, 1 << 32, u64::MAX] {
        assert_eq!(bed.refused(Op::IrqSet, CONTROL, &[40, line, 0]), (ErrorCode::InvalidArgument, 2));
    }
    assert_eq!(bed.refused(Op::IrqSet, CONTROL, &[40, LINE, 2]), (ErrorCode::InvalidArgument, 3));
    assert_eq!(bed.refused(Op::IrqSet, CONTROL, &[43, LINE, 0]), (ErrorCode::MissingRight, 1));
    assert_eq!(bed.refused(Op::IrqBind, 40, &[41, 1]), (ErrorCode::InvalidState, 0));
    assert_eq!(bed.refused(Op::IrqAck, 40, &[]), (ErrorCode::InvalidState, 0));
    bed.ok(Op::IrqSet, CONTROL, &[40, LINE, 1]);
    assert_eq!(bed.refused(Op::IrqSet, CONTROL, &[40, LINE, 1]), (ErrorCode::InvalidState, 1));
    assert_eq!(bed.refused(Op::IrqBind, 40, &[42, 1]), (ErrorCode::MissingRight, 1));
    bed.make(Kind::Irq, 0, 44);
    assert_eq!(bed.refused(Op::IrqSet, CONTROL, &[44, LINE, 0]), (ErrorCode::InvalidArgument, 3), "level and edge");
    let mut bed = sharers(8);
    bed.make(Kind::Irq, 0, 40);
    assert_eq!(bed.refused(Op::IrqSet, CONTROL, &[40, LINE, 0]), (ErrorCode::Busy, 2));
    bed.ok(Op::Delete, 1, &[103]);
    bed.ok(Op::IrqSet, CONTROL, &[40, LINE, 0]);
}

#[test]
fn the_badge_is_signalled_too() {
    let mut bed = sharers(0);
    bed.make(Kind::Irq, 0, 100);
    bed.make(Kind::Notification, 0, 200);
    bed.give(1, 201, 200, Rights::SIGNAL, 0x100);
    bed.ok(Op::IrqSet, CONTROL, &[100, LINE, 0]);
    bed.ok(Op::IrqBind, 100, &[201, 2]);
    bed.interrupt(&[LINE as u32]);
    assert_eq!(bits(&mut bed, 0), 0x102);
}

#[test]
fn a_line_opens_when_all_sharers_acknowledged() {
    let mut bed = sharers(3);
    assert!(open(&bed));
    bed.interrupt(&[LINE as u32]);
    assert!(!open(&bed));
    for index in 0..3 {
        assert_eq!(bits(&mut bed, index), 1 << index);
        assert!(!open(&bed));
        bed.ok(Op::IrqAck, 100 + index, &[]);
        bed.ok(Op::IrqAck, 100 + index, &[]);
    }
    assert!(open(&bed));
}

#[test]
fn who_goes_does_not_keep_the_line_closed() {
    // The Irq deleted, its Notification revoked, the Irq bound anew: each stands for an acknowledgement.
    let ends: [fn(&mut Bed); 3] = [
        |bed| {
            bed.ok(Op::Delete, 1, &[102]);
        },
        |bed| {
            bed.ok(Op::Revoke, 1, &[202]);
        },
        |bed| {
            bed.ok(Op::IrqBind, 102, &[200, 4]);
        },
    ];
    for end in ends {
        let mut bed = sharers(3);
        bed.interrupt(&[LINE as u32]);
        bed.ok(Op::IrqAck, 100, &[]);
        bed.ok(Op::IrqAck, 101, &[]);
        assert!(!open(&bed));
        end(&mut bed);
        bed.check();
        assert!(open(&bed));
    }
}

#[test]
fn a_line_without_listener_stays_masked() {
    let mut bed = sharers(2);
    bed.ok(Op::Revoke, 1, &[200]);
    assert!(open(&bed));
    bed.ok(Op::Delete, 1, &[101]);
    assert!(!open(&bed));
    bed.ok(Op::IrqAck, 100, &[]);
    assert!(!open(&bed), "acknowledging is not listening");
    bed.ok(Op::IrqBind, 100, &[200, 1]);
    assert!(open(&bed));
    bed.ok(Op::Delete, 1, &[100]);
    assert!(!open(&bed));
    assert_eq!(bed.ok(Op::DebugCap, abi::SLOT_DEBUG, &[TABLE, 200])[0], Kind::Notification as u64);
}

#[test]
fn memory_of_an_irq_returns_with_its_line() {
    let mut bed = Bed::new();
    bed.make(Kind::Untyped, 4, 40);
    bed.make(Kind::Notification, 0, 41);
    for _ in 0..3 {
        bed.make_of(40, Kind::Irq, 0, 100);
        bed.make_of(40, Kind::Irq, 0, 101);
        for irq in [100, 101] {
            bed.ok(Op::IrqSet, CONTROL, &[irq, LINE, 0]);
            bed.ok(Op::IrqBind, irq as u32, &[41, 1]);
        }
        bed.interrupt(&[LINE as u32]);
        bed.ok(Op::Revoke, 1, &[40]);
        assert!(!open(&bed));
    }
}

#[test]
fn a_signal_from_another_core_stays_open() {
    let mut bed = Bed::new();
    bed.k.machine.unmask(0);
    bed.interrupt(&[0]);
    assert!(bed.k.machine.open.contains(&0), "no other core reaches this one any more");
}
