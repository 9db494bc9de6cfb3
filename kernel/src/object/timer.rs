//! Timer: one deadline, after which it signals a Notification or cancels a thread's blocked IPC.

use abi::{ErrorCode, Kind, Rights, SyscallError};

use super::{Header, Notification, Thread};
use crate::cap::{Flags, Slot};
use crate::deadline::{Node, Owner};
use crate::kernel::{Kernel, Next, Res};
use crate::mm::{Object, Ref};
use crate::syscall::Args;

/// A timer. Its second granule is the slot with what it acts on.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Timer {
    /// Its place among the deadlines.
    pub node: Node,
    /// Counts its capabilities.
    pub header: Header,
    /// What it signals.
    pub bits: u64,
    /// The core it was armed on.
    pub core: u8,
    /// A Notification or a Thread.
    pub held: Slot,
}

impl Object for Timer {
    const KIND: Kind = Kind::Timer;
}

const _: () = assert!(core::mem::offset_of!(Timer, held) == 64);

impl Timer {
    /// A timer that is not armed.
    pub const fn new() -> Self {
        Self { node: Node::new(Owner::Timer), header: Header::new(Kind::Timer), bits: 0, core: 0, held: Slot::EMPTY }
    }
}

impl Default for Timer {
    fn default() -> Self {
        Self::new()
    }
}

/// Arms the timer; an earlier deadline is forgotten. A deadline in the past fires at once.
///
/// # Rights
/// Timer. Notification: signal; or Thread: control.
/// # Returns
/// Nothing.
/// # Errors
/// `WrongKind` (neither Notification nor Thread), `InvalidArgument` (bits for a Thread), and those of the look-ups.
pub fn arm(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let [deadline, slot, bits, ..] = args.words;
    let (timer, _) = k.get::<Timer>(caller, args.target(), Rights::INVOKE, 0)?;
    let source = match k.get::<Notification>(caller, slot, Rights::SIGNAL, 2) {
        Ok((_, source)) => source,
        Err(SyscallError { code: ErrorCode::WrongKind, .. }) => {
            let (_, source) = k.get::<Thread>(caller, slot, Rights::CONTROL, 2)?;
            if bits != 0 {
                return Err(SyscallError::new(ErrorCode::InvalidArgument, 3));
            }
            source
        }
        Err(error) => return Err(error),
    };
    k.disarm(timer);
    let original = k.mem[source].cap;
    let mut cap = original.derived(original.rights, original.badge());
    cap.flags |= Flags::IN_TIMER;
    cap.holder = timer.number() as u32;
    k.insert(Kernel::timer_slot(timer), cap, Some(source));
    let core = k.sched.own();
    (k.mem[timer].bits, k.mem[timer].core) = (bits, core as u8);
    k.sched.deadlines.add(&mut k.mem, Kernel::timer_node(timer), deadline);
    k.timer_stale(core);
    Ok(Next::Done)
}

/// Disarms the timer.
///
/// # Rights
/// Timer.
/// # Returns
/// Nothing.
/// # Errors
/// Those of the look-up.
pub fn cancel(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (timer, _) = k.get::<Timer>(caller, args.target(), Rights::INVOKE, 0)?;
    k.disarm(timer);
    Ok(Next::Done)
}

impl Kernel {
    fn timer_node(timer: Ref<Timer>) -> Ref<Node> {
        Ref::from_number(timer.number()).expect("a reference is never 0")
    }

    fn timer_slot(timer: Ref<Timer>) -> Ref<Slot> {
        timer.offset(1)
    }

    fn forget_deadline(&mut self, timer: Ref<Timer>) {
        let sched = self.sched.of_mut(self.mem[timer].core.into());
        sched.deadlines.remove(&mut self.mem, Self::timer_node(timer));
    }

    /// Forgets the deadline and what it was for.
    pub(crate) fn disarm(&mut self, timer: Ref<Timer>) {
        self.forget_deadline(timer);
        self.clear_held(Self::timer_slot(timer));
    }

    /// What the timer acts on is gone.
    pub(crate) fn timer_lost(&mut self, timer: Ref<Timer>) {
        self.forget_deadline(timer);
    }

    /// The deadline came.
    pub(crate) fn timer_fired(&mut self, timer: Ref<Timer>) {
        let cap = self.mem[timer].held.cap;
        let bits = self.mem[timer].bits;
        self.clear_held(Self::timer_slot(timer));
        if let Some(notification) = cap.object_of::<Notification>() {
            self.notify(notification, bits | cap.word);
        } else if let Some(thread) = cap.object_of::<Thread>() {
            self.cancel_ipc(thread, ErrorCode::Cancelled);
        }
    }
}
