//! Messages, and how a wait ends.

use abi::{
    ErrorCode, FaultMessage, InWord, Kind, MAX_CAPS, MAX_WORDS, MAY_HAVE_ACTED, OUT_CAPS_DROPPED, OutWord, REG_WORDS,
    SyscallError,
};

use super::{At, Call, Endpoint, FAULT, Model, Name, Next, Out, PAGE_FRAME, Reply, State, Step, Stop, refuse};

const SEND: u8 = 1;
const RECEIVE: u8 = 2;
const GRANT: u8 = 4;
const INVOKE: u8 = 1;

// Where the parts of a message page lie.
const SENT: u64 = 0;
const WINDOW: u64 = 16;
const WORDS: u64 = 64;

pub fn call(m: &mut Model, call: &Call) -> Out {
    let name = m.get(call, call.target, Kind::Endpoint, SEND, 0)?;
    let endpoint = m.caps[&name].object;
    check_message(m, call)?;
    if call.input.caps() > 0 && m.caps[&name].rights & GRANT == 0 {
        return refuse(ErrorCode::MissingRight, 0);
    }
    if let Some(reason) = m.endpoints[&endpoint].closed {
        m.fail_with(call.caller, ErrorCode::Closed.into(), reason);
        return Ok(Next::Complete);
    }
    m.thread(call.caller).badge = m.caps[&name].badge;
    Ok(m.send(call.caller, endpoint))
}

pub fn receive(m: &mut Model, call: &Call) -> Out {
    let (endpoint, reply) = receive_arguments(m, call)?;
    if m.replies[&reply].caller.is_some() {
        return refuse(ErrorCode::Busy, 9);
    }
    if !m.take_message(call.caller, endpoint, reply) {
        m.wait_for_message(call.caller, endpoint, reply);
    }
    Ok(Next::Complete)
}

pub fn reply_receive(m: &mut Model, call: &Call) -> Out {
    let (endpoint, reply) = receive_arguments(m, call)?;
    check_message(m, call)?;
    let Reply { caller, receiver, .. } = m.replies[&reply];
    if caller.is_some() && receiver != Some(call.caller) {
        return refuse(ErrorCode::Busy, 9);
    }
    let answered = m.answer_call(call.caller, reply, call.input);
    if m.take_message(call.caller, endpoint, reply) {
        answered.into_iter().for_each(|thread| m.make_ready(thread));
        return Ok(Next::Complete);
    }
    m.wait_for_message(call.caller, endpoint, reply);
    Ok(answered.map_or(Next::Complete, Next::Switch))
}

pub fn reply(m: &mut Model, call: &Call) -> Out {
    let reply = m.target(call, Kind::Reply, INVOKE)?;
    check_message(m, call)?;
    let Reply { caller, receiver, .. } = m.replies[&reply];
    if caller.is_none() || receiver != Some(call.caller) {
        return refuse(ErrorCode::InvalidState, 0);
    }
    if let Some(thread) = m.answer_call(call.caller, reply, call.input) {
        m.make_ready(thread);
    }
    Ok(Next::Done)
}

pub fn open(m: &mut Model, call: &Call) -> Out {
    let endpoint = m.target(call, Kind::Endpoint, RECEIVE)?;
    m.endpoint(endpoint).closed = None;
    Ok(Next::Done)
}

pub fn close(m: &mut Model, call: &Call) -> Out {
    let endpoint = m.target(call, Kind::Endpoint, RECEIVE)?;
    let Ok(reason) = u32::try_from(call.x[0]) else { return refuse(ErrorCode::InvalidArgument, 1) };
    m.endpoint(endpoint).closed = Some(reason);
    while let Some(&sender) = m.endpoints[&endpoint].senders.first() {
        m.fail(sender, ErrorCode::Closed, 0, reason);
        m.point()?;
    }
    Ok(Next::Done)
}

