//! The console: output that waits for room, input that is kept until it is wanted, Ctrl-C.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use ipc::serial::{MAX_BYTES, SerialClient, Status};
use ipc::{Error, SERVER_ENDED, SignalOn};
use rt::{Cap, ErrorCode, Notification};

use crate::machine::{Carrier, DISPLAY_BIT, LOG_BIT, Machine, NET_BIT, SERIAL_BIT};

/// Bytes typed ahead; more are dropped.
const TYPED: usize = 4096;
/// How often a driver that was restarted is tried again before it is given up.
const TRIES: u32 = 16;
/// Ctrl-C.
const INTERRUPT: u8 = 3;

/// Why output stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Ctrl-C.
    Interrupted,
    /// There is no console any more.
    Gone,
}

/// The console.
pub struct Console {
    serial: SerialClient<Carrier>,
    notification: Cap<Notification>,
    machine: Box<dyn Machine>,
    output: Vec<u8>,
    typed: VecDeque<u8>,
    /// Bits that have come and were not dealt with.
    pending: u64,
    /// A command runs, and Ctrl-C stops it.
    running: bool,
    /// Ctrl-C came since the command began.
    interrupted: bool,
    /// A server ended since the last look.
    ended: bool,
}

impl Console {
    /// The console behind this server.
    pub fn new(serial: SerialClient<Carrier>, notification: Cap<Notification>, machine: Box<dyn Machine>) -> Self {
        let output = Vec::with_capacity(MAX_BYTES);
        Self {
            serial,
            notification,
            machine,
            output,
            typed: VecDeque::new(),
            pending: 0,
            running: false,
            interrupted: false,
            ended: false,
        }
    }

    /// The clock.
    pub fn machine(&self) -> &dyn Machine {
        &*self.machine
    }

    /// Begins a session with the driver. What was typed before is in it.
    ///
    /// # Errors
    /// `Gone`.
    pub fn attach(&mut self) -> Result<(), Stop> {
        for _ in 0..TRIES {
            match self.serial.attach(SignalOn { notification: self.notification, bits: SERIAL_BIT }) {
                Ok(()) => {
                    self.pending |= SERIAL_BIT;
                    return Ok(());
                }
                Err(error) if is_restart(&error) => {}
                Err(error) => return Err(gone(&error)),
            }
        }
        Err(Stop::Gone)
    }

    /// A command begins: Ctrl-C stops its output from now on.
    pub fn begin(&mut self) {
        self.running = true;
        // Typed behind the command's line: it was meant for this command.
        self.interrupted = self.typed.contains(&INTERRUPT);
    }

    /// The command ended. A Ctrl-C that stopped it is not seen again.
    pub fn end(&mut self, stopped: bool) {
        self.running = false;
        if stopped && self.typed.front() == Some(&INTERRUPT) {
            self.typed.pop_front();
        }
    }

