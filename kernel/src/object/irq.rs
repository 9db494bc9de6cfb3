//! Irq: one interrupt line, shared by up to eight, or one message of a device, that signals a Notification.

use abi::{ErrorCode, Kind, Rights, SyscallError};

use super::{DmaSpace, Header, Notification, Thread};
use crate::cap::{Flags, Slot};
use crate::kernel::{Kernel, Next, Res};
use crate::message::{self, Message};
use crate::mm::{Object, Ref};
use crate::syscall::Args;

/// Lines of an interrupt controller that can have an Irq: INTID 32–1019.
pub const LINES: usize = 1020;
/// The first shared peripheral interrupt.
const FIRST: u32 = 32;
/// Sharers of a line.
const SHARERS: usize = 8;

/// An Irq. Its second granule is the slot with the Notification.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Irq {
    /// Counts its capabilities.
    pub header: Header,
    /// Its line, once it was set.
    pub line: Option<u32>,
    /// The next Irq of the same line.
    pub next: Option<Ref<Irq>>,
    /// Whether the line fires on an edge.
    pub edge: bool,
    /// It was signalled and its driver has not acknowledged yet.
    pub pending: bool,
    /// What it signals.
    pub bits: u64,
    /// The message that it is, if it is one.
    pub message: Option<Message>,
    /// Whose device sends the message.
    pub space: Option<Ref<DmaSpace>>,
    /// The next Irq that is a message of the same device.
    pub sibling: Option<Ref<Irq>>,
    /// Whom it signals.
    pub held: Slot,
}

impl Object for Irq {
    const KIND: Kind = Kind::Irq;
}

const _: () = assert!(core::mem::offset_of!(Irq, held) == 64);

impl Irq {
    /// An Irq without a line.
    pub const fn new() -> Self {
        Self {
            header: Header::new(Kind::Irq),
            line: None,
            next: None,
            edge: false,
            pending: false,
            bits: 0,
            message: None,
            space: None,
            sibling: None,
            held: Slot::EMPTY,
        }
    }
}

impl Default for Irq {
    fn default() -> Self {
        Self::new()
    }
}

/// The Irqs of every line, and of every message to an ITS. The fast path looks at the lines.
#[repr(C)]
#[derive(Debug)]
pub struct Lines {
    first: [Option<Ref<Irq>>; LINES],
    messages: [Option<Ref<Irq>>; message::MOST],
    /// A bit for each message that is an Irq.
    taken: [u64; message::MOST / 64],
    /// The first DmaSpace whose device has a table of events in an ITS.
    pub(super) devices: Option<Ref<DmaSpace>>,
}

impl Lines {
    /// No Irq anywhere.
    pub const fn new() -> Self {
        Self { first: [None; LINES], messages: [None; message::MOST], taken: [0; message::MOST / 64], devices: None }
    }

    /// The lowest message to an ITS that is no Irq.
    pub(super) fn free_message(&self) -> Option<u32> {
        let (word, bits) = self.taken.iter().enumerate().find(|(_, bits)| **bits != u64::MAX)?;
        Some(message::FIRST + word as u32 * 64 + bits.trailing_ones())
    }

    pub(super) fn first(&self, line: u32) -> Option<Ref<Irq>> {
        match line.checked_sub(message::FIRST) {
            Some(number) => self.messages.get(number as usize).copied().flatten(),
            None => self.first.get(line as usize).copied().flatten(),
        }
    }