fn receive_arguments(m: &Model, call: &Call) -> Result<(At, At), Stop> {
    let endpoint = m.target(call, Kind::Endpoint, RECEIVE)?;
    let reply = m.object(call, call.reply, Kind::Reply, INVOKE, 9)?;
    if m.waits_with(reply).is_some() {
        return refuse(ErrorCode::Busy, 9);
    }
    Ok((endpoint, reply))
}

fn check_message(m: &Model, call: &Call) -> Step {
    let (words, caps) = (usize::from(call.input.words()), usize::from(call.input.caps()));
    if words > MAX_WORDS {
        return refuse(ErrorCode::TooManyWords, 8);
    }
    if caps > MAX_CAPS {
        return refuse(ErrorCode::TooManyCaps, 8);
    }
    if words > REG_WORDS || caps > 0 {
        let Some(page) = m.page_of(call.caller) else { return refuse(ErrorCode::NoMessagePage, 8) };
        for index in 0..caps {
            m.sent_cap(call.caller, page, index)?;
        }
    }
    Ok(())
}

impl Model {
    pub fn endpoint(&mut self, at: At) -> &mut Endpoint {
        self.endpoints.get_mut(&at).expect("an Endpoint that exists")
    }

    pub fn reply(&mut self, at: At) -> &mut Reply {
        self.replies.get_mut(&at).expect("a Reply that exists")
    }

    /// Where a thread's message page lies.
    pub fn page_of(&self, thread: At) -> Option<u64> {
        self.threads[&thread].held[PAGE_FRAME].map(|name| self.caps[&name].object)
    }

    fn read_half(&self, place: u64) -> u64 {
        self.read_word(place & !7) >> (8 * (place & 4)) & 0xffff_ffff
    }

    /// A capability that a thread sends.
    fn sent_cap(&self, thread: At, page: u64, index: usize) -> Result<Name, Stop> {
        let slot = self.read_half(page + SENT + 4 * index as u64);
        let place = self.slot(self.table_of(thread)?, slot, 8)?;
        self.in_slot(place).map_or_else(|| refuse(ErrorCode::EmptySlot, 8), Ok)
    }

    /// A call or a fault: to the first who waits for one, or into the queue.
    pub fn send(&mut self, sender: At, endpoint: At) -> Next {
        let Some(&receiver) = self.endpoints[&endpoint].receivers.first() else {
            self.thread(sender).state = State::Sending(endpoint);
            self.endpoint(endpoint).senders.push(sender);
            return Next::Complete;
        };
        let reply = self.threads[&receiver].reply.expect("it receives with one");
        self.stop_waiting(receiver);
        self.deliver(sender, receiver, reply);
        self.thread(receiver).state = State::Ready;
        Next::Switch(receiver)
    }

    /// Bits of the bound Notification come first, then a call that waits.
    fn take_message(&mut self, receiver: At, endpoint: At, reply: At) -> bool {
        if let Some(bound) = self.threads[&receiver].bound
            && self.notifications[&bound].bits != 0
        {
            self.prepare_receive(receiver, reply);
            self.take_bits(bound, receiver);
            return true;
        }
        let Some(&sender) = self.endpoints[&endpoint].senders.first() else { return false };
        self.prepare_receive(receiver, reply);
        self.stop_waiting(sender);
        self.deliver(sender, receiver, reply);
        true
    }

    fn wait_for_message(&mut self, receiver: At, endpoint: At, reply: At) {
        self.prepare_receive(receiver, reply);
        self.thread(receiver).state = State::Receiving(endpoint);
        self.endpoint(endpoint).receivers.push(receiver);
    }

    fn deliver(&mut self, sender: At, receiver: At, reply: At) {
        let badge = self.threads[&sender].badge;
        let fault = self.threads[&sender].fault;
        match fault {
            Some((kind, message)) => {
                self.thread(receiver).x[..8].copy_from_slice(&message.to_words());
                self.end_call(receiver, OutWord::message(FaultMessage::WORDS, 0, 0, kind as u32), badge);
            }
            None => self.transfer(sender, receiver, InWord(self.threads[&sender].x[8]), badge),
        }
        if fault.is_none() {
            // Its time goes along.
            self.reply(reply).time = self.time_of(sender);
        }
        self.reply(reply).caller = Some(sender);
        self.thread(sender).state = State::AwaitingReply(reply);
    }

