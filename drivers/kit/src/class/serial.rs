//! Terminal lines: rings in front of a [`Uart`], and the protocol `serial` with a session for each client.

use alloc::collections::VecDeque;

use ipc::serial::{Data, MAX_BYTES, Serial, SerialServer, Status};
use ipc::{Client, NoSession, Sessions, Shared, Signal};
use rt::Env;

use crate::Interrupt;

/// Clients at a time.
const CLIENTS: usize = 8;
/// Bytes that wait to be sent, beyond the device's own.
const OUTPUT: usize = 4096;
/// Bytes that have arrived and wait to be read.
const INPUT: usize = 1024;
/// Most bytes taken from the device in one go: one that never runs empty must not hold up everything else.
const BURST: usize = 64;

/// What the device brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A byte.
    Byte(u8),
    /// A byte, and others before it were lost.
    Overrun(u8),
    /// A byte with an error of its frame or parity, or a break.
    Broken,
}

/// A device that sends and receives bytes.
pub trait Uart {
    /// The next of what has arrived. Where there is none any more, the interrupt that says so is taken back.
    fn receive(&mut self) -> Option<Received>;

    /// Sends a byte, if there is room for it.
    fn send(&mut self, byte: u8) -> bool;

    /// Nothing more follows at once: what a device collects goes out now.
    fn flush(&mut self) {}

    /// Whether the device keeps what is not taken, and the other end waits. Else it is taken as it comes, and what nobody reads in
    /// time is lost.
    fn keeps_input(&self) -> bool {
        false
    }

    /// Whether to interrupt when there is room to send.
    fn interrupt_for_room(&mut self, wanted: bool);

    /// The interrupt was seen; what arrives from here on raises it again.
    fn acknowledge(&mut self) {}
}

/// Serves `serial` with a device whose interrupt this is, until its endpoint is taken away.
///
/// # Errors
/// The manifest does not say `provides = ["serial"]`.
pub fn serve(env: &Env, uart: impl Uart + 'static, interrupt: Interrupt) -> crate::Result {
    let service = Shared::new(Service::new(uart));
    let line = service.clone();
    crate::on_interrupt(interrupt, move || line.borrow_mut().interrupt());
    Ok(ipc::serve(env, SerialServer(service))?)
}

struct Session {
    signal: Signal,
    /// A write was cut short.
    wants_room: bool,
}

/// One line and its clients. Each is woken when input arrives; it goes to whoever reads first.
pub struct Service<U> {
    uart: U,
    output: VecDeque<u8>,
    input: VecDeque<u8>,
    lost: u64,
    sessions: Sessions<Session, CLIENTS>,
}

impl<U: Uart> Service<U> {
    /// A line without clients. What has arrived before is kept.
    pub fn new(uart: U) -> Self {
        let (output, input) = (VecDeque::with_capacity(OUTPUT), VecDeque::with_capacity(INPUT));
        let mut service = Self { uart, output, input, lost: 0, sessions: Sessions::new() };
        service.interrupt();
        service
    }

    /// The device wants attention.
    pub fn interrupt(&mut self) {
        // Before the look: what arrives behind it raises the interrupt again.
        self.uart.acknowledge();
        let input = self.receive();
        let waited = self.output.len();
        self.send();
        let left = self.output.len();
        let room = waited > OUTPUT / 2 && left <= OUTPUT / 2 || waited > 0 && left == 0;
        for session in self.sessions.iter_mut() {
            if input || room && core::mem::take(&mut session.wants_room) {
                session.signal.wake();
            }
        }
    }

    fn receive(&mut self) -> bool {
        let before = self.input.len();
        let most = if self.uart.keeps_input() { INPUT - before } else { BURST };
        for received in core::iter::from_fn(|| self.uart.receive()).take(most) {
            let (byte, lost) = match received {
                Received::Byte(byte) => (byte, 0),
                Received::Overrun(byte) => (byte, 1),
                Received::Broken => continue,
            };
            self.lost += lost;
            // Where the ring is full the newest bytes go: what was typed first is what the reader waits for.
            match self.input.len() < INPUT {
                true => self.input.push_back(byte),
                false => self.lost += 1,
            }
        }
        self.input.len() > before
    }

    fn send(&mut self) {
        while let Some(&byte) = self.output.front() {
            if !self.uart.send(byte) {
                break;
            }
            self.output.pop_front();
        }
        self.uart.flush();
        self.uart.interrupt_for_room(!self.output.is_empty());
    }
}

impl<U: Uart> Serial for Service<U> {
    fn attach(&mut self, client: Client, signal: Signal) -> Result<(), Status> {
        self.sessions.close(client);
        let opened = self.sessions.open(client, |_| Ok::<_, NoSession>(Session { signal, wants_room: false }));
        let session = opened.map_err(|NoSession| Status::TooManySessions)?;
        if !self.input.is_empty() {
            session.signal.wake();
        }
        Ok(())
    }

    fn write(&mut self, client: Client, data: Data) -> Result<u32, Status> {
        let session = self.sessions.get(client).ok_or(Status::NotAttached)?;
        let taken = data.len().min(OUTPUT - self.output.len());
        session.wants_room |= taken < data.len();
        self.output.extend(&data[..taken]);
        self.send();
        Ok(taken as u32)
    }

    fn read(&mut self, client: Client, most: u32) -> Result<Data, Status> {
        self.sessions.get(client).ok_or(Status::NotAttached)?;
        // Said here, where the reader is back, and not in a flood of interrupts.
        let lost = core::mem::take(&mut self.lost);
        if lost > 0 {
            log::warn!("{lost} bytes of input were lost: nobody read them in time");
        }
        let mut out = [0; MAX_BYTES];
        let count = self.input.len().min(most as usize).min(MAX_BYTES);
        out.iter_mut().zip(self.input.drain(..count)).for_each(|(place, byte)| *place = byte);
        if self.uart.keeps_input() {
            self.receive();
        }
        Ok(Data::cut(&out[..count]))
    }
}

#[cfg(test)]
mod tests;
