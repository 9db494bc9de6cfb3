//! The loop of a server, and how it wakes its clients.

use ipc::CapWindow;
use rt::{Badge, Cap, Endpoint, Message, Notification, REPLY, Received, SyscallError};

/// What a process does with calls and with the bits of its Notification.
pub trait Server {
    /// Answers a call; capabilities of the message wait in `window`. Never waits for hardware: a driver notes what is to
    /// be done, and signals when it is.
    fn call(&mut self, badge: Badge, message: &Message, window: &CapWindow) -> Message;
    /// Bits of the bound Notification: interrupts.
    fn notified(&mut self, bits: u64);
}

/// Serves calls and notifications until the endpoint is taken away; returns why.
pub fn serve(endpoint: Cap<Endpoint>, window: &CapWindow, server: &mut impl Server) -> SyscallError {
    let mut received = endpoint.receive(REPLY);
    loop {
        received = match received {
            Ok(Received::Call { badge, message, dropped }) => {
                let answer = server.call(badge, &message, window);
                window.clear(&message, dropped);
                // A caller that is gone must not end the server: if answering failed, only receive.
                endpoint.reply_receive(REPLY, &answer).or_else(|_| endpoint.receive(REPLY))
            }
            Ok(Received::Notified(bits)) => {
                server.notified(bits);
                endpoint.receive(REPLY)
            }
            Err(error) => return error,
        };
    }
}

/// How a client is woken: its Notification and the bits it asked for. Dropping it deletes the capability.
#[derive(Debug)]
pub struct Waker {
    notification: Cap<Notification>,
    bits: u64,
}

impl Waker {
    /// Signals `bits` of a Notification that the client handed over.
    pub const fn new(notification: Cap<Notification>, bits: u64) -> Self {
        Self { notification, bits }
    }

    /// Wakes the client. A client that took its Notification back is not woken.
    pub fn wake(&self) {
        #[cfg(target_os = "none")]
        let _ = self.notification.signal(self.bits);
        #[cfg(not(target_os = "none"))]
        fake::signal(self.notification.slot(), self.bits);
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        ipc::discard(self.notification);
    }
}

/// Wakers on the host.
#[cfg(not(target_os = "none"))]
pub mod fake {
    use core::cell::RefCell;
    use std::collections::HashMap;

    std::thread_local! {
        static SIGNALS: RefCell<HashMap<u32, u64>> = RefCell::default();
    }

    pub(super) fn signal(slot: u32, bits: u64) {
        SIGNALS.with_borrow_mut(|signals| *signals.entry(slot).or_default() |= bits);
    }

    /// The bits that were signalled to the Notification with this slot since the last look.
    pub fn signalled(slot: u32) -> u64 {
        SIGNALS.with_borrow_mut(|signals| signals.remove(&slot).unwrap_or_default())
    }
}
