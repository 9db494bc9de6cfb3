//! Synchronous messages: call, receive, reply, and how a blocked thread is let go.

use abi::{
    ErrorCode, InWord, Kind, MAX_CAPS, MAX_WORDS, MAY_HAVE_ACTED, OUT_CAPS_DROPPED, OutWord, REG_WORDS, Rights,
    SyscallError, trace::Event,
};

use crate::cap::Slot;
use crate::gate::key;
use crate::kernel::{Kernel, Next, Res};
use crate::mm::{Phys, Ref};
use crate::object::{Endpoint, Gate, Held, Reply, State, Thread};
use crate::syscall::Args;
use crate::trace::pair;

/// Offsets in the message page.
mod page {
    use abi::MessagePage;
    use core::mem::offset_of;
    pub const SEND: u64 = offset_of!(MessagePage, send) as u64;
    /// Its first slot and, in the upper half of the word, their number.
    pub const WINDOW: u64 = offset_of!(MessagePage, window_base) as u64;
    const _: () = assert!(offset_of!(MessagePage, window_count) as u64 == WINDOW + 4 && WINDOW.is_multiple_of(8));
    pub const WORDS: u64 = offset_of!(MessagePage, words) as u64;
}

pub(crate) use page::WORDS;

/// Sends a message and waits for the answer.
///
/// # Rights
/// Endpoint: send; with capabilities also grant.
/// # Returns
/// The answer's message; x9 = 0.
/// # Errors
/// `TooManyWords`, `TooManyCaps`, `NoMessagePage`, `SlotOutOfRange` and `EmptySlot` (a capability to send), `Closed`
/// (label: the reason), and once it waits `PeerGone`, `Cancelled`, `Revoked`.
pub fn call(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (endpoint, slot) = k.get::<Endpoint>(caller, args.target(), Rights::SEND, 0)?;
    k.check_message(caller, args.input)?;
    let cap = k.mem[slot].cap;
    if args.input.caps() > 0 && !cap.rights.contains(Rights::GRANT) {
        return Err(SyscallError::new(ErrorCode::MissingRight, 0));
    }
    if let Gate::Closed(reason) = k.mem[endpoint].gate {
        k.mem[caller].context.refuse(ErrorCode::Closed.into(), reason);
        return Ok(Next::Schedule);
    }
    if k.hand_over(caller, endpoint, args.input, cap.word) {
        return Ok(Next::Schedule);
    }
    k.mem[caller].badge = cap.word;
    Ok(k.send(caller, endpoint))
}

/// Waits for a message, or for the bound Notification.
///
/// # Rights
/// Endpoint: receive. Reply (high half of x9).
/// # Returns
/// The message; x9 = badge. Or flag `OUT_NOTIFICATION` and x0 = bits.
/// # Errors
/// `Busy` (the Reply holds a caller or another thread waits with it), `Cancelled`, `Revoked`.
pub fn receive(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (endpoint, reply) = receive_args(k, caller, args)?;
    if k.mem[reply].caller.is_some() {
        return Err(SyscallError::new(ErrorCode::Busy, 9));
    }
    Ok(match k.take_message(caller, endpoint, reply) {
        true => Next::Schedule,
        false => k.wait_for_message(caller, endpoint, reply),
    })
}

/// Answers through the Reply, if its caller still waits, then receives.
///
/// # Rights
/// As [`receive`].
/// # Returns
/// As [`receive`].
/// # Errors
/// As [`receive`], and those of the message as in [`call`].
pub fn reply_receive(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (endpoint, reply) = receive_args(k, caller, args)?;
    k.check_message(caller, args.input)?;
    if k.mem[reply].caller.is_some() && k.mem[reply].receiver != Some(caller) {
        return Err(SyscallError::new(ErrorCode::Busy, 9));
    }
    let woken = k.answer(caller, reply, args.input);
    if k.take_message(caller, endpoint, reply) {
        if let Some(woken) = woken {
            k.make_ready(woken);
        }
        return Ok(Next::Schedule);
    }
    k.wait_for_message(caller, endpoint, reply);
    Ok(match woken {
        Some(woken) => {
            k.set_key(woken);
            Next::Switch(woken)
        }
        None => Next::Schedule,
    })
}

/// Answers the caller that a Reply holds.
///
/// # Rights
/// Reply.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidState` (nobody waits, or another thread took the call), and those of the message as in [`call`].
pub fn reply(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (reply, _) = k.get::<Reply>(caller, args.target(), Rights::INVOKE, 0)?;
    k.check_message(caller, args.input)?;
    if k.mem[reply].caller.is_none() || k.mem[reply].receiver != Some(caller) {
        return Err(SyscallError::new(ErrorCode::InvalidState, 0));
    }
    if let Some(woken) = k.answer(caller, reply, args.input) {
        k.make_ready(woken);
    }
    Ok(Next::Done)
}

