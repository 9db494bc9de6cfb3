//! Clocks that know the time of day: the protocol `clock` with an alarm for each client, in front of an [`Rtc`] that has one.

use ipc::clock::{Clock, ClockServer, Status};
use ipc::{Client, Sessions, Shared, Signal};
use rt::Env;

use crate::Interrupt;

/// Clients with an alarm at a time.
const ALARMS: usize = 8;
/// Nanoseconds after which every device has taken over the time it was set to: some wait for the next second.
const SETTLED: u64 = 2_000_000_000;

/// A device that counts seconds since 1970-01-01 00:00:00 UTC.
pub trait Rtc {
    /// The last second it can count.
    const LAST: u64;

    /// The time.
    fn now(&self) -> u64;

    /// Sets the time, at most [`Self::LAST`]. It may be a second until [`Self::now`] shows it.
    fn set(&mut self, time: u64);

    /// Interrupts when the time becomes `at`, and at no other time; `None`: never.
    fn set_alarm(&mut self, at: Option<u64>);

    /// The interrupt was seen.
    fn acknowledge(&mut self);
}

/// Serves `clock` with a device whose interrupt this is, until its endpoint is taken away.
///
/// # Errors
/// The manifest does not say `provides = ["clock"]`.
pub fn serve(env: &Env, rtc: impl Rtc + 'static, interrupt: Interrupt) -> crate::Result {
    log::info!("{} seconds since 1970", rtc.now());
    let service = Shared::new(Service::new(rtc));
    let line = service.clone();
    crate::on_interrupt(interrupt, move || line.borrow_mut().interrupt());
    Ok(ipc::serve(env, ClockServer(service))?)
}

struct Alarm {
    at: u64,
    signal: Signal,
}

/// One device and its clients.
pub struct Service<R> {
    rtc: R,
    alarms: Sessions<Alarm, ALARMS>,
    /// What it was set to last, and when, in nanoseconds of the kernel's clock.
    set: Option<(u64, u64)>,
}

impl<R: Rtc> Service<R> {
    /// Serves this device, with no alarm.
    pub fn new(mut rtc: R) -> Self {
        rtc.set_alarm(None);
        Self { rtc, alarms: Sessions::new(), set: None }
    }

    /// The device wants attention.
    pub fn interrupt(&mut self) {
        self.rtc.acknowledge();
        self.ring();
    }

    fn time(&self) -> u64 {
        let since = |at| rt::now_nanoseconds().saturating_sub(at);
        match self.set {
            // Where the device ends, so does the time: beyond, some begin anew.
            Some((time, at)) if since(at) < SETTLED => time.saturating_add(since(at) / 1_000_000_000).min(R::LAST),
            _ => self.rtc.now(),
        }
    }

    /// Rings the alarms whose time has come, and has the device interrupt for the next.
    fn ring(&mut self) {
        let mut now = self.time();
        loop {
            self.alarms.retain(|alarm| {
                let is_due = alarm.at <= now;
                if is_due {
                    alarm.signal.wake();
                }
                !is_due
            });
            let next = self.alarms.iter_mut().map(|alarm| alarm.at).min();
            self.rtc.set_alarm(next);
            // The device compares for equality: what has come meanwhile would never ring.
            now = self.time();
            if next.is_none_or(|next| next > now) {
                break;
            }
        }
    }
}

impl<R: Rtc> Clock for Service<R> {
    fn now(&mut self) -> Result<u64, Status> {
        Ok(self.time())
    }

    fn set(&mut self, time: u64) -> Result<(), Status> {
        if time > R::LAST {
            return Err(Status::OutOfRange);
        }
        self.rtc.set(time);
        self.set = Some((time, rt::now_nanoseconds()));
        self.ring();
        Ok(())
    }

    fn alarm(&mut self, client: Client, at: u64, signal: Signal) -> Result<(), Status> {
        if at > R::LAST {
            return Err(Status::OutOfRange);
        }
        self.alarms.close(client);
        // Who is gone leaves its place to who comes.
        self.alarms.retain(|alarm| alarm.signal.is_there());
        self.alarms.open(client, |_| Ok::<_, Status>(Alarm { at, signal }))?;
        self.ring();
        Ok(())
    }

    fn cancel(&mut self, client: Client) -> Result<(), Status> {
        self.alarms.close(client);
        self.ring();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
