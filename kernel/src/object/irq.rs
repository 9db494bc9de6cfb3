//! Irq: one interrupt line, shared by up to eight, that signals a Notification.

use abi::{ErrorCode, Kind, Rights, SyscallError};

use super::{Header, Notification, Thread};
use crate::cap::{Flags, Slot};
use crate::kernel::{Kernel, Next, Res};
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
            held: Slot::EMPTY,
        }
    }
}

impl Default for Irq {
    fn default() -> Self {
        Self::new()
    }
}

/// The Irqs of every line. The fast path looks here.
#[repr(transparent)]
#[derive(Debug)]
pub struct Lines {
    first: [Option<Ref<Irq>>; LINES],
}

impl Lines {
    /// No Irq anywhere.
    pub const fn new() -> Self {
        Self { first: [None; LINES] }
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

impl Kernel {
    pub(crate) fn sharers(&self, line: u32) -> impl Iterator<Item = Ref<Irq>> {
        let first = self.lines.first.get(line as usize).copied().flatten();
        core::iter::successors(first, |&irq| self.mem[irq].next)
    }

    fn notification_of(&self, irq: Ref<Irq>) -> Option<Ref<Notification>> {
        self.mem[irq].held.cap.object_of()
    }

    fn irq_slot(irq: Ref<Irq>) -> Ref<Slot> {
        irq.offset(1)
    }

    /// The line fired and is masked: everyone who listens is told. With nobody listening it stays masked.
    pub(crate) fn fire(&mut self, line: u32) {
        let mut at = self.lines.first.get(line as usize).copied().flatten();
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
    fn reopen(&mut self, line: u32) {
        let listening = self.sharers(line).any(|irq| self.notification_of(irq).is_some());
        let busy = self.sharers(line).any(|irq| self.mem[irq].pending);
        if listening && !busy {
            self.machine.unmask(line);
        } else if !listening {
            self.machine.mask(line);
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
        let Some(line) = self.mem[irq].line.take() else { return };
        let next = self.mem[irq].next.take();
        let first = self.lines.first[line as usize];
        if first == Some(irq) {
            self.lines.first[line as usize] = next;
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
/// `InvalidState` (the Irq has a line), `InvalidArgument` (no such shared line, or a trigger other than 0 and 1, or one
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
    let next = k.lines.first[line as usize].replace(irq);
    let object = &mut k.mem[irq];
    (object.line, object.edge, object.next) = (Some(line), edge, next);
    k.machine.configure(line, edge);
    Ok(Next::Done)
}

/// Signals these bits on a Notification when the line fires, and opens the line. From now on it fires on this core.
///
/// # Rights
/// Irq: bind. Notification: signal.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidState`: the Irq has no line.
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
    k.machine.route(line, k.sched.own());
    k.reopen(line);
    Ok(Next::Done)
}

/// The device was served: the line may fire again when all sharers have said so.
///
/// # Rights
/// Irq: acknowledge.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidState`: the Irq has no line.
pub fn ack(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (irq, _) = k.get::<Irq>(caller, args.target(), Rights::IRQ_ACK, 0)?;
    let line = k.mem[irq].line.ok_or(SyscallError::new(ErrorCode::InvalidState, 0))?;
    k.mem[irq].pending = false;
    k.reopen(line);
    Ok(Next::Done)
}
