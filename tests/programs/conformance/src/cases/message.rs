//! Irqs that are messages of a device. No device sends any here: what is held to its interface is who can have them.

use abi::{ErrorCode, Kind, Op, Rights};
use agent::{Check, Fail, World, equal};

use super::common::*;
use crate::case::{Case, case, refusals};
use ErrorCode::*;

pub const CASES: &[Case] = &[
    refusals(
        "IR-MSG-001",
        "making an Irq a message needs IrqControl",
        &[(Op::IrqMessage, LOOK_UP_RIGHT)],
        look_up_control,
    ),
    refusals(
        "IR-MSG-002",
        "what becomes a message is an Irq with the right to bind",
        &[(Op::IrqMessage, LOOK_UP_RIGHT)],
        irq_argument,
    ),
    refusals("IR-MSG-003", "it is one of the device of a DmaSpace", &[(Op::IrqMessage, LOOK_UP_RIGHT)], space_argument),
    refusals(
        "IR-MSG-004",
        "an Irq is one message, of a DmaSpace that was bound, and all of them are one device's",
        &[(Op::IrqMessage, &[InvalidState])],
        one_device,
    ),
    refusals(
        "IR-MSG-005",
        "there are no devices and events beyond 32 bits, and no controllers but those of the machine",
        &[(Op::IrqMessage, &[InvalidArgument])],
        bad,
    ),
    refusals("IR-MSG-006", "an event is one Irq's", &[(Op::IrqMessage, &[Busy])], taken),
    case("IR-MSG-007", "a message is bound and acknowledged as a line is", bound),
    refusals(
        "IR-MSG-008",
        "with its DmaSpace an Irq's message ends, and it can be another",
        &[(Op::IrqAck, &[InvalidState])],
        ended,
    ),
    refusals(
        "IR-TARGET-001",
        "what a device writes is told to who may bind",
        &[(Op::IrqTarget, LOOK_UP_RIGHT)],
        target,
    ),
    refusals("IR-TARGET-002", "a line has no target", &[(Op::IrqTarget, &[InvalidState])], line),
];

const OWN: u32 = abi::SLOT_TABLE;
const NOTHING: Rights = Rights::empty();
/// A device that the machine does not have.
const DEVICE: u64 = 0xf8;
/// The registers of the frame and of the ITS of this machine, which has one of them.
const FRAME: u64 = 0x802_0000;
const ITS: u64 = 0x808_0000;

/// A DmaSpace that is not behind an IOMMU, with a page for a table of events.
fn space(w: &mut World) -> Check<u32> {
    let space = w.make(Kind::DmaSpace, 4)?;
    w.ok(Op::DmaBind, w.authority.iommu, &[space.into(), 0])?;
    Ok(space)
}

/// A message of a DmaSpace, and the controller that it goes through.
fn message(w: &mut World, space: u32, event: u64) -> Check<(u32, u64)> {
    let (irq, control) = (w.make(Kind::Irq, 0)?, w.authority.irq);
    for controller in [ITS, FRAME] {
        let args = [irq.into(), space.into(), DEVICE, event, controller];
        if w.ok(Op::IrqMessage, control, &args).is_ok() {
            return Ok((irq, controller));
        }
    }
    Err(Fail::from("this machine has neither an ITS nor a frame"))
}

fn look_up_control(w: &mut World) -> Check {
    let (irq, space, control) = (w.make(Kind::Irq, 0)?, space(w)?, w.authority.irq);
    look_up(w, Op::IrqMessage, &[irq.into(), space.into(), DEVICE, 0, ITS], Some((control, NOTHING)))
}

fn irq_argument(w: &mut World) -> Check {
    let (irq, space, control) = (w.make(Kind::Irq, 0)?, space(w)?, w.authority.irq);
    let args = [irq.into(), space.into(), DEVICE, 0, ITS];
    argument(w, Op::IrqMessage, control, &args, 0, Some((irq, Rights::IRQ_ACK)))
}

fn space_argument(w: &mut World) -> Check {
    let (irq, space, control) = (w.make(Kind::Irq, 0)?, space(w)?, w.authority.irq);
    let args = [irq.into(), space.into(), DEVICE, 0, ITS];
    argument(w, Op::IrqMessage, control, &args, 1, Some((space, NOTHING)))
}

