//! The serial protocol: sessions of clients in front of one line.

use ipc::serial::{self, Data, MAX_BYTES, Request, Status};
use ipc::{NoSession, Sessions};
use kit::server::Waker;
use rt::{Badge, Message};

use crate::line::{Line, News};

/// Clients at a time.
const CLIENTS: usize = 8;

struct Session {
    waker: Waker,
    /// A write was cut short.
    wants_room: bool,
}

/// One line and its clients. Each is woken when input arrives; it goes to whoever reads first.
pub struct Service {
    line: Line,
    sessions: Sessions<Session, CLIENTS>,
}

impl Service {
    /// Serves this line.
    pub const fn new(line: Line) -> Self {
        Self { line, sessions: Sessions::new() }
    }

    /// Begins the session of a client, in place of the one it had. What has arrived before is news to it.
    ///
    /// # Errors
    /// `TooManySessions`.
    pub fn attach(&mut self, badge: Badge, waker: Waker) -> Result<(), Status> {
        self.sessions.close(badge);
        let opened = self.sessions.open(badge, |_| Ok::<_, NoSession>(Session { waker, wants_room: false }));
        let session = opened.map_err(|NoSession| Status::TooManySessions)?;
        if self.line.has_input() {
            session.waker.wake();
        }
        Ok(())
    }

    /// Answers WRITE and READ, which need a session; ATTACH brings a capability and is not for here.
    pub fn request(&mut self, badge: Badge, request: &Request) -> Message {
        let Some(session) = self.sessions.get(badge) else { return Status::NotAttached.answer() };
        match request {
            Request::Attach { .. } => Status::BadCapability.answer(),
            Request::Write(data) => {
                let taken = self.line.write(data);
                session.wants_room |= taken < data.len();
                serial::written(taken)
            }
            Request::Read { max } => {
                let mut out = [0; MAX_BYTES];
                let count = self.line.read(&mut out[..(*max as usize).min(MAX_BYTES)]);
                // Said here, where the reader is back, and not in a flood of interrupts.
                let lost = self.line.take_lost();
                if lost > 0 {
                    log::warn!("{lost} bytes of input were lost: nobody read them in time");
                }
                serial::read(&Data::cut(&out[..count]))
            }
        }
    }

    /// The device wants attention.
    pub fn interrupt(&mut self) {
        let News { input, room } = self.line.interrupt();
        for session in self.sessions.iter_mut() {
            let room = room && core::mem::take(&mut session.wants_room);
            if input || room {
                session.waker.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Uart;
    use ipc::{Loopback, serial::Serial};
    use kit::server::fake::signalled;
    use rt::Cap;
    use std::cell::RefCell;

    const SHELL: Badge = Badge::new(5, 1, 0);
    const SLOT: u32 = 44;

    fn waker() -> Waker {
        Waker::new(Cap::from_slot(SLOT), 2)
    }

    fn service() -> (Uart, Service) {
        let uart = Uart::new();
        let line = Line::new(&uart.mmio()).unwrap();
        (uart, Service::new(line))
    }

    #[test]
    fn a_client_without_a_session_is_refused() {
        let (_, mut service) = service();
        let status = Status::NotAttached.answer();
        assert_eq!(service.request(SHELL, &Request::Read { max: 4 }), status);
        service.attach(SHELL, waker()).unwrap();
        assert_eq!(service.request(SHELL, &Request::Read { max: 4 }), serial::read(&Data::new()));
        assert_eq!(service.request(Badge::new(5, 2, 0), &Request::Read { max: 4 }), status);
    }

    #[test]
    fn input_wakes_and_is_read() {
        let (uart, service) = service();
        let service = RefCell::new(service);
        service.borrow_mut().attach(SHELL, waker()).unwrap();
        b"hi".iter().for_each(|&byte| uart.receive(byte.into()));
        service.borrow_mut().interrupt();
        assert_eq!(signalled(SLOT), 2);
        let client = Serial(Loopback(|message: &Message| {
            service.borrow_mut().request(SHELL, &Request::decode(message).unwrap())
        }));
        assert_eq!(client.read(1).unwrap().as_slice(), b"h");
        assert_eq!(client.read(504).unwrap().as_slice(), b"i");
        assert_eq!(client.read(504).unwrap().as_slice(), b"");
    }

    #[test]
    fn a_full_line_refuses_and_says_when_there_is_room() {
        let (uart, mut service) = service();
        service.attach(SHELL, waker()).unwrap();
        let full = Request::Write(Data::cut(&[b'x'; MAX_BYTES]));
        let mut taken = 0;
        loop {
            let answer = service.request(SHELL, &full);
            taken += answer.word(0);
            if answer.word(0) < MAX_BYTES as u64 {
                break;
            }
        }
        assert_eq!(signalled(SLOT), 0);
        let mut sent = 0;
        while signalled(SLOT) == 0 {
            sent += uart.transmit(32).len();
            service.interrupt();
        }
        assert!(sent > 1000 && (sent as u64) < taken);
        assert_eq!(service.request(SHELL, &full), serial::written(MAX_BYTES));
    }

    #[test]
    fn what_arrived_before_is_news() {
        let (uart, mut service) = service();
        uart.receive(65);
        service.interrupt();
        service.attach(SHELL, waker()).unwrap();
        assert_eq!(signalled(SLOT), 2);
    }
}
