//! Notification: a word of event bits.

use abi::{ErrorCode, Kind, OUT_NOTIFICATION, OutWord, Rights, trace::Event};

use super::{Header, State, Thread};
use crate::kernel::{Kernel, Next, Res};
use crate::mm::{Object, Ref};
use crate::syscall::Args;
use crate::trace::pair;

/// A notification.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Notification {
    /// Counts its capabilities.
    pub header: Header,
    /// Events not yet seen. The fast path loads them together with the next.
    pub bits: u64,
    /// Whose fast paths may touch it: see [`crate::arch::idle_word`]. 0: nobody's.
    pub owner: u64,
    /// The thread that waits for them. The fast path loads it together with the next.
    pub waiter: Option<Ref<Thread>>,
    /// The thread whose receives they also end.
    pub bound: Option<Ref<Thread>>,
}

impl Object for Notification {
    const KIND: Kind = Kind::Notification;
}

impl Notification {
    /// A notification without bits.
    pub const fn new() -> Self {
        Self { header: Header::new(Kind::Notification), bits: 0, owner: 0, waiter: None, bound: None }
    }
}

impl Default for Notification {
    fn default() -> Self {
        Self::new()
    }
}

/// Sets bits.
///
/// # Rights
/// Notification: signal.
/// # Returns
/// Nothing.
/// # Errors
/// Those of the look-up.
pub fn signal(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (notification, slot) = k.get::<Notification>(caller, args.target(), Rights::SIGNAL, 0)?;
    let badge = k.mem[slot].cap.word;
    k.notify(notification, args.words[0] | badge);
    Ok(Next::Done)
}

/// Waits for bits.
///
/// # Rights
/// Notification: wait.
/// # Returns
/// x0: the bits, which are cleared.
/// # Errors
/// `Busy` (another thread waits), `Cancelled`, `Revoked`.
pub fn wait(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (notification, _) = k.get::<Notification>(caller, args.target(), Rights::WAIT, 0)?;
    k.own(notification);
    let object = &mut k.mem[notification];
    if object.bits != 0 {
        let bits = core::mem::take(&mut object.bits);
        return Ok(k.answer_one(caller, bits));
    }
    if object.waiter.is_some() || object.bound.is_some_and(|bound| bound != caller) {
        return Err(ErrorCode::Busy.into());
    }
    object.waiter = Some(caller);
    k.mem[caller].state = State::Waiting(notification);
    Ok(Next::Schedule)
}

/// Takes the bits without waiting.
///
/// # Rights
/// Notification: wait.
/// # Returns
/// x0: the bits, which are cleared; 0 when there are none.
/// # Errors
/// Those of the look-up.
pub fn poll(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (notification, _) = k.get::<Notification>(caller, args.target(), Rights::WAIT, 0)?;
    let bits = core::mem::take(&mut k.mem[notification].bits);
    k.own(notification);
    Ok(k.answer_one(caller, bits))
}

impl Kernel {
    /// From now on the fast paths of this core may use it: the core that used it last.
    fn own(&mut self, notification: Ref<Notification>) {
        self.mem[notification].owner = crate::arch::idle_word(self.sched.own());
    }

    /// Sets bits and wakes who waits for them.
    pub fn notify(&mut self, notification: Ref<Notification>, bits: u64) {
        let waiter = self.mem[notification].waiter;
        self.trace(Event::Signal, pair(notification, waiter), bits);
        self.own(notification);
        let object = &mut self.mem[notification];
        object.bits |= bits;
        if object.bits == 0 {
            return;
        }
        if let Some(waiter) = object.waiter.take() {
            let bits = core::mem::take(&mut object.bits);
            self.mem[waiter].context.answer(&[bits, 0, 0, 0, 0, 0, 0, 0]);
            self.make_ready(waiter);
        } else {
            self.deliver_bound(notification);
        }
    }

    /// If the bound thread waits in a receive, its receive ends with the bits.
    pub(crate) fn deliver_bound(&mut self, notification: Ref<Notification>) {
        let Some(thread) = self.mem[notification].bound else { return };
        if self.mem[notification].bits == 0 {
            return;
        }
        if !matches!(self.mem[thread].state, State::Receiving(_)) {
            // Its next receive returns at once.
            self.mem[thread].fast_reply = self.no_fast_reply(thread);
            return;
        }
        self.leave(thread);
        self.take_bits(notification, thread);
        self.make_ready(thread);
    }

    /// Ends a thread's receive with the bits of its bound notification.
    pub(crate) fn take_bits(&mut self, notification: Ref<Notification>, thread: Ref<Thread>) {
        let bits = core::mem::take(&mut self.mem[notification].bits);
        let context = &mut self.mem[thread].context;
        *context.words_mut() = [bits, 0, 0, 0, 0, 0, 0, 0];
        context.finish(OutWord::message(1, 0, OUT_NOTIFICATION, 0), 0);
    }

    /// The last capability is gone.
    pub(crate) fn notification_dropped(&mut self, notification: Ref<Notification>) {
        if let Some(waiter) = self.mem[notification].waiter {
            self.cancel_ipc(waiter, ErrorCode::Revoked);
        }
        if let Some(bound) = self.mem[notification].bound.take() {
            self.mem[bound].bound = None;
        }
    }
}