fn one_device(w: &mut World) -> Check {
    let (own, control) = (space(w)?, w.authority.irq);
    let (irq, controller) = message(w, own, 0)?;
    let args = |irq: u32, space: u32, device: u64, event: u64| [irq.into(), space.into(), device, event, controller];
    w.refused(Op::IrqMessage, control, &args(irq, own, DEVICE, 1), InvalidState, 1)?;
    w.refused(Op::IrqSet, control, &[irq.into(), 200, 1], InvalidState, 1)?;
    let (other, unbound) = (w.make(Kind::Irq, 0)?, w.make(Kind::DmaSpace, 3)?);
    w.refused(Op::IrqMessage, control, &args(other, own, DEVICE + 1, 1), InvalidState, 2)?;
    w.refused(Op::IrqMessage, control, &args(other, unbound, DEVICE + 1, 0), InvalidState, 2)
}

fn bad(w: &mut World) -> Check {
    let (own, control) = (space(w)?, w.authority.irq);
    let (_, controller) = message(w, own, 0)?;
    let irq = w.make(Kind::Irq, 0)?;
    for (device, event, controller, argument) in [
        (1 << 32, 1, controller, 3),
        (DEVICE, 1 << 32, controller, 4),
        (DEVICE, 1, 0, 5),
        (DEVICE, 1, controller + 4, 5),
        (DEVICE, 1, u64::MAX, 5),
    ] {
        let args = [irq.into(), own.into(), device, event, controller];
        w.refused(Op::IrqMessage, control, &args, InvalidArgument, argument)?;
    }
    Ok(())
}

fn taken(w: &mut World) -> Check {
    let (own, control) = (space(w)?, w.authority.irq);
    let (first, controller) = message(w, own, 0)?;
    let irq = w.make(Kind::Irq, 0)?;
    let args = [irq.into(), own.into(), DEVICE, 0, controller];
    w.refused(Op::IrqMessage, control, &args, Busy, 4)?;
    w.ok(Op::Delete, OWN, &[first.into()])?;
    w.ok(Op::IrqMessage, control, &args).map(drop)
}

fn bound(w: &mut World) -> Check {
    let own = space(w)?;
    let (irq, controller) = message(w, own, 3)?;
    let bell = w.make(Kind::Notification, 0)?;
    let number = w.inspect(OWN, irq)?[4];
    let [address, data, ..] = w.ok(Op::IrqTarget, irq, &[])?;
    let expected = if controller == ITS { (ITS + 0x1_0040, 3) } else { (FRAME + 0x40, number) };
    equal((address, data), expected, "what the device is to write")?;
    equal(w.inspect(OWN, irq)?[5], DEVICE | 4 << 32, "device and event")?;
    w.ok(Op::IrqBind, irq, &[bell.into(), 1])?;
    w.ok(Op::IrqAck, irq, &[])?;
    equal(w.ok(Op::Poll, bell, &[])?[0], 0, "nothing was sent")
}

fn ended(w: &mut World) -> Check {
    let own = space(w)?;
    let (irq, controller) = message(w, own, 0)?;
    w.ok(Op::Delete, OWN, &[own.into()])?;
    // Whoever wants the device finds it free.
    let other = space(w)?;
    let args = [irq.into(), other.into(), DEVICE, 1, controller];
    w.ok(Op::IrqMessage, w.authority.irq, &args)?;
    w.ok(Op::Delete, OWN, &[other.into()])?;
    // The next call that makes something takes it apart, if it is not yet.
    let (_, _) = (w.make(Kind::Frame, 1)?, w.make(Kind::Frame, 1)?);
    w.refused(Op::IrqAck, irq, &[], InvalidState, 0)
}

fn target(w: &mut World) -> Check {
    let own = space(w)?;
    let (irq, _) = message(w, own, 0)?;
    look_up(w, Op::IrqTarget, &[], Some((irq, Rights::IRQ_ACK)))
}

fn line(w: &mut World) -> Check {
    let irq = w.make(Kind::Irq, 0)?;
    w.refused(Op::IrqTarget, irq, &[], InvalidState, 0)?;
    w.ok(Op::IrqSet, w.authority.irq, &[irq.into(), 200, 1])?;
    w.refused(Op::IrqTarget, irq, &[], InvalidState, 0)
}
