//! Messages of devices: Irqs that are events of a device instead of a line.
//!
//! With an ITS the table of a device's events is a page of its DmaSpace's pool, from its first message to its last. With a v2m frame
//! a message is one of the frame's lines, which whoever reaches the frame can fire.

use abi::{ErrorCode, Kind, Rights, SyscallError};

use super::{AddressSpace, DmaSpace, Irq, Reach, Thread};
use crate::kernel::{Kernel, Next, Res};
use crate::message::{Controller, FIRST, Message};
use crate::mm::{Phys, Ref};
use crate::syscall::Args;

/// What is to become of an Irq.
struct Plan {
    irq: Ref<Irq>,
    space: Ref<DmaSpace>,
    controller: Controller,
    message: Message,
    /// The line of a frame, or the number of the message.
    line: u32,
}

fn bad(argument: u8) -> SyscallError {
    SyscallError::new(ErrorCode::InvalidArgument, argument)
}

impl Kernel {
    fn decode_message(&self, caller: Ref<Thread>, args: &Args) -> Res<Plan> {
        let [irq, space, device, event, registers, ..] = args.words;
        self.get_cap(caller, args.target(), Kind::IrqControl, Rights::INVOKE, 0)?;
        let (irq, _) = self.get::<Irq>(caller, irq, Rights::IRQ_BIND, 1)?;
        let (space, _) = self.get::<DmaSpace>(caller, space, Rights::INVOKE, 2)?;
        if self.mem[irq].line.is_some() {
            return Err(SyscallError::new(ErrorCode::InvalidState, 1));
        }
        if self.mem[space.tables()].reach == Reach::Nothing {
            return Err(SyscallError::new(ErrorCode::InvalidState, 2));
        }
        let device = u32::try_from(device).map_err(|_| bad(3))?;
        let event = u32::try_from(event).map_err(|_| bad(4))?;
        let (number, controller) = self.controller_at(registers).ok_or(bad(5))?;
        let core = self.sched.own() as u8;
        let message = Message { device, event, controller: number, core };
        let other = self.mem[space.tables()].messages.and_then(|first| self.mem[first].message);
        if other.is_some_and(|other| other.device != device || other.controller != number) {
            return Err(SyscallError::new(ErrorCode::InvalidState, 2));
        }
        let taken = |irq: Ref<Irq>| self.mem[irq].message.is_some_and(|other| other.event == event);
        if self.messages_of(space).any(taken) {
            return Err(SyscallError::new(ErrorCode::Busy, 4));
        }
        let line = match controller.lines {
            Some((first, count)) => self.free_line(first, count),
            None => self.free_message(space, &message)?,
        };
        let line = line.ok_or(SyscallError::new(ErrorCode::Busy, 5))?;
        Ok(Plan { irq, space, controller, message, line })
    }

    fn controller_at(&self, registers: u64) -> Option<(u8, Controller)> {
        let mut all = (0..).map_while(|number| Some((number, self.machine.message_controller(number.into())?)));
        all.find(|(_, controller)| controller.registers == registers)
    }

    /// A line of a frame that has no Irq.
    fn free_line(&self, first: u32, count: u32) -> Option<u32> {
        (first..first.saturating_add(count)).find(|&line| self.lines.first(line).is_none())
    }

    /// The number of a message to an ITS that is nobody's, if the device can have it.
    fn free_message(&self, space: Ref<DmaSpace>, message: &Message) -> Res<Option<u32>> {
        let is_same = |other: Message| (other.controller, other.device) == (message.controller, message.device);
        let first = |space: Ref<DmaSpace>| self.messages_of(space).next().and_then(|irq| self.mem[irq].message);
        if self.devices().any(|other| other != space && first(other).is_some_and(is_same)) {
            return Err(SyscallError::new(ErrorCode::Busy, 3));
        }
        let events = self.machine.message_events(&self.mem, message.controller, message.device);
        if events == 0 {
            return Err(SyscallError::new(ErrorCode::Unsupported, 3));
        }
        if message.event >= events {
            return Err(bad(4));
        }
        Ok(self.lines.free_message().filter(|number| number - FIRST < self.machine.messages()))
    }

    /// The DmaSpaces whose devices have a table of events in an ITS.
    pub(crate) fn devices(&self) -> impl Iterator<Item = Ref<DmaSpace>> {
        core::iter::successors(self.lines.devices, |space| self.mem[space.tables()].next_device)
    }

    fn make_message(&mut self, plan: &Plan) -> Res<()> {
        let Plan { irq, space, controller, message, line } = *plan;
        let through_its = controller.lines.is_none();
        let is_first = self.mem[space.tables()].messages.is_none();
        if is_first {
            self.prepare_messages(space, &message, controller.doorbell, through_its)?;
        }
        if through_its {
            let Self { mem, machine, .. } = self;
            if !machine.map_message(mem, &message, line) {
                // It does not work any more, and there is nothing to be undone there.
                if is_first {
                    self.end_messages(space, &message);
                }
                return Err(SyscallError::new(ErrorCode::Unsupported, 5));
            }
        } else {
            self.machine.configure(line, true);
        }
        self.lines.set_first(line, Some(irq));
        let sibling = self.mem[space.tables()].messages.replace(irq);
        let object = &mut self.mem[irq];
        (object.line, object.edge, object.message) = (Some(line), true, Some(message));
        (object.space, object.sibling) = (Some(space), sibling);
        Ok(())
    }

