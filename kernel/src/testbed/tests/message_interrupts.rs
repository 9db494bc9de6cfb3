//! Irqs that are messages of a device: through an ITS, through a frame, and what becomes of them when somebody goes.

use abi::{ErrorCode, Kind, Op, Rights};

use super::{Bed, TABLE};
use crate::arch::{FRAME, ITS};
use crate::message::FIRST;
use crate::testbed::bed::SMMU;

const CONTROL: u32 = abi::SLOT_IRQ_CONTROL;
const SPACE: u32 = 60;
const OTHER: u32 = 61;
const DEVICE: u64 = 0x18;

/// `count` Irqs from slot 100 on, each with a Notification from 200 on, and two DmaSpaces of which one has a stream.
fn bed(count: u32) -> Bed {
    let mut bed = Bed::new();
    for index in 0..count {
        bed.make(Kind::Irq, 0, 100 + index);
        bed.make(Kind::Notification, 0, 200 + index);
    }
    bed.make(Kind::DmaSpace, 8, SPACE);
    bed.make(Kind::DmaSpace, 4, OTHER);
    bed.ok(Op::DmaBind, abi::SLOT_IOMMU_CONTROL, &[SPACE.into(), SMMU, DEVICE]);
    bed.ok(Op::DmaBind, abi::SLOT_IOMMU_CONTROL, &[OTHER.into(), 0, 0]);
    bed
}

fn message(bed: &mut Bed, irq: u32, space: u32, device: u64, event: u64, controller: u64) {
    bed.ok(Op::IrqMessage, CONTROL, &[irq.into(), space.into(), device, event, controller]);
}

fn refused(bed: &mut Bed, args: [u64; 5]) -> (ErrorCode, u8) {
    bed.refused(Op::IrqMessage, CONTROL, &args)
}

fn bind(bed: &mut Bed, index: u32) {
    bed.ok(Op::IrqBind, 100 + index, &[u64::from(200 + index), 1 << index]);
}

fn bits(bed: &mut Bed, index: u32) -> u64 {
    bed.ok(Op::Poll, 200 + index, &[])[0]
}

fn target(bed: &mut Bed, index: u32) -> [u64; 2] {
    let [address, data, ..] = bed.ok(Op::IrqTarget, 100 + index, &[]);
    [address, data]
}

#[test]
fn a_message_wakes_who_is_bound_and_is_masked_until_it_is_acknowledged() {
    let mut bed = bed(2);
    for (index, event) in [(0, 0), (1, 7)] {
        message(&mut bed, 100 + index, SPACE, DEVICE, event, ITS);
        assert!(!bed.k.machine.open.contains(&(FIRST + index)), "nobody listens yet");
        bind(&mut bed, index);
        assert_eq!(target(&mut bed, index), [0x1040, event]);
    }
    bed.interrupt(&[FIRST]);
    assert_eq!((bits(&mut bed, 0), bits(&mut bed, 1)), (1, 0));
    assert!(!bed.k.machine.open.contains(&FIRST) && bed.k.machine.open.contains(&(FIRST + 1)));
    bed.ok(Op::IrqAck, 100, &[]);
    bed.interrupt(&[FIRST, FIRST + 1]);
    assert_eq!((bits(&mut bed, 0), bits(&mut bed, 1)), (1, 2));
    let seen = bed.ok(Op::DebugCap, abi::SLOT_DEBUG, &[TABLE, 101]);
    assert_eq!(seen[4..6], [u64::from(FIRST + 1), DEVICE | 8 << 32]);
}

