//! Reply: the one right to answer one caller, bound to the thread that takes calls with it.

use abi::{ErrorCode, Kind};

use super::{Header, SchedContext, State, Thread};
use crate::context::Context;
use crate::kernel::Kernel;
use crate::mm::{Direct, Object, Ref};

/// A Reply.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Reply {
    /// Counts its capabilities.
    pub header: Header,
    /// Who waits for the answer. The fast path writes it together with the next.
    pub caller: Option<Direct<Thread>>,
    /// The time that came with the call.
    pub time: Option<Direct<SchedContext>>,
    /// The thread that takes calls with it, and owes the answer while there is a caller.
    pub receiver: Option<Ref<Thread>>,
    /// The next of the receiver's debts, when the receiver took another Reply meanwhile.
    pub next: Option<Ref<Reply>>,
    /// The previous one.
    pub prev: Option<Ref<Reply>>,
    /// Ticks that the receiver used of its own because the time ended.
    pub debt: u64,
}

impl Object for Reply {
    const KIND: Kind = Kind::Reply;
}

const _: () = assert!(size_of::<Reply>() == 64);

impl Reply {
    /// A Reply that nobody waits for.
    pub const fn new() -> Self {
        let header = Header::new(Kind::Reply);
        Self { header, caller: None, time: None, receiver: None, next: None, prev: None, debt: 0 }
    }
}

impl Default for Reply {
    fn default() -> Self {
        Self::new()
    }
}

impl Kernel {
    /// The thread that waits for a message to answer it through this.
    pub(crate) fn waits_with(&self, reply: Ref<Reply>) -> Option<Ref<Thread>> {
        let receiver = self.mem[reply].receiver?;
        let thread = &self.mem[receiver];
        (thread.reply == Some(reply) && matches!(thread.state, State::Receiving(_))).then_some(receiver)
    }

    /// `thread` takes calls with `reply` from now on, which holds no caller and which nobody waits with. If it still owes
    /// an answer through another, that is a debt.
    pub(crate) fn take_calls_with(&mut self, thread: Ref<Thread>, reply: Ref<Reply>) {
        if self.mem[thread].reply == Some(reply) {
            return;
        }
        self.part(reply);
        if let Some(before) = self.mem[thread].reply.replace(reply) {
            if self.mem[before].caller.is_some() {
                self.add_debt(thread, before);
            } else {
                self.mem[before].receiver = None;
            }
        }
        self.mem[reply].receiver = Some(thread);
    }

    /// A Reply that is no debt is nobody's any more.
    fn part(&mut self, reply: Ref<Reply>) {
        if let Some(thread) = self.mem[reply].receiver.take() {
            self.mem[thread].reply = None;
            self.set_fast_reply(thread);
        }
    }

    /// Puts a Reply among the debts of a thread: in front if it brought time, else at the end.
    fn add_debt(&mut self, thread: Ref<Thread>, reply: Ref<Reply>) {
        let Thread { debts, last_debt, .. } = self.mem[thread];
        let (prev, next) = if self.mem[reply].time.is_some() { (None, debts) } else { (last_debt, None) };
        (self.mem[reply].prev, self.mem[reply].next) = (prev, next);
        self.link_debts(thread, prev, Some(reply));
        self.link_debts(thread, Some(reply), next);
    }

    /// Takes a Reply out of the debts of a thread.
    fn remove_debt(&mut self, thread: Ref<Thread>, reply: Ref<Reply>) {
        let object = &mut self.mem[reply];
        let (next, prev) = (object.next.take(), object.prev.take());
        self.link_debts(thread, prev, next);
    }

    /// These two debts of a thread follow each other; none: the list begins or ends.
    fn link_debts(&mut self, thread: Ref<Thread>, prev: Option<Ref<Reply>>, next: Option<Ref<Reply>>) {
        match prev {
            Some(prev) => self.mem[prev].next = next,
            None => self.mem[thread].debts = next,
        }
        match next {
            Some(next) => self.mem[next].prev = prev,
            None => self.mem[thread].last_debt = prev,
        }
    }

    /// The thread among whose debts a Reply is.
    fn debtor(&self, reply: Ref<Reply>) -> Option<Ref<Thread>> {
        self.mem[reply].receiver.filter(|&receiver| self.mem[receiver].reply != Some(reply))
    }

    /// The time that came with a call is not the receiver's any more.
    pub(crate) fn take_time(&mut self, reply: Ref<Reply>) -> Option<Direct<SchedContext>> {
        let time = self.mem[reply].time.take()?;
        if let Some(debtor) = self.debtor(reply) {
            self.remove_debt(debtor, reply);
            self.add_debt(debtor, reply);
        }
        Some(time)
    }

    /// Tells the fast path which Reply a thread takes calls with; nothing, when a receive would return bits at once.
    pub(crate) fn set_fast_reply(&mut self, thread: Ref<Thread>) {
        let Thread { reply, bound, .. } = self.mem[thread];
        let bits = bound.is_some_and(|notification| self.mem[notification].bits != 0);
        self.mem[thread].fast_reply = match reply {
            Some(reply) if !bits => Direct::from(reply).word(),
            _ => self.no_fast_reply(thread),
        };
    }

    /// What a thread has in the place of a Reply for the fast path: where the time of the Reply would be, its context has a
    /// zero, and no Reply lies there.
    pub(crate) fn no_fast_reply(&self, thread: Ref<Thread>) -> u64 {
        const ZERO: usize = core::mem::offset_of!(Context, pad) - core::mem::offset_of!(Reply, time);
        self.mem.mapped_at(thread) + ZERO as u64
    }

    /// The receiver of `reply`, which holds nobody, took `caller`'s message and owes it an answer.
    pub(crate) fn owe(&mut self, reply: Ref<Reply>, caller: Ref<Thread>) {
        self.mem[reply].caller = Some(caller.into());
        self.mem[caller].state = State::AwaitingReply(reply.into());
    }

    /// The debt is paid or forgiven; returns who waited.
    pub(crate) fn settle(&mut self, reply: Ref<Reply>) -> Option<Ref<Thread>> {
        let caller = self.mem[reply].caller?;
        self.give_back(reply);
        self.mem[reply].caller = None;
        if let Some(debtor) = self.debtor(reply) {
            self.remove_debt(debtor, reply);
            self.mem[reply].receiver = None;
        }
        Some(caller.into())
    }

    /// The answer will never come: the Reply or the receiver is gone.
    pub(crate) fn reply_dropped(&mut self, reply: Ref<Reply>) {
        if let Some(thread) = self.waits_with(reply) {
            self.cancel_ipc(thread, ErrorCode::Revoked);
        }
        if let Some(caller) = self.settle(reply) {
            self.fail_call(caller, ErrorCode::PeerGone);
        }
        self.part(reply);
    }
}
