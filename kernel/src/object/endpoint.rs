//! Endpoint: where callers and servers meet.

use abi::{ErrorCode, Kind, Rights, SyscallError};

use super::{Header, Thread};
use crate::kernel::{Kernel, Next, Preempted, Res};
use crate::mm::{Direct, Object, Ref};
use crate::sched::Queue;
use crate::syscall::Args;

/// Whether calls are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gate {
    /// They are.
    Open,
    /// They get `Closed` with this reason.
    Closed(u32),
}

/// An endpoint.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// Counts its capabilities.
    pub header: Header,
    /// Whether calls are taken.
    pub gate: Gate,
    /// For the fast path: [`Endpoint::SLOW`], that nobody waits here (see [`crate::arch::idle_word`]), or the one thread that
    /// waits for a message.
    pub word: u64,
    /// Threads with a message for it.
    pub senders: Queue,
    /// Threads that wait for a message.
    pub receivers: Queue,
}

impl Object for Endpoint {
    const KIND: Kind = Kind::Endpoint;
}

impl Endpoint {
    /// The queues say what there is.
    pub const SLOW: u64 = u64::MAX;
    /// The bit of a word that no reference has.
    pub const NOBODY: u32 = 46;

    /// The one thread that waits for a message, if the fast path knows it.
    pub(crate) fn known_receiver(&self) -> Option<Ref<Thread>> {
        if self.word & 1 << Self::NOBODY == 0 { Direct::from_word(self.word).map(Ref::from) } else { None }
    }

    /// An open endpoint.
    pub const fn new() -> Self {
        let (senders, receivers) = (Queue::new(), Queue::new());
        Self { header: Header::new(Kind::Endpoint), gate: Gate::Open, word: Self::SLOW, senders, receivers }
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes calls again.
///
/// # Rights
/// Endpoint: receive.
/// # Returns
/// Nothing.
/// # Errors
/// Those of the look-up.
pub fn open(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (endpoint, _) = k.get::<Endpoint>(caller, args.target(), Rights::RECEIVE, 0)?;
    k.thaw(endpoint);
    k.mem[endpoint].gate = Gate::Open;
    k.freeze(endpoint);
    Ok(Next::Done)
}

/// Refuses calls, those that wait and those to come, with `Closed` and a reason of 32 bits.
///
/// # Rights
/// Endpoint: receive.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidArgument`: the reason has more than 32 bits.
pub fn close(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (endpoint, _) = k.get::<Endpoint>(caller, args.target(), Rights::RECEIVE, 0)?;
    let reason = u32::try_from(args.words[0]).map_err(|_| SyscallError::new(ErrorCode::InvalidArgument, 1))?;
    k.thaw(endpoint);
    k.mem[endpoint].gate = Gate::Closed(reason);
    while let Some(sender) = k.mem[endpoint].senders.first() {
        k.fail_send(sender, ErrorCode::Closed, reason);
        if k.preemption_point().is_err() {
            return Ok(Next::Restart);
        }
    }
    Ok(Next::Done)
}

impl Kernel {
    /// The queues say what there is: the one receiver the fast path knows of stands in its queue again.
    pub(crate) fn thaw(&mut self, endpoint: Ref<Endpoint>) {
        let receiver = self.mem[endpoint].known_receiver();
        self.mem[endpoint].word = Endpoint::SLOW;
        if let Some(receiver) = receiver {
            let mut queue = self.mem[endpoint].receivers;
            queue.push_front(&mut self.mem, receiver);
            self.mem[endpoint].receivers = queue;
        }
    }

    /// If nothing but one receiver waits here, or nothing at all, the word says so and the fast path of a core may use it: of
    /// the one that the receiver's key names, or of this.
    pub(crate) fn freeze(&mut self, endpoint: Ref<Endpoint>) {
        let Endpoint { gate, senders, mut receivers, .. } = self.mem[endpoint];
        if gate != Gate::Open || senders.first().is_some() {
            return;
        }
        match receivers.only() {
            None if receivers.first().is_none() => {
                self.mem[endpoint].word = crate::arch::idle_word(self.sched.own());
            }
            Some(receiver) if self.mem[receiver].key >= 0 => {
                receivers.remove(&mut self.mem, receiver);
                self.mem[endpoint].receivers = receivers;
                self.mem[endpoint].word = Direct::from(receiver).word();
            }
            _ => {}
        }
    }

    /// One step of a dead endpoint's end: whoever waits in it is told.
    pub(crate) fn empty_endpoint(&mut self, endpoint: Ref<Endpoint>) -> Result<bool, Preempted> {
        self.thaw(endpoint);
        if let Some(sender) = self.mem[endpoint].senders.first() {
            self.fail_send(sender, ErrorCode::Revoked, 0);
            return Ok(false);
        }
        if let Some(receiver) = self.mem[endpoint].receivers.first() {
            self.cancel_ipc(receiver, ErrorCode::Revoked);
            return Ok(false);
        }
        Ok(true)
    }
}
