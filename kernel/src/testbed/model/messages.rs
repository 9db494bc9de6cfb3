//! Messages of devices.

use abi::{ErrorCode, Kind, layout::MemoryType, layout::PAGE};

use super::state::{Leaf, Message};
use super::{At, Call, Irq, Model, Next, Out, refuse};
use crate::arch::{FRAME, ITS};

const INVOKE: u8 = 1;
const IRQ_BIND: u8 = 1;
/// Lines of the frame, messages of the ITS, devices and events that it knows.
const LINES: core::ops::Range<u32> = 80..88;
const MESSAGES: core::ops::Range<u32> = 8192..8204;
const DEVICES: u32 = 256;
const EVENTS: u32 = 16;
/// Where a device finds the doorbell.
const DOORBELL: u64 = 0x1000;

pub fn irq_message(m: &mut Model, call: &Call) -> Out {
    m.bury()?;
    let [irq, space, device, event, registers, ..] = call.x;
    m.get(call, call.target, Kind::IrqControl, INVOKE, 0)?;
    let irq = m.object(call, irq, Kind::Irq, IRQ_BIND, 1)?;
    let space = m.object(call, space, Kind::DmaSpace, INVOKE, 2)?;
    if m.irqs[&irq].line.is_some() {
        return refuse(ErrorCode::InvalidState, 1);
    }
    if !m.spaces[&space].bound {
        return refuse(ErrorCode::InvalidState, 2);
    }
    let Ok(device) = u32::try_from(device) else { return refuse(ErrorCode::InvalidArgument, 3) };
    let Ok(event) = u32::try_from(event) else { return refuse(ErrorCode::InvalidArgument, 4) };
    if registers != FRAME && registers != ITS {
        return refuse(ErrorCode::InvalidArgument, 5);
    }
    let message = Message { space, device, event, its: registers == ITS };
    let own: Vec<Message> = m.spaces[&space].messages.iter().filter_map(|irq| m.irqs[irq].message).collect();
    if own.iter().any(|other| (other.device, other.its) != (device, message.its)) {
        return refuse(ErrorCode::InvalidState, 2);
    }
    if own.iter().any(|other| other.event == event) {
        return refuse(ErrorCode::Busy, 4);
    }
    if message.its {
        let is_anothers = |other: Message| other.its && other.device == device && other.space != space;
        if m.irqs.values().filter_map(|irq| irq.message).any(is_anothers) {
            return refuse(ErrorCode::Busy, 3);
        }
        if device >= DEVICES {
            return refuse(ErrorCode::Unsupported, 3);
        }
        if event >= EVENTS {
            return refuse(ErrorCode::InvalidArgument, 4);
        }
    }
    let mut lines = if message.its { MESSAGES } else { LINES };
    let free = |line: &u32| m.lines.get(line).is_none_or(Vec::is_empty);
    let Some(line) = lines.find(free) else { return refuse(ErrorCode::Busy, 5) };
    if own.is_empty() {
        prepare(m, message)?;
    }
    let object = m.irq(irq);
    (object.line, object.edge, object.message) = (Some(line), true, Some(message));
    m.lines.entry(line).or_default().insert(0, irq);
    m.space(space).messages.insert(0, irq);
    Ok(Next::Done)
}

/// The doorbell and the table of events of a device that had no message.
fn prepare(m: &mut Model, message: Message) -> super::Step {
    let Message { space, its, .. } = message;
    if m.spaces[&space].stream.is_some() {
        let base = if its { ITS + 0x1_0000 } else { FRAME };
        if let Err(code) = m.level_for(space, DOORBELL, base, 1) {
            return refuse(code, 0);
        }
        let leaf = Leaf { level: 3, base, write: true, execute: false, memory: MemoryType::DeviceNgnre };
        m.space(space).leaves.insert(DOORBELL, leaf);
    }
    if its && m.free_pages(space) == 0 {
        m.space(space).leaves.remove(&DOORBELL);
        return refuse(ErrorCode::NoPool, 0);
    }
    m.space(space).events = its;
    Ok(())
}

pub fn irq_target(m: &mut Model, call: &Call) -> Out {
    let irq = m.target(call, Kind::Irq, IRQ_BIND)?;
    let Irq { message: Some(Message { space, event, its, .. }), line: Some(line), .. } = m.irqs[&irq] else {
        return refuse(ErrorCode::InvalidState, 0);
    };
    let doorbell = if its { ITS + 0x1_0040 } else { FRAME + 0x40 };
    let mapped = m.spaces[&space].leaves.contains_key(&DOORBELL);
    let address = if mapped { DOORBELL + doorbell % PAGE } else { doorbell };
    Ok(m.answer(call.caller, [address, if its { event } else { line }.into(), 0, 0, 0, 0, 0, 0]))
}

impl Model {
    /// It is no message any more.
    pub fn forget_message(&mut self, irq: At) {
        let Some(Message { space, .. }) = self.irq(irq).message.take() else { return };
        if let Some(line) = self.irqs[&irq].line.filter(|line| MESSAGES.contains(line)) {
            self.open.remove(&line);
        }
        let space = self.space(space);
        space.messages.retain(|&other| other != irq);
        if space.messages.is_empty() {
            space.events = false;
            space.leaves.remove(&DOORBELL);
        }
    }
}