fn receive_args(k: &Kernel, caller: Ref<Thread>, args: &Args) -> Res<(Ref<Endpoint>, Ref<Reply>)> {
    let (endpoint, _) = k.get::<Endpoint>(caller, args.target(), Rights::RECEIVE, 0)?;
    let (reply, _) = k.get::<Reply>(caller, args.reply(), Rights::INVOKE, 9)?;
    if k.waits_with(reply).is_some() {
        return Err(SyscallError::new(ErrorCode::Busy, 9));
    }
    Ok((endpoint, reply))
}

impl Kernel {
    /// Whether a message claims no more than it has.
    #[inline(always)]
    fn check_message(&self, sender: Ref<Thread>, input: InWord) -> Res<()> {
        let (words, caps) = (usize::from(input.words()), usize::from(input.caps()));
        if words > MAX_WORDS {
            return Err(SyscallError::new(ErrorCode::TooManyWords, 8));
        }
        if caps > MAX_CAPS {
            return Err(SyscallError::new(ErrorCode::TooManyCaps, 8));
        }
        if words <= REG_WORDS && caps == 0 {
            return Ok(());
        }
        self.check_page(sender, caps as u64)
    }

    /// Whether there is a page, and in it slots that are filled.
    #[inline(always)]
    fn check_page(&self, sender: Ref<Thread>, caps: u64) -> Res<()> {
        if self.mem[sender].page == Phys(0) {
            return Err(SyscallError::new(ErrorCode::NoMessagePage, 8));
        }
        for index in 0..caps {
            let slot = self.sent_slot(sender, index)?;
            if self.mem[slot].is_empty() {
                return Err(SyscallError::new(ErrorCode::EmptySlot, 8));
            }
        }
        Ok(())
    }

    /// The slot of the capability number `index` that a thread sends.
    #[inline(always)]
    fn sent_slot(&self, sender: Ref<Thread>, index: u64) -> Res<Ref<Slot>> {
        let place = Phys(self.mem[sender].page.0 + page::SEND + 4 * index);
        self.slot_of(sender, self.mem.read_u32(place).into(), 8)
    }

    /// The ordinary case of a call, as on the fast path: a receiver that the endpoint's word names waits on this core, and nobody is
    /// more urgent. It gets the message, the caller's time and the core. Otherwise nothing is done.
    #[inline(always)]
    fn hand_over(&mut self, caller: Ref<Thread>, endpoint: Ref<Endpoint>, input: InWord, badge: u64) -> bool {
        let Some(receiver) = self.mem[endpoint].known_receiver() else { return false };
        let urgency = self.mem[receiver].key.wrapping_sub(key(self.sched.own(), self.sched.top));
        let (Some(reply), Some(time)) = (self.mem[receiver].reply, self.sched.time_in_use()) else { return false };
        if !(0..=256).contains(&urgency) || self.trace.is_on() {
            return false;
        }
        self.transfer(caller, receiver, input, badge);
        self.mem[endpoint].word = crate::arch::idle_word(self.sched.own());
        let object = &mut self.mem[reply];
        (object.caller, object.time) = (Some(caller.into()), Some(time.into()));
        self.mem[caller].state = State::AwaitingReply(reply.into());
        self.mem[receiver].state = State::Ready;
        self.go_on_as(receiver);
        true
    }

    /// `sender`'s message (a call or a fault) goes to a waiting receiver or into the queue.
    pub(crate) fn send(&mut self, sender: Ref<Thread>, endpoint: Ref<Endpoint>) -> Next {
        self.thaw(endpoint);
        let Some(receiver) = self.mem[endpoint].receivers.first() else {
            self.mem[sender].state = State::Sending(endpoint);
            let mut queue = self.mem[endpoint].senders;
            queue.push_back(&mut self.mem, sender);
            self.mem[endpoint].senders = queue;
            return Next::Schedule;
        };
        self.leave(receiver);
        let Some(reply) = self.mem[receiver].reply else { unreachable!("a receiving thread has a Reply") };
        self.deliver(sender, receiver, reply);
        self.mem[receiver].state = State::Ready;
        self.set_key(receiver);
        Next::Switch(receiver)
    }

