//! Input devices: the protocol `input` with a ring for each client, in front of a [`Device`].

use alloc::vec::Vec;

use ipc::input::{Axis, Codes, Event, Info, Input, InputServer, MAX_CODE, PAGES, Reports, Status, codes, has, kind};
use ipc::{Buffer, Client, Sessions, Shared, Signal};
use rt::{Env, SharedBuffer};

use crate::Interrupt;

/// Clients at a time.
const CLIENTS: usize = 8;
/// Where the buffer of the first is mapped; between two is a page that is not.
const BUFFERS: u64 = 0x3000_0000;
/// Most events of a report; one that is longer is cut.
const REPORT: usize = 64;
/// Most events taken from the device in one go: one that never runs empty must not hold up everything else.
const BURST: usize = 256;
/// Absolute axes: `ABS_MAX` and 0.
const AXES: usize = 64;

/// A device with which people say something.
pub trait Device {
    /// What it is called, and which kinds of events it has.
    fn info(&self) -> Info;

    /// Which codes of a kind it has.
    fn codes(&self, kind: u16) -> Codes;

    /// What the values of an absolute axis mean; its value is not looked at.
    fn axis(&self, _code: u16) -> Option<Axis> {
        None
    }

    /// The next of what has happened, without the time. A report ends with `SYN_REPORT`.
    fn next(&mut self) -> Option<Event>;

    /// Switches a light that it has on or off. `false`: not now.
    fn light(&mut self, _code: u16, _on: bool) -> bool {
        false
    }

    /// The interrupt was seen; what happens from here on raises it again.
    fn acknowledge(&mut self) {}
}

/// Serves `input` with a device whose interrupt this is, until its endpoint is taken away.
///
/// # Errors
/// The manifest does not say `provides = ["input"]`.
pub fn serve(env: &Env, device: impl Device + 'static, interrupt: Interrupt) -> crate::Result {
    let service = Shared::new(Service::new(device));
    let line = service.clone();
    crate::on_interrupt(interrupt, move || line.borrow_mut().interrupt());
    Ok(ipc::serve(env, InputServer(service))?)
}

/// A client's memory. It vanishes with the client, so it is asked for before it is touched.
struct Session {
    buffer: Option<SharedBuffer>,
    reports: Reports,
    signal: Signal,
}

/// One device and its clients.
pub struct Service<D> {
    device: D,
    sessions: Sessions<Session, CLIENTS>,
    /// What has come of the report so far.
    report: Vec<Event>,
    pressed: [u8; (MAX_CODE as usize + 1) / 8],
    axes: [i32; AXES],
}

impl<D: Device> Service<D> {
    /// Serves this device.
    pub fn new(device: D) -> Self {
        Self { device, sessions: Sessions::new(), report: Vec::with_capacity(REPORT), pressed: [0; _], axes: [0; AXES] }
    }

    /// The device.
    pub const fn device(&mut self) -> &mut D {
        &mut self.device
    }

    /// The device wants attention.
    pub fn interrupt(&mut self) {
        // Before the look: what happens behind it raises the interrupt again.
        self.device.acknowledge();
        for _ in 0..BURST {
            let Some(event) = self.device.next() else { break };
            self.note(event);
            if event.ends_report() {
                self.hand_out(event);
            } else if self.report.len() < REPORT - 1 {
                self.report.push(event);
            }
        }
    }

    /// What is pressed and where the axes are, for who asks.
    fn note(&mut self, event: Event) {
        let Event { kind, code, value, .. } = event;
        match kind {
            kind::KEY => {
                if let Some(byte) = self.pressed.get_mut(usize::from(code / 8)) {
                    *byte = *byte & !(1 << (code % 8)) | u8::from(value != 0) << (code % 8);
                }
            }
            kind::ABS => {
                if let Some(axis) = self.axes.get_mut(usize::from(code)) {
                    *axis = value;
                }
            }
            _ => {}
        }
    }

    /// The report is complete: everybody gets it.
    fn hand_out(&mut self, end: Event) {
        self.report.push(end);
        let time = rt::now_nanoseconds();
        self.report.iter_mut().for_each(|event| event.time = time);
        for session in self.sessions.iter_mut() {
            session.put(&self.report);
        }
        self.report.clear();
    }
}

impl<D: Device> Input for Service<D> {
    fn info(&mut self) -> Result<Info, Status> {
        Ok(self.device.info())
    }

    fn codes(&mut self, kind: u16) -> Result<Codes, Status> {
        Ok(self.device.codes(kind))
    }

    fn axis(&mut self, code: u16) -> Result<Axis, Status> {
        let value = *self.axes.get(usize::from(code)).ok_or(Status::NoAxis)?;
        self.device.axis(code).map(|axis| Axis { value, ..axis }).ok_or(Status::NoAxis)
    }

    fn pressed(&mut self) -> Result<Codes, Status> {
        Ok(codes((0..=MAX_CODE).filter(|&code| has(&self.pressed, code))))
    }

    fn attach(&mut self, client: Client, buffer: Buffer, signal: Signal) -> Result<(), Status> {
        self.sessions.close(client);
        // Who is gone leaves its place to who comes.
        self.sessions.retain(|session| session.buffer.as_ref().is_some_and(SharedBuffer::is_mapped));
        self.sessions.open(client, |place| Session::new(place, buffer, signal)).map(drop)
    }

    fn light(&mut self, code: u16, on: bool) -> Result<(), Status> {
        if !has(&self.device.codes(kind::LED), code) {
            return Err(Status::NoLight);
        }
        if self.device.light(code, on) { Ok(()) } else { Err(Status::NotNow) }
    }
}

impl Session {
    /// Maps a client's Frame into the range of this session.
    fn new(place: usize, buffer: Buffer, signal: Signal) -> Result<Self, Status> {
        let address = BUFFERS + place as u64 * 2 * 4096;
        let mapped = SharedBuffer::map_at(buffer.frame.cap(), address, PAGES).map_err(|_| Status::BadCapability)?;
        buffer.frame.keep();
        Ok(Self { buffer: Some(mapped), reports: Reports::new(), signal })
    }

    /// A client that lies, or took its memory away, gets nothing any more.
    fn put(&mut self, report: &[Event]) {
        // This process runs above its clients: none of them can take it away in between.
        let Some(buffer) = self.buffer.as_ref().filter(|buffer| buffer.is_mapped()) else { return };
        match self.reports.put(buffer, report) {
            Ok(true) => _ = self.signal.wake(),
            Ok(false) => {}
            Err(_) => self.end(),
        }
    }

    fn end(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            let frame = buffer.frame();
            let _ = buffer.unmap();
            ipc::discard(frame);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests;