    /// Writes a character; `\n` ends a line.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn put(&mut self, character: char) -> Result<(), Stop> {
        if character == '\n' {
            self.put_byte(b'\r')?;
        }
        let mut bytes = [0; 4];
        character.encode_utf8(&mut bytes).bytes().try_for_each(|byte| self.put_byte(byte))
    }

    /// Writes text.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn print(&mut self, text: core::fmt::Arguments<'_>) -> Result<(), Stop> {
        struct Out<'a>(&'a mut Console, Result<(), Stop>);
        impl core::fmt::Write for Out<'_> {
            fn write_str(&mut self, text: &str) -> core::fmt::Result {
                self.1 = text.chars().try_for_each(|character| self.0.put(character));
                self.1.map_err(|_| core::fmt::Error)
            }
        }
        let mut out = Out(self, Ok(()));
        // The only error there is is the one kept aside.
        let _ = core::fmt::write(&mut out, text);
        out.1
    }

    fn put_byte(&mut self, byte: u8) -> Result<(), Stop> {
        self.output.push(byte);
        if self.output.len() >= MAX_BYTES { self.flush() } else { Ok(()) }
    }

    /// Sends what was written; waits while the driver has no room. On an error what was not sent is forgotten.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn flush(&mut self) -> Result<(), Stop> {
        let output = core::mem::take(&mut self.output);
        let result = self.send(&output);
        self.output = output;
        self.output.clear();
        result
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        let mut failures = 0;
        self.check_interrupt()?;
        while !bytes.is_empty() {
            match self.serial.write(&bytes[..bytes.len().min(MAX_BYTES)]) {
                Ok(taken) => {
                    failures = 0;
                    bytes = bytes.get(taken as usize..).unwrap_or_default();
                    if !bytes.is_empty() {
                        self.wait_for_room()?;
                        self.check_interrupt()?;
                    }
                }
                Err(error) if is_restart(&error) && failures < TRIES => {
                    failures += 1;
                    self.attach()?;
                }
                Err(error) => return Err(gone(&error)),
            }
        }
        Ok(())
    }

    /// Stops a command when Ctrl-C was typed. Costs a poll where nothing has happened.
    ///
    /// # Errors
    /// `Interrupted`, `Gone`.
    pub fn check_interrupt(&mut self) -> Result<(), Stop> {
        self.pending |= self.machine.poll();
        self.collect()?;
        if self.running && self.interrupted { Err(Stop::Interrupted) } else { Ok(()) }
    }

    /// Waits until something happens.
    ///
    /// # Errors
    /// `Gone`.
    pub fn wait(&mut self) -> Result<(), Stop> {
        // What signals a command that has ended is waited for by nobody.
        self.pending &= SERIAL_BIT | LOG_BIT | SERVER_ENDED;
        if self.pending == 0 && !self.ended && self.typed.is_empty() {
            self.pending = self.machine.wait().ok_or(Stop::Gone)?;
        }
        self.collect()
    }

    /// Sends what was written, and waits for what signals this bit. `false`: a server ended meanwhile, and it may never come.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn wait_for(&mut self, bit: u64) -> Result<bool, Stop> {
        self.flush()?;
        loop {
            self.check_interrupt()?;
            if self.take(bit) {
                return Ok(true);
            }
            if self.ended {
                return Ok(false);
            }
            self.pending |= self.machine.wait().ok_or(Stop::Gone)?;
        }
    }

    /// Waits for what the driver signals after a write that was cut short.
    fn wait_for_room(&mut self) -> Result<(), Stop> {
        loop {
            let bits = self.machine.wait().ok_or(Stop::Gone)?;
            self.pending |= bits;
            if bits & (SERIAL_BIT | SERVER_ENDED) != 0 {
                return self.collect();
            }
        }
    }

    /// Fetches what was typed, if something was.
    fn collect(&mut self) -> Result<(), Stop> {
        self.pending &= !NET_BIT;
        if self.take(SERVER_ENDED) {
            // Which server is not said; a new session with one that still runs does no harm.
            self.ended = true;
            self.attach()?;
        }
        let mut failures = 0;
        while self.pending & SERIAL_BIT != 0 {
            match self.serial.read(MAX_BYTES as u32) {
                Ok(data) if data.is_empty() => self.pending &= !SERIAL_BIT,
                Ok(data) => self.keep(&data),
                Err(error) if is_restart(&error) && failures < TRIES => {
                    failures += 1;
                    self.attach()?;
                }
                Err(error) => return Err(gone(&error)),
            }
        }
        Ok(())
    }

    fn keep(&mut self, data: &[u8]) {
        for &byte in data {
            if byte == INTERRUPT {
                // What was typed before was meant for what is being stopped.
                self.interrupted = true;
                self.typed.clear();
            }
            if self.typed.len() < TYPED {
                self.typed.push_back(byte);
            }
        }
    }

    /// The next byte that was typed.
    pub fn typed(&mut self) -> Option<u8> {
        self.typed.pop_front()
    }

    /// Waits until a display has taken a frame, or something else happens.
    ///
    /// # Errors
    /// `Interrupted`, `Gone`.
    pub fn wait_for_frame(&mut self) -> Result<(), Stop> {
        self.check_interrupt()?;
        while self.pending & DISPLAY_BIT == 0 && !self.ended {
            self.pending |= self.machine.wait().ok_or(Stop::Gone)?;
            self.check_interrupt()?;
        }
        self.take(DISPLAY_BIT);
        Ok(())
    }

    /// Waits until a key is typed, which is then gone.
    ///
    /// # Errors
    /// `Interrupted`, `Gone`.
    pub fn wait_for_key(&mut self) -> Result<(), Stop> {
        self.check_interrupt()?;
        while self.typed.pop_front().is_none() {
            self.pending |= self.machine.wait().ok_or(Stop::Gone)?;
            self.check_interrupt()?;
        }
        Ok(())
    }

    /// Whether there are new log lines; asked once.
    pub fn has_log(&mut self) -> bool {
        self.take(LOG_BIT)
    }

    /// Whether a server has ended; asked once.
    pub fn server_ended(&mut self) -> bool {
        core::mem::take(&mut self.ended)
    }

    fn take(&mut self, bit: u64) -> bool {
        let set = self.pending & bit != 0;
        self.pending &= !bit;
        set
    }
}

/// The driver was restarted and knows this session no more: attaching again helps.
fn is_restart(error: &Error<Status>) -> bool {
    match error {
        Error::Call(call) => {
            matches!(call.error.code, ErrorCode::PeerGone | ErrorCode::Revoked | ErrorCode::Cancelled)
        }
        Error::Status(status) => *status == Status::NotAttached,
        Error::Malformed | Error::TooLong => false,
    }
}

fn gone(error: &Error<Status>) -> Stop {
    log::error!("use:serial: {error}");
    Stop::Gone
}