    /// A device that had no message gets its table, if it goes through an ITS, and reaches the doorbell.
    fn prepare_messages(
        &mut self,
        space: Ref<DmaSpace>,
        message: &Message,
        doorbell: u64,
        through_its: bool,
    ) -> Res<()> {
        self.attach_doorbell(space, doorbell)?;
        if through_its {
            let page = self.take_pool_page(space).inspect_err(|_| self.detach_doorbell(space))?;
            self.mem[space.tables()].events = page;
            self.mem[space.tables()].next_device = self.lines.devices.replace(space);
            let Self { mem, machine, .. } = self;
            if !machine.map_message_device(mem, message.controller, message.device, page) {
                self.end_messages(space, message);
                return Err(SyscallError::new(ErrorCode::Unsupported, 5));
            }
        }
        Ok(())
    }

    /// A device has no message any more: its table is another's, and it does not reach the doorbell.
    fn end_messages(&mut self, space: Ref<DmaSpace>, message: &Message) {
        let page = core::mem::replace(&mut self.mem[space.tables()].events, Phys(0));
        if page != Phys(0) {
            let Self { mem, machine, .. } = self;
            machine.unmap_message_device(mem, message.controller, message.device);
            self.give_pool_page(space, page);
            self.forget_device(space);
        }
        self.detach_doorbell(space);
    }

    fn forget_device(&mut self, space: Ref<DmaSpace>) {
        let next = self.mem[space.tables()].next_device.take();
        if self.lines.devices == Some(space) {
            self.lines.devices = next;
        } else {
            let before = self.devices().find(|other| self.mem[other.tables()].next_device == Some(space));
            if let Some(before) = before {
                self.mem[before.tables()].next_device = next;
            }
        }
    }

    /// The Irqs that are messages of a device.
    pub(crate) fn messages_of(&self, space: Ref<DmaSpace>) -> impl Iterator<Item = Ref<Irq>> {
        core::iter::successors(self.mem[space.tables()].messages, |&irq| self.mem[irq].sibling)
    }

    /// An Irq is no message any more. Its line, if it has one of a frame, it keeps.
    pub(super) fn forget_message(&mut self, irq: Ref<Irq>) {
        let object = &mut self.mem[irq];
        let (Some(message), Some(space)) = (object.message.take(), object.space.take()) else { return };
        let (line, sibling) = (object.line, object.sibling.take());
        if self.mem[space.tables()].messages == Some(irq) {
            self.mem[space.tables()].messages = sibling;
        } else {
            let before = self.messages_of(space).find(|&other| self.mem[other].sibling == Some(irq));
            if let Some(before) = before {
                self.mem[before].sibling = sibling;
            }
        }
        if line.is_some_and(|line| line >= FIRST) {
            let Self { mem, machine, .. } = self;
            machine.unmap_message(mem, &message);
        }
        if self.mem[space.tables()].messages.is_none() {
            self.end_messages(space, &message);
        }
    }

    /// A DmaSpace ends: one of its messages goes, and its Irq is as if it were new. `false`: there is none.
    pub(super) fn drop_message(&mut self, space: Ref<AddressSpace>) -> bool {
        let Some(irq) = self.mem[space].messages else { return false };
        self.irq_dropped(irq);
        self.mem[irq].pending = false;
        true
    }

    /// What the device writes, and where as it has it.
    fn message_target(&self, irq: Ref<Irq>) -> Option<(u64, u32)> {
        let Irq { message, space, line, .. } = &self.mem[irq];
        let message = message.as_ref()?;
        let controller = self.machine.message_controller(message.controller.into())?;
        let data = if controller.lines.is_some() { (*line)? } else { message.event };
        Some((self.doorbell_of((*space)?, controller.doorbell), data))
    }
}

/// Makes an Irq a message of the device whose memory is in a DmaSpace. It stays masked until the Irq is bound. All messages of a
/// DmaSpace are one device's, through one controller, and no other DmaSpace has messages of that device through an ITS. If the
/// DmaSpace is bound to a stream, the device finds the page that it writes to at bus address 0x1000.
///
/// # Rights
/// IrqControl. Irq: bind. DmaSpace.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidState` (the Irq has a line or is a message; the DmaSpace was not bound, or has messages of another device or through
/// another controller), `InvalidArgument` (no such device, event or controller), `Busy` (another Irq is that message, the device is
/// another DmaSpace's, or there are no more messages), `NoPool` (no page for the table of events), `Unsupported` (the controller
/// has no room for the device, or does not work).
pub fn message(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    // A device may be one of a DmaSpace that is dead.
    if k.bury().is_err() {
        return Ok(Next::Restart);
    }
    let plan = k.decode_message(caller, args)?;
    k.make_message(&plan)?;
    Ok(Next::Done)
}

/// What the device of an Irq that is a message is to write, and where.
///
/// # Rights
/// Irq: bind.
/// # Returns
/// x0: the address as the device has it. x1: the 32 bits.
/// # Errors
/// `InvalidState`: the Irq is no message.
pub fn target(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (irq, _) = k.get::<Irq>(caller, args.target(), Rights::IRQ_BIND, 0)?;
    let (address, data) = k.message_target(irq).ok_or(SyscallError::new(ErrorCode::InvalidState, 0))?;
    Ok(k.answer_with(caller, [address, data.into(), 0, 0, 0, 0, 0, 0]))
}
