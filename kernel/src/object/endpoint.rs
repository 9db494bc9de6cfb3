//! Endpoint: where callers and servers meet.

use abi::{ErrorCode, Kind, Rights, SyscallError};

use super::{Header, Thread};
use crate::kernel::{Kernel, Next, Preempted, Res};
use crate::mm::{Object, Ref};
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
#[derive(Debug)]
pub struct Endpoint {
    /// Counts its capabilities.
    pub header: Header,
    /// Whether calls are taken.
    pub gate: Gate,
    /// Threads with a message for it.
    pub senders: Queue,
    /// Threads that wait for a message.
    pub receivers: Queue,
}

impl Object for Endpoint {
    const KIND: Kind = Kind::Endpoint;
}

impl Endpoint {
    /// An open endpoint.
    pub const fn new() -> Self {
        let (senders, receivers) = (Queue::new(), Queue::new());
        Self { header: Header::new(Kind::Endpoint), gate: Gate::Open, senders, receivers }
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
    let (endpoint, _) = k.get::<Endpoint>(caller, args.target, Rights::RECEIVE, 0)?;
    k.mem[endpoint].gate = Gate::Open;
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
    let (endpoint, _) = k.get::<Endpoint>(caller, args.target, Rights::RECEIVE, 0)?;
    let reason = u32::try_from(args.words[0]).map_err(|_| SyscallError::new(ErrorCode::InvalidArgument, 1))?;
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
    /// One step of a dead endpoint's end: whoever waits in it is told.
    pub(crate) fn empty_endpoint(&mut self, endpoint: Ref<Endpoint>) -> Result<bool, Preempted> {
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
