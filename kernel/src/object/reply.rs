//! Reply: the one right to answer one caller, bound to the thread that took the call.

use abi::{ErrorCode, Kind};

use super::{Header, SchedContext, State, Thread};
use crate::kernel::Kernel;
use crate::mm::{Object, Ref};

/// A Reply.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Reply {
    /// Counts its capabilities.
    pub header: Header,
    /// Who waits for the answer.
    pub caller: Option<Ref<Thread>>,
    /// Who took the call and owes the answer.
    pub receiver: Option<Ref<Thread>>,
    /// Who waits for a message that this Reply will answer. The fast path writes it together with the next, and the two
    /// before it, and the two behind.
    pub waiting: Option<Ref<Thread>>,
    /// The time that came through it.
    pub time: Option<Ref<SchedContext>>,
    /// The newer Reply that the same time came through.
    pub above: Option<Ref<Reply>>,
    /// The older one.
    pub below: Option<Ref<Reply>>,
    /// Ticks that the receiver used of its own because the time ended.
    pub debt: u64,
    /// The next debt of the same receiver.
    pub next: Option<Ref<Reply>>,
    /// The previous one.
    pub prev: Option<Ref<Reply>>,
}

impl Object for Reply {
    const KIND: Kind = Kind::Reply;
}

impl Reply {
    /// A Reply that nobody waits for.
    pub const fn new() -> Self {
        Self {
            header: Header::new(Kind::Reply),
            caller: None,
            receiver: None,
            waiting: None,
            time: None,
            above: None,
            below: None,
            debt: 0,
            next: None,
            prev: None,
        }
    }
}

impl Default for Reply {
    fn default() -> Self {
        Self::new()
    }
}

impl Kernel {
    /// `receiver` took `caller`'s message and owes it an answer through `reply`, which is free.
    pub(crate) fn owe(&mut self, reply: Ref<Reply>, caller: Ref<Thread>, receiver: Ref<Thread>) {
        let next = self.mem[receiver].debts.replace(reply);
        if let Some(next) = next {
            self.mem[next].prev = Some(reply);
        }
        let object = &mut self.mem[reply];
        (object.caller, object.receiver, object.next, object.prev) = (Some(caller), Some(receiver), next, None);
        self.mem[caller].state = State::AwaitingReply(reply);
    }

    /// The debt is paid or forgiven; returns who waited.
    pub(crate) fn settle(&mut self, reply: Ref<Reply>) -> Option<Ref<Thread>> {
        let object = &mut self.mem[reply];
        let (next, prev) = (object.next.take(), object.prev.take());
        let (caller, receiver) = (object.caller.take(), object.receiver.take());
        match (prev, receiver) {
            (Some(prev), _) => self.mem[prev].next = next,
            (None, Some(receiver)) => self.mem[receiver].debts = next,
            (None, None) => {}
        }
        if let Some(next) = next {
            self.mem[next].prev = prev;
        }
        if let Some(caller) = caller {
            self.give_back(reply, caller, receiver);
        }
        caller
    }

    /// The answer will never come: the Reply or the receiver is gone.
    pub(crate) fn reply_dropped(&mut self, reply: Ref<Reply>) {
        if let Some(thread) = self.mem[reply].waiting {
            self.cancel_ipc(thread, ErrorCode::Revoked);
        }
        if let Some(caller) = self.settle(reply) {
            self.fail_call(caller, ErrorCode::PeerGone);
        }
    }
}
