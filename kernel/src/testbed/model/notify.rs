//! Notification: a word of event bits.

use abi::{ErrorCode, Kind, OUT_NOTIFICATION, OutWord};

use super::{At, Call, Model, Next, Notification, Out, State, refuse};

const SIGNAL: u8 = 1;
const WAIT: u8 = 2;

pub fn signal(m: &mut Model, call: &Call) -> Out {
    let name = m.get(call, call.target, Kind::Notification, SIGNAL, 0)?;
    let (object, badge) = (m.caps[&name].object, m.caps[&name].badge);
    m.notify(object, call.x[0] | badge);
    Ok(Next::Done)
}

pub fn wait(m: &mut Model, call: &Call) -> Out {
    let at = m.target(call, Kind::Notification, WAIT)?;
    let object = m.notification(at);
    let bits = core::mem::take(&mut object.bits);
    if bits != 0 {
        return Ok(m.answer_one(call.caller, bits));
    }
    if object.waiter.is_some() || object.bound.is_some_and(|bound| bound != call.caller) {
        return refuse(ErrorCode::Busy, 0);
    }
    object.waiter = Some(call.caller);
    m.thread(call.caller).state = State::Waiting(at);
    Ok(Next::Complete)
}

pub fn poll(m: &mut Model, call: &Call) -> Out {
    let at = m.target(call, Kind::Notification, WAIT)?;
    let bits = core::mem::take(&mut m.notification(at).bits);
    Ok(m.answer_one(call.caller, bits))
}

impl Model {
    pub fn notification(&mut self, at: At) -> &mut Notification {
        self.notifications.get_mut(&at).expect("a Notification that exists")
    }

    /// Sets bits and wakes who waits for them.
    pub fn notify(&mut self, at: At, bits: u64) {
        let object = self.notification(at);
        object.bits |= bits;
        if let Some(waiter) = object.waiter
            && object.bits != 0
        {
            object.waiter = None;
            let bits = core::mem::take(&mut object.bits);
            self.answer(waiter, [bits, 0, 0, 0, 0, 0, 0, 0]);
            self.make_ready(waiter);
        }
        self.end_bound_receive(at);
    }

    /// If the bound thread waits in a receive, that ends with the bits.
    pub fn end_bound_receive(&mut self, at: At) {
        let Notification { bits, bound, .. } = self.notifications[&at];
        if let Some(thread) = bound
            && bits != 0
            && matches!(self.threads[&thread].state, State::Receiving(..))
        {
            self.stop_waiting(thread);
            self.take_bits(at, thread);
            self.make_ready(thread);
        }
    }

    pub fn take_bits(&mut self, at: At, thread: At) {
        let bits = core::mem::take(&mut self.notification(at).bits);
        self.answer(thread, [bits, 0, 0, 0, 0, 0, 0, 0]);
        self.end_call(thread, OutWord::message(1, 0, OUT_NOTIFICATION, 0), 0);
    }

    pub fn unbind(&mut self, thread: At) {
        if let Some(at) = self.thread(thread).bound.take() {
            self.notification(at).bound = None;
        }
    }
}