#[test]
fn a_message_through_a_frame_is_one_of_its_lines() {
    let mut bed = bed(10);
    for index in 0..8 {
        // A frame does not know the device.
        message(&mut bed, 100 + index, OTHER, 0, index.into(), FRAME);
        assert_eq!(target(&mut bed, index), [FRAME + 0x40, 80 + u64::from(index)]);
    }
    assert_eq!(refused(&mut bed, [108, OTHER.into(), 0, 8, FRAME]), (ErrorCode::Busy, 5));
    bind(&mut bed, 3);
    assert_eq!((bed.k.machine.triggers[&83], bed.k.machine.open.contains(&83)), (true, true));
    bed.interrupt(&[83]);
    assert_eq!(bits(&mut bed, 3), 8);
    // A line that has an Irq is no message.
    bed.ok(Op::Delete, 1, &[103]);
    bed.ok(Op::IrqSet, CONTROL, &[108, 83, 0]);
    assert_eq!(refused(&mut bed, [109, OTHER.into(), 0, 9, FRAME]), (ErrorCode::Busy, 5));
    bed.ok(Op::Delete, 1, &[102]);
    message(&mut bed, 109, OTHER, 0, 9, FRAME);
    assert_eq!(target(&mut bed, 9), [FRAME + 0x40, 82]);
}

#[test]
fn refusals() {
    let mut bed = bed(20);
    bed.give(1, 43, 100, Rights::IRQ_ACK, 0);
    let space = u64::from(SPACE);
    let cases = [
        ([43, space, DEVICE, 0, ITS], (ErrorCode::MissingRight, 1)),
        ([SPACE.into(), space, DEVICE, 0, ITS], (ErrorCode::WrongKind, 1)),
        ([100, 100, DEVICE, 0, ITS], (ErrorCode::WrongKind, 2)),
        ([100, space, 1 << 32, 0, ITS], (ErrorCode::InvalidArgument, 3)),
        ([100, space, DEVICE, 1 << 32, ITS], (ErrorCode::InvalidArgument, 4)),
        ([100, space, DEVICE, 16, ITS], (ErrorCode::InvalidArgument, 4)),
        ([100, space, DEVICE, 0, ITS + 8], (ErrorCode::InvalidArgument, 5)),
        ([100, space, 256, 0, ITS], (ErrorCode::Unsupported, 3)),
    ];
    for (args, error) in cases {
        assert_eq!(refused(&mut bed, args), error, "{args:x?}");
    }
    assert_eq!(bed.refused(Op::IrqTarget, 100, &[]), (ErrorCode::InvalidState, 0));
    assert_eq!(bed.refused(Op::IrqTarget, 43, &[]), (ErrorCode::MissingRight, 0));
    bed.make(Kind::DmaSpace, 3, 90);
    assert_eq!(refused(&mut bed, [100, 90, DEVICE, 0, ITS]), (ErrorCode::InvalidState, 2), "it was not bound");
    message(&mut bed, 100, SPACE, DEVICE, 0, ITS);
    for args in [[100, space, DEVICE, 1, ITS], [100, space, 0, 1, FRAME]] {
        assert_eq!(refused(&mut bed, args), (ErrorCode::InvalidState, 1));
    }
    for args in [[101, space, DEVICE + 1, 1, ITS], [101, space, DEVICE, 1, FRAME]] {
        assert_eq!(refused(&mut bed, args), (ErrorCode::InvalidState, 2));
    }
    assert_eq!(refused(&mut bed, [101, space, DEVICE, 0, ITS]), (ErrorCode::Busy, 4));
    assert_eq!(refused(&mut bed, [101, OTHER.into(), DEVICE, 1, ITS]), (ErrorCode::Busy, 3), "another's device");
    assert_eq!(bed.refused(Op::IrqSet, CONTROL, &[100, 40, 1]), (ErrorCode::InvalidState, 1));
    assert_eq!(bed.refused(Op::IrqSet, CONTROL, &[101, FIRST.into(), 1]), (ErrorCode::InvalidArgument, 2));
    // There are twelve.
    (1..12).for_each(|index| message(&mut bed, 100 + index, SPACE, DEVICE, index.into(), ITS));
    assert_eq!(refused(&mut bed, [112, space, DEVICE, 12, ITS]), (ErrorCode::Busy, 5));
}