    pub(super) fn set_first(&mut self, line: u32, irq: Option<Ref<Irq>>) {
        let place = match line.checked_sub(message::FIRST) {
            Some(number) => {
                if let Some(bits) = self.taken.get_mut(number as usize / 64) {
                    let bit = 1 << (number % 64);
                    *bits = if irq.is_some() { *bits | bit } else { *bits & !bit };
                }
                self.messages.get_mut(number as usize)
            }
            None => self.first.get_mut(line as usize),
        };
        if let Some(place) = place {
            *place = irq;
        }
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

impl Kernel {
    pub(crate) fn sharers(&self, line: u32) -> impl Iterator<Item = Ref<Irq>> {
        let first = self.lines.first(line);
        core::iter::successors(first, |&irq| self.mem[irq].next)
    }

    fn notification_of(&self, irq: Ref<Irq>) -> Option<Ref<Notification>> {
        self.mem[irq].held.cap.object_of()
    }

    pub(super) fn irq_slot(irq: Ref<Irq>) -> Ref<Slot> {
        irq.offset(1)
    }

    /// Keeps a line or message from firing. A message to an ITS that is nobody's is none.
    pub(crate) fn mask(&mut self, line: u32) {
        self.let_fire(line, false);
    }

    fn let_fire(&mut self, line: u32, open: bool) {
        let Self { lines, mem, machine, .. } = self;
        if line < message::FIRST {
            if open { machine.unmask(line) } else { machine.mask(line) }
        } else if let Some(message) = lines.first(line).and_then(|irq| mem[irq].message) {
            machine.open_message(mem, &message, line, open);
        }
    }

    /// The line fired and is masked: everyone who listens is told. With nobody listening it stays masked.
    pub(crate) fn fire(&mut self, line: u32) {
        let mut at = self.lines.first(line);
        while let Some(irq) = at {
            at = self.mem[irq].next;
            if let Some(notification) = self.notification_of(irq) {
                self.mem[irq].pending = true;
                let bits = self.mem[irq].bits;
                self.notify(notification, bits);
            }
        }
    }

    /// Opens the line when somebody listens and nobody still has to acknowledge.
    pub(super) fn reopen(&mut self, line: u32) {
        let listening = self.sharers(line).any(|irq| self.notification_of(irq).is_some());
        let busy = self.sharers(line).any(|irq| self.mem[irq].pending);
        if listening && !busy {
            self.let_fire(line, true);
        } else if !listening {
            self.let_fire(line, false);
        }
    }

    /// From now on it fires on this core.
    fn route(&mut self, irq: Ref<Irq>, line: u32) {
        let Self { mem, machine, sched, .. } = self;
        match mem[irq].message {
            Some(message) if line >= message::FIRST => {
                let core = machine.route_message(mem, &message, sched.own());
                mem[irq].message = Some(Message { core, ..message });
            }
            _ => machine.route(line, sched.own()),
        }
    }

    /// Its Notification is gone.
    pub(crate) fn irq_lost(&mut self, irq: Ref<Irq>) {
        self.mem[irq].pending = false;
        if let Some(line) = self.mem[irq].line {
            self.reopen(line);
        }
    }

    /// The last capability is gone.
    pub(crate) fn irq_dropped(&mut self, irq: Ref<Irq>) {
        self.clear_held(Self::irq_slot(irq));
        self.forget_message(irq);
        let Some(line) = self.mem[irq].line.take() else { return };
        let next = self.mem[irq].next.take();
        if self.lines.first(line) == Some(irq) {
            self.lines.set_first(line, next);
        } else {
            let before = self.sharers(line).find(|&other| self.mem[other].next == Some(irq));
            if let Some(before) = before {
                self.mem[before].next = next;
            }
        }
        self.reopen(line);
    }
}

/// Ties an Irq to a line. The line stays masked until the Irq is bound.
///
/// # Rights
/// IrqControl. Irq: bind.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidState` (the Irq has a line or is a message), `InvalidArgument` (no such shared line, or a trigger other than 0 and 1, or one
/// that differs from the other sharers'), `Busy` (eight share it already).
pub fn set(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let [irq, line, trigger, ..] = args.words;
    k.get_cap(caller, args.target(), Kind::IrqControl, Rights::INVOKE, 0)?;
    let (irq, _) = k.get::<Irq>(caller, irq, Rights::IRQ_BIND, 1)?;
    if k.mem[irq].line.is_some() {
        return Err(SyscallError::new(ErrorCode::InvalidState, 1));
    }
    let bad = |argument| SyscallError::new(ErrorCode::InvalidArgument, argument);
    let line = u32::try_from(line).ok().filter(|&line| line >= FIRST && line < k.machine.lines()).ok_or(bad(2))?;
    let edge = match trigger {
        0 => false,
        1 => true,
        _ => return Err(bad(3)),
    };
    if k.sharers(line).any(|other| k.mem[other].edge != edge) {
        return Err(bad(3));
    }
    if k.sharers(line).count() >= SHARERS {
        return Err(SyscallError::new(ErrorCode::Busy, 2));
    }
    let next = k.lines.first(line);
    k.lines.set_first(line, Some(irq));
    let object = &mut k.mem[irq];
    (object.line, object.edge, object.next) = (Some(line), edge, next);
    k.machine.configure(line, edge);
    Ok(Next::Done)
}

/// Signals these bits on a Notification when the line fires, and opens the line. From now on it fires on this core. If it is a message of
/// a device behind an IOMMU, the device's stream is open from now on.
///
/// # Rights
/// Irq: bind. Notification: signal.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidState`: the Irq has no line and is no message.
pub fn bind(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (irq, _) = k.get::<Irq>(caller, args.target(), Rights::IRQ_BIND, 0)?;
    let (_, source) = k.get::<Notification>(caller, args.words[0], Rights::SIGNAL, 1)?;
    let line = k.mem[irq].line.ok_or(SyscallError::new(ErrorCode::InvalidState, 0))?;
    let slot = Kernel::irq_slot(irq);
    k.clear_held(slot);
    let original = k.mem[source].cap;
    let mut cap = original.derived(Rights::SIGNAL, original.badge());
    cap.flags |= Flags::IN_IRQ;
    cap.holder = irq.number() as u32;
    k.insert(slot, cap, Some(source));
    let object = &mut k.mem[irq];
    (object.bits, object.pending) = (args.words[1] | original.word, false);
    k.route(irq, line);
    k.reopen(line);
    if let Some(space) = k.mem[irq].space {
        // A message is a write to memory.
        k.open_stream(space.tables());
    }
    Ok(Next::Done)
}

/// The device was served: the line may fire again when all sharers have said so.
///
/// # Rights
/// Irq: acknowledge.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidState`: the Irq has no line and is no message.
pub fn ack(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (irq, _) = k.get::<Irq>(caller, args.target(), Rights::IRQ_ACK, 0)?;
    let line = k.mem[irq].line.ok_or(SyscallError::new(ErrorCode::InvalidState, 0))?;
    k.mem[irq].pending = false;
    k.reopen(line);
    Ok(Next::Done)
}