    /// Takes bits or a waiting message, if there are any.
    fn take_message(&mut self, receiver: Ref<Thread>, endpoint: Ref<Endpoint>, reply: Ref<Reply>) -> bool {
        if let Some(notification) = self.mem[receiver].bound
            && self.mem[notification].bits != 0
        {
            self.prepare(receiver, reply);
            self.take_bits(notification, receiver);
            self.set_fast_reply(receiver);
            return true;
        }
        self.thaw(endpoint);
        let Some(sender) = self.mem[endpoint].senders.first() else {
            self.freeze(endpoint);
            return false;
        };
        self.prepare(receiver, reply);
        self.leave(sender);
        self.deliver(sender, receiver, reply);
        true
    }

    /// A thread takes its next message with this Reply. It goes on with time of its own, if it has any.
    fn prepare(&mut self, receiver: Ref<Thread>, reply: Ref<Reply>) {
        self.end_debt(receiver);
        self.take_calls_with(receiver, reply);
        self.set_fast_reply(receiver);
        if !self.uses_time(receiver) {
            self.forget_loaded();
        }
    }

    fn wait_for_message(&mut self, receiver: Ref<Thread>, endpoint: Ref<Endpoint>, reply: Ref<Reply>) -> Next {
        self.prepare(receiver, reply);
        // The fast paths of this core may wake it, wherever its own time is.
        self.mem[receiver].key = key(self.sched.own(), self.mem[receiver].priority.into());
        self.mem[receiver].state = State::Receiving(endpoint.into());
        self.thaw(endpoint);
        let mut queue = self.mem[endpoint].receivers;
        queue.push_back(&mut self.mem, receiver);
        self.mem[endpoint].receivers = queue;
        self.freeze(endpoint);
        Next::Schedule
    }

    /// Hands a call or fault over; the sender now waits for the answer.
    fn deliver(&mut self, sender: Ref<Thread>, receiver: Ref<Thread>, reply: Ref<Reply>) {
        let badge = self.mem[sender].badge;
        self.trace(Event::Deliver, pair(sender, Some(receiver)), badge);
        match self.mem[sender].fault.get() {
            Some((kind, message)) => {
                let context = &mut self.mem[receiver].context;
                context.x[..8].copy_from_slice(&message.to_words());
                context.finish(OutWord::message(abi::FaultMessage::WORDS, 0, 0, kind as u32), badge);
            }
            None => {
                let input = InWord(self.mem[sender].context.x[8]);
                self.transfer(sender, receiver, input, badge);
            }
        }
        if !self.mem[sender].fault.is_some() {
            let time = self.time_of(sender);
            self.set_key_on(sender, time);
            self.donate(reply, time, receiver);
        } else {
            self.mem[sender].key = Thread::SLOW_KEY;
        }
        self.owe(reply, sender);
    }

    /// Answers whoever a Reply holds. Returns the thread that can go on, which stands in no queue and which no fast path knows
    /// of yet.
    fn answer(&mut self, server: Ref<Thread>, reply: Ref<Reply>, input: InWord) -> Option<Ref<Thread>> {
        let caller = self.settle(reply)?;
        self.trace(Event::Answer, pair(server, Some(caller)), input.label().into());
        if self.mem[caller].fault.is_some() {
            self.mem[caller].fault.clear();
            let resume = input.label() == 0;
            self.mem[caller].state = if resume { State::Ready } else { State::Faulted };
            return resume.then_some(caller);
        }
        self.transfer(server, caller, input, 0);
        self.mem[caller].state = State::Ready;
        Some(caller)
    }

    /// Copies a message: words, page words, capabilities; clears what is not message.
    fn transfer(&mut self, from: Ref<Thread>, to: Ref<Thread>, input: InWord, badge: u64) {
        let mut words = usize::from(input.words());
        let (source, target) = self.mem.two(from, to);
        if words >= REG_WORDS {
            crate::arch::copy_words(source.context.words(), target.context.words_mut());
        } else if words == 0 {
            crate::arch::copy_words(&[0; REG_WORDS], target.context.words_mut());
        } else {
            for index in 0..REG_WORDS {
                target.context.x[index] = if index < words { source.context.x[index] } else { 0 };
            }
        }
        if words > REG_WORDS {
            let (source, target) = (self.mem[from].page, self.mem[to].page);
            if source == Phys(0) || target == Phys(0) {
                words = REG_WORDS;
            } else {
                let (source, target) = (Phys(source.0 + page::WORDS), Phys(target.0 + page::WORDS));
                self.mem.copy_words(source, target, words - REG_WORDS);
            }
        }
        let (caps, flags) = match input.caps() {
            0 => (0, 0),
            count => self.transfer_caps(from, to, count),
        };
        let context = &mut self.mem[to].context;
        context.finish(OutWord::message(words as u8, caps, flags, input.label()), badge);
    }