    /// Who waits for a message that this Reply will answer.
    fn waits_with(&self, reply: At) -> Option<At> {
        let receiver = self.replies[&reply].receiver?;
        let thread = &self.threads[&receiver];
        (thread.reply == Some(reply) && matches!(thread.state, State::Receiving(_))).then_some(receiver)
    }

    /// A thread takes its next message with this Reply; what it still owes through another is a debt.
    fn prepare_receive(&mut self, thread: At, reply: At) {
        self.ends_debt(thread);
        let before = self.threads[&thread].reply;
        if before == Some(reply) {
            return;
        }
        self.part(reply);
        if let Some(before) = before {
            if self.replies[&before].caller.is_some() {
                let place = if self.replies[&before].time.is_some() { 0 } else { self.threads[&thread].debts.len() };
                self.thread(thread).debts.insert(place, before);
            } else {
                self.reply(before).receiver = None;
            }
        }
        self.thread(thread).reply = Some(reply);
        self.reply(reply).receiver = Some(thread);
    }

    /// Nobody takes calls with this Reply any more.
    fn part(&mut self, reply: At) {
        if let Some(thread) = self.reply(reply).receiver.take() {
            self.thread(thread).reply = None;
        }
    }

    /// Answers whoever a Reply holds; says who can go on.
    fn answer_call(&mut self, server: At, reply: At, input: InWord) -> Option<At> {
        let caller = self.settle(reply)?;
        if self.thread(caller).fault.take().is_some() {
            // Label 0 lets it go on where it faulted, any other leaves it stopped.
            let goes_on = input.label() == 0;
            self.thread(caller).state = if goes_on { State::Ready } else { State::Faulted };
            return goes_on.then_some(caller);
        }
        self.transfer(server, caller, input, 0);
        self.thread(caller).state = State::Ready;
        Some(caller)
    }

    fn transfer(&mut self, from: At, to: At, input: InWord, badge: u64) {
        let mut words = usize::from(input.words());
        for index in 0..REG_WORDS {
            self.thread(to).x[index] = if index < words { self.threads[&from].x[index] } else { 0 };
        }
        if words > REG_WORDS {
            if let (Some(source), Some(target)) = (self.page_of(from), self.page_of(to)) {
                for index in 0..(words - REG_WORDS) as u64 {
                    let word = self.read_word(source + WORDS + 8 * index);
                    self.write_word(target + WORDS + 8 * index, word);
                }
            } else {
                words = REG_WORDS;
            }
        }
        let arrived =
            (0..usize::from(input.caps())).take_while(|&index| self.transfer_cap(from, to, index)).count() as u8;
        let dropped = if arrived < input.caps() { OUT_CAPS_DROPPED } else { 0 };
        self.end_call(to, OutWord::message(words as u8, arrived, dropped, input.label()), badge);
    }

    /// A derived copy in the receive window; `false` when it is dropped.
    fn transfer_cap(&mut self, from: At, to: At, index: usize) -> bool {
        let (Some(source), Some(window)) = (self.page_of(from), self.page_of(to)) else { return false };
        let (base, room) = (self.read_half(window + WINDOW), self.read_half(window + WINDOW + 4));
        if index as u64 >= room {
            return false;
        }
        let Ok(name) = self.sent_cap(from, source, index) else { return false };
        let cap = self.caps[&name].clone();
        if matches!(cap.kind, Kind::Untyped | Kind::Reserve | Kind::Reply) {
            return false;
        }
        let Ok(table) = self.table_of(to) else { return false };
        let Ok(place) = self.empty_slot(table, base + index as u64, 0) else { return false };
        self.insert(place, cap.copied(cap.rights, cap.badge), Some(name));
        true
    }