#[test]
fn a_device_needs_a_page_for_its_table_and_tables_for_its_doorbell() {
    let mut bed = bed(1);
    for pages in 3..7 {
        bed.make(Kind::DmaSpace, pages, 62 + pages as u32);
        bed.ok(Op::DmaBind, abi::SLOT_IOMMU_CONTROL, &[62 + pages, SMMU, pages]);
        let args = [100, 62 + pages, 1, 0, ITS];
        assert_eq!(bed.refused(Op::IrqMessage, CONTROL, &args), (ErrorCode::NoPool, 0), "{pages} pages");
    }
    bed.make(Kind::DmaSpace, 3, 90);
    bed.ok(Op::DmaBind, abi::SLOT_IOMMU_CONTROL, &[90, 0, 0]);
    assert_eq!(refused(&mut bed, [100, 90, 1, 0, ITS]), (ErrorCode::NoPool, 0));
    message(&mut bed, 100, 90, 0, 0, FRAME);
    assert_eq!(target(&mut bed, 0), [FRAME + 0x40, 80]);
}

#[test]
fn a_device_without_messages_is_unknown_to_the_its() {
    let mut bed = bed(2);
    for _ in 0..3 {
        bed.make(Kind::Irq, 0, 110);
        bed.make(Kind::Irq, 0, 111);
        message(&mut bed, 110, SPACE, DEVICE, 0, ITS);
        message(&mut bed, 111, SPACE, DEVICE, 1, ITS);
        bed.ok(Op::IrqBind, 111, &[201, 1]);
        bed.interrupt(&[FIRST + 1]);
        bed.ok(Op::Delete, 1, &[111]);
        assert!(!bed.k.machine.devices.is_empty());
        bed.ok(Op::Delete, 1, &[110]);
        assert!(bed.k.machine.devices.is_empty() && bed.k.machine.events.is_empty());
        // Now it is another's.
        bed.make(Kind::Irq, 0, 110);
        message(&mut bed, 110, OTHER, DEVICE, 0, ITS);
        assert_eq!(target_of(&mut bed, 110), ITS + 0x1_0040);
        bed.ok(Op::Delete, 1, &[110]);
    }
}

fn target_of(bed: &mut Bed, slot: u32) -> u64 {
    bed.ok(Op::IrqTarget, slot, &[])[0]
}

#[test]
fn a_space_that_ends_takes_its_messages_along() {
    let mut bed = bed(3);
    for index in 0..3 {
        message(&mut bed, 100 + index, SPACE, DEVICE, index.into(), ITS);
        bind(&mut bed, index);
    }
    bed.interrupt(&[FIRST]);
    bed.ok(Op::Delete, 1, &[SPACE.into()]);
    // Whoever wants the device finds it free.
    message(&mut bed, 100, OTHER, DEVICE, 5, ITS);
    assert_eq!(bed.k.machine.events.len(), 1);
    for index in [1, 2] {
        for op in [Op::IrqAck, Op::IrqTarget] {
            assert_eq!(bed.refused(op, 100 + index, &[]), (ErrorCode::InvalidState, 0));
        }
    }
    bind(&mut bed, 0);
    bed.interrupt(&[FIRST]);
    assert_eq!(bits(&mut bed, 0), 1);
    bed.ok(Op::IrqSet, CONTROL, &[101, 40, 0]);
    bind(&mut bed, 1);
}

#[test]
fn an_its_that_does_not_answer_changes_nothing() {
    let mut bed = bed(2);
    message(&mut bed, 100, SPACE, DEVICE, 0, ITS);
    bed.k.machine.silent = true;
    let args = [101, OTHER.into(), 1, 0, ITS];
    assert_eq!(bed.refused(Op::IrqMessage, CONTROL, &args), (ErrorCode::Unsupported, 3));
}