    /// Derives the capabilities of a message into the receive window; says how many, and whether any was dropped.
    fn transfer_caps(&mut self, from: Ref<Thread>, to: Ref<Thread>, count: u8) -> (u8, u8) {
        for index in 0..count {
            if self.transfer_cap(from, to, index.into()).is_none() {
                return (index, OUT_CAPS_DROPPED);
            }
        }
        (count, 0)
    }

    fn transfer_cap(&mut self, from: Ref<Thread>, to: Ref<Thread>, index: u64) -> Option<()> {
        let window = self.mem[to].page;
        if window == Phys(0) || self.mem[from].page == Phys(0) {
            return None;
        }
        let window = self.mem.read_u64(Phys(window.0 + page::WINDOW));
        let (base, room) = (window & u64::from(u32::MAX), window >> 32);
        if index >= room {
            return None;
        }
        let source = self.sent_slot(from, index).ok()?;
        let cap = self.mem[source].cap;
        if !cap.is_copyable() {
            return None;
        }
        let target = self.slot_of(to, base + index, 0).ok()?;
        if !self.mem[target].is_empty() {
            return None;
        }
        self.insert(target, cap.derived(cap.rights, cap.badge()), Some(source));
        Some(())
    }

    /// Takes a thread out of whatever it waits in; its state is for the caller to set.
    pub(crate) fn leave(&mut self, thread: Ref<Thread>) {
        match self.mem[thread].state {
            State::Sending(endpoint) => {
                self.thaw(endpoint);
                let mut queue = self.mem[endpoint].senders;
                queue.remove(&mut self.mem, thread);
                self.mem[endpoint].senders = queue;
                self.freeze(endpoint);
            }
            State::Receiving(endpoint) => {
                let endpoint = endpoint.into();
                self.thaw(endpoint);
                let mut queue = self.mem[endpoint].receivers;
                queue.remove(&mut self.mem, thread);
                self.mem[endpoint].receivers = queue;
                self.freeze(endpoint);
            }
            State::AwaitingReply(reply) => {
                self.settle(reply.into());
            }
            State::Waiting(notification) => self.mem[notification].waiter = None,
            State::InFirmware => self.forget_firmware(thread),
            State::Ready => self.unqueue(thread),
            State::Suspended | State::Faulted => {}
        }
    }

    /// Stops a thread in this state, whatever it was doing.
    pub(crate) fn halt(&mut self, thread: Ref<Thread>, state: State) {
        self.leave(thread);
        self.mem[thread].state = state;
    }

    /// Ends the system call a thread is blocked in. A thread that reported a fault stays stopped.
    fn fail(&mut self, thread: Ref<Thread>, error: SyscallError, label: u32) {
        self.leave(thread);
        if self.mem[thread].fault.is_some() {
            self.mem[thread].state = State::Faulted;
            return;
        }
        self.mem[thread].context.refuse(error, label);
        self.make_ready(thread);
    }

    /// Ends a call whose message nobody took.
    pub(crate) fn fail_send(&mut self, thread: Ref<Thread>, code: ErrorCode, label: u32) {
        self.fail(thread, code.into(), label);
    }

    /// Ends a call whose message was taken: the server may have acted. The Reply no longer holds the caller.
    pub(crate) fn fail_call(&mut self, thread: Ref<Thread>, code: ErrorCode) {
        self.mem[thread].state = State::Suspended;
        self.fail(thread, SyscallError::new(code, MAY_HAVE_ACTED), 0);
    }

    /// Ends whatever IPC a thread is blocked in with this error; one that is not blocked does not notice.
    pub(crate) fn cancel_ipc(&mut self, thread: Ref<Thread>, code: ErrorCode) {
        match self.mem[thread].state {
            State::AwaitingReply(reply) => {
                self.settle(reply.into());
                self.fail_call(thread, code);
            }
            State::Sending(_) | State::Receiving(..) | State::Waiting(_) => self.fail(thread, code.into(), 0),
            State::InFirmware => self.fail(thread, SyscallError::new(code, MAY_HAVE_ACTED), 0),
            State::Ready | State::Suspended | State::Faulted => {}
        }
    }

    /// Where a thread's faults go, and with which badge.
    pub(crate) fn fault_handler(&self, thread: Ref<Thread>) -> Option<(Ref<Endpoint>, u64)> {
        let cap = self.mem[thread].held[Held::Fault as usize].cap;
        debug_assert!(matches!(cap.kind, Kind::Null | Kind::Endpoint));
        cap.object_of::<Endpoint>().map(|endpoint| (endpoint, cap.word))
    }
}
