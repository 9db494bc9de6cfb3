//! What must always hold of messages: an ITS has what the Irqs say, and nothing else.

use super::*;
use crate::arch::ITS;
use crate::message::{FIRST, Message};
use crate::object::DmaSpace;

impl Checker {
    pub(super) fn check_messages(&self, k: &Kernel) -> Check {
        let (mut events, mut devices) = (0, 0);
        for &(kind, number) in &self.objects {
            if kind == Kind::Irq {
                events += self.check_message(k, object(number))?;
            } else if kind == Kind::DmaSpace {
                devices += self.check_device(k, object(number))?;
            }
        }
        must!(events == k.machine.events.len(), "the ITS has {} events, and {events} are Irqs", k.machine.events.len());
        let tables = k.machine.devices.len();
        must!(devices == tables, "the ITS has tables of {tables} devices, and {devices} are in DmaSpaces");
        let listed = k.devices().take(1 + devices).count();
        must!(listed == devices, "{listed} DmaSpaces are in the list of those that have one, of {devices}");
        Ok(())
    }

    /// 1 if it is a message to the ITS.
    fn check_message(&self, k: &Kernel, irq: Ref<Irq>) -> Result<usize, String> {
        let i = &k.mem[irq];
        let Some(Message { device, event, controller, core }) = i.message else {
            must!(i.space.is_none() && i.sibling.is_none(), "{irq:?} is no message and somebody's");
            return Ok(0);
        };
        let space = i.space.ok_or(format!("{irq:?} is a message of nobody"))?;
        must!(self.objects.contains(&(Kind::DmaSpace, space.number())), "{irq:?} is a message of what is gone");
        let count = k.messages_of(space).take(100).filter(|&other| other == irq).count();
        must!(count == 1, "{irq:?} is {count} times a message of {space:?}");
        let line = i.line.ok_or(format!("{irq:?} is a message without a number"))?;
        must!(i.edge && (line >= FIRST) == (controller == 1), "{irq:?} is message {line} of controller {controller}");
        if line < FIRST {
            return Ok(0);
        }
        let have = k.machine.events.get(&(controller, device, event));
        must!(have == Some(&(line, core.into())), "{irq:?} is message {line} to core {core}, and to the ITS {have:?}");
        Ok(1)
    }

    /// 1 if the ITS has a table of its device's events.
    fn check_device(&self, k: &Kernel, space: Ref<DmaSpace>) -> Result<usize, String> {
        let s = &k.mem[space.tables()];
        if s.events == Phys(0) {
            return Ok(0);
        }
        let first = s.messages.and_then(|irq| k.mem[irq].message);
        let Some(Message { device, controller, .. }) = first else {
            return Err(format!("{space:?} has a table of events and no message"));
        };
        let have = k.machine.devices.get(&(controller, device));
        must!(have == Some(&s.events.0), "the ITS has {have:x?} for device {device:#x}, not {:?}", s.events);
        must!(
            k.devices().take(1000).any(|other| other == space),
            "{space:?} is not in the list of those that have one"
        );
        Ok(1)
    }

    /// A device that goes through the tables of its DmaSpace finds its doorbell there; nobody else does. What is left are the
    /// Frames.
    pub(super) fn check_doorbell(s: &AddressSpace, leaves: &mut Vec<(u64, u64)>) -> Check {
        if s.header.kind != Kind::DmaSpace {
            return Ok(());
        }
        let page = leaves.first().filter(|(address, _)| *address < 0x1_0000).copied();
        must!(page.is_some() == (s.messages.is_some() && s.reach.stream().is_some()), "a doorbell that is nobody's");
        if let Some((address, value)) = page {
            let frame = crate::arch::FRAME;
            let place = pte::address(value).0;
            must!(address == 0x1000 && [ITS + 0x1_0000, frame].contains(&place), "{address:#x} is {value:#x}");
            leaves.remove(0);
        }
        Ok(())
    }
}