    /// The call ends: says who waited.
    pub fn settle(&mut self, reply: At) -> Option<At> {
        let caller = self.replies[&reply].caller?;
        self.give_back(reply);
        self.reply(reply).caller = None;
        if let Some(receiver) = self.replies[&reply].receiver
            && self.threads[&receiver].reply != Some(reply)
        {
            self.thread(receiver).debts.retain(|&debt| debt != reply);
            self.reply(reply).receiver = None;
        }
        Some(caller)
    }

    /// The answer will never come.
    pub fn reply_dropped(&mut self, reply: At) {
        if let Some(thread) = self.waits_with(reply) {
            self.cancel_ipc(thread, ErrorCode::Revoked);
        }
        if let Some(caller) = self.settle(reply) {
            self.thread(caller).state = State::Suspended;
            self.fail(caller, ErrorCode::PeerGone, MAY_HAVE_ACTED, 0);
        }
        self.part(reply);
    }

    /// Takes a thread out of what it waits in.
    pub fn stop_waiting(&mut self, thread: At) {
        match self.threads[&thread].state {
            State::Sending(endpoint) => self.endpoint(endpoint).senders.retain(|&other| other != thread),
            State::Receiving(endpoint) => self.endpoint(endpoint).receivers.retain(|&other| other != thread),
            State::AwaitingReply(reply) => drop(self.settle(reply)),
            State::Waiting(notification) => self.notification(notification).waiter = None,
            State::Ready => self.unqueue(thread),
            State::Suspended | State::Faulted => {}
        }
    }

    /// Stops a thread, whatever it was doing.
    pub fn halt(&mut self, thread: At, state: State) {
        self.stop_waiting(thread);
        self.thread(thread).state = state;
    }

    /// Ends the call a thread is blocked in; one that reported a fault stays stopped.
    pub fn fail(&mut self, thread: At, code: ErrorCode, detail: u8, label: u32) {
        self.stop_waiting(thread);
        if self.threads[&thread].fault.is_some() {
            self.thread(thread).state = State::Faulted;
            return;
        }
        self.fail_with(thread, SyscallError::new(code, detail), label);
        self.make_ready(thread);
    }

    /// Ends whatever IPC a thread is blocked in.
    pub fn cancel_ipc(&mut self, thread: At, code: ErrorCode) {
        match self.threads[&thread].state {
            State::AwaitingReply(reply) => {
                self.settle(reply);
                self.thread(thread).state = State::Suspended;
                self.fail(thread, code, MAY_HAVE_ACTED, 0);
            }
            State::Sending(_) | State::Receiving(..) | State::Waiting(_) => self.fail(thread, code, 0, 0),
            State::Ready | State::Suspended | State::Faulted => {}
        }
    }

    /// Sends a fault to the thread's handler; `None` when there is none that listens.
    pub fn report(&mut self, thread: At, kind: abi::FaultKind, message: FaultMessage) -> Option<Next> {
        let name = self.threads[&thread].held[FAULT]?;
        let (endpoint, badge) = (self.caps[&name].object, self.caps[&name].badge);
        if self.endpoints[&endpoint].closed.is_some() {
            return None;
        }
        let object = self.thread(thread);
        (object.fault, object.badge) = (Some((kind, message)), badge);
        Some(self.send(thread, endpoint))
    }

    /// The running thread faulted.
    pub fn fault(&mut self, thread: At, kind: abi::FaultKind, address: u64, syndrome: u64) {
        let super::Thread { pc, sp, x, .. } = self.threads[&thread];
        let message = FaultMessage { pc, address, syndrome, sp, fp: x[29], lr: x[30] };
        let next = self.report(thread, kind, message).unwrap_or_else(|| {
            self.thread(thread).state = State::Faulted;
            Next::Complete
        });
        self.finish(thread, next);
    }
}
