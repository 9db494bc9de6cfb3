//! Terminal lines: rings in front of a [`Uart`], and the protocol `serial` with a session for each client.
//!
//! Each client has room of its own for what it sends. Among those that wait the next to send is who was served least, in bytes, for
//! a line or as much as a write brings: a client that floods the line keeps nobody from it, and lines stay whole.

use alloc::collections::VecDeque;

use ipc::serial::{Data, MAX_BYTES, Serial, SerialServer, Status};
use ipc::{Client, NoSession, Sessions, Shared, Signal};
use rt::Env;

use crate::Interrupt;

/// Clients at a time.
const CLIENTS: usize = 8;
/// Bytes of a client that wait to be sent, beyond the device's own.
const OUTPUT: usize = 2048;
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
    output: Output,
}

/// What a client sends.
#[derive(Default)]
struct Output {
    bytes: VecDeque<u8>,
    /// Bytes sent for it, and those it did not ask for while it had none to send.
    served: u64,
    /// Bytes it may still send before another has its turn; 0: it is not its turn.
    turn: usize,
}

/// One line and its clients. Each is woken when input arrives; it goes to whoever reads first.
pub struct Service<U> {
    uart: U,
    input: VecDeque<u8>,
    lost: u64,
    sessions: Sessions<Session, CLIENTS>,
    /// How far whose turn it was last had been served: who begins to send begins there.
    level: u64,
}

impl<U: Uart> Service<U> {
    /// A line without clients. What has arrived before is kept.
    pub fn new(uart: U) -> Self {
        let input = VecDeque::with_capacity(INPUT);
        let mut service = Self { uart, input, lost: 0, sessions: Sessions::new(), level: 0 };
        service.interrupt();
        service
    }

    /// The device wants attention.
    pub fn interrupt(&mut self) {
        // Before the look: what arrives behind it raises the interrupt again.
        self.uart.acknowledge();
        if self.receive() {
            self.sessions.iter_mut().for_each(|session| _ = session.signal.wake());
        }
        self.send();
    }

    /// Who is gone leaves its place to who comes, and what it wrote before it went.
    fn bury(&mut self) -> Option<Output> {
        let mut left = None;
        self.sessions.retain(|session| {
            let stays = left.is_some() || session.signal.is_there();
            if !stays {
                left = Some(core::mem::take(&mut session.output));
            }
            stays
        });
        left
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

    /// Sends what the device has room for, and wakes who has room again.
    fn send(&mut self) {
        while let Some(output) = next(&mut self.sessions, &mut self.level) {
            if !output.send(&mut self.uart) {
                break;
            }
        }
        self.uart.flush();
        let waits = self.sessions.iter_mut().any(|session| !session.output.bytes.is_empty());
        self.uart.interrupt_for_room(waits);
        for session in self.sessions.iter_mut() {
            if session.output.bytes.len() <= OUTPUT / 2 && core::mem::take(&mut session.wants_room) {
                session.signal.wake();
            }
        }
    }
}

/// Who sends: whose turn it is, or else who of those that wait was served least.
fn next<'s>(sessions: &'s mut Sessions<Session, CLIENTS>, level: &mut u64) -> Option<&'s mut Output> {
    let outputs = sessions.iter_mut().map(|session| &mut session.output);
    let waiting = outputs.filter(|output| !output.bytes.is_empty());
    let next = waiting.min_by_key(|output| (output.turn == 0, output.served))?;
    if next.turn == 0 {
        next.turn = MAX_BYTES;
        *level = next.served.max(*level);
    }
    Some(next)
}

impl Output {
    /// Offers bytes; says how many there was room for. `level`: where who begins to send begins.
    fn offer(&mut self, data: &[u8], level: u64) -> usize {
        if self.bytes.is_empty() {
            // Who comes back has no claim on what it did not ask for.
            self.served = self.served.max(level);
        }
        let taken = data.len().min(OUTPUT.saturating_sub(self.bytes.len()));
        self.bytes.extend(&data[..taken]);
        taken
    }

    /// Sends until the turn ends. `false`: the device has no room for the rest of it.
    fn send(&mut self, uart: &mut impl Uart) -> bool {
        while self.turn > 0
            && let Some(&byte) = self.bytes.front()
        {
            if !uart.send(byte) {
                return false;
            }
            self.bytes.pop_front();
            self.served += 1;
            self.turn = if byte == b'\n' { 0 } else { self.turn - 1 };
        }
        self.turn = 0;
        true
    }
}

impl<U: Uart> Serial for Service<U> {
    fn attach(&mut self, client: Client, signal: Signal) -> Result<(), Status> {
        // What was written before goes out before what will be.
        let before = self.sessions.close(client).map(|session| session.output);
        let output = before.or_else(|| self.bury()).unwrap_or_default();
        let session = Session { signal, wants_room: false, output };
        let opened = self.sessions.open(client, |_| Ok::<_, NoSession>(session));
        let session = opened.map_err(|NoSession| Status::TooManySessions)?;
        if !self.input.is_empty() {
            session.signal.wake();
        }
        Ok(())
    }

    fn write(&mut self, client: Client, data: Data) -> Result<u32, Status> {
        let session = self.sessions.get(client).ok_or(Status::NotAttached)?;
        let taken = session.output.offer(&data, self.level);
        session.wants_room |= taken < data.len();
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
