//! A line of another component: a pin over the protocol `gpio`.

use core::sync::atomic::{AtomicU64, Ordering};

use ipc::gpio::{GpioClient, Level, Status, Trigger};
use ipc::{Call, SignalOn, WindowError};
use rt::task::{Event, NoEvent};
use rt::{Cap, Endpoint, NOTIFICATION, Notification};

use super::{Input, Output, Pin, Watch};

/// The bits of all lines.
static LINES: AtomicU64 = AtomicU64::new(0);

/// Has those who wait for lines look again when a server has ended: theirs may be it, and the wait fails. For a process that waits
/// for no other server ([`Event::server_ended`]).
///
/// # Errors
/// Another task waits for the end of servers.
pub fn watch_server() -> Result<(), crate::Error> {
    let ended = Event::server_ended()?;
    crate::spawn(async move {
        loop {
            ended.wait().await;
            rt::task::raise(LINES.load(Ordering::Relaxed));
        }
    });
    Ok(())
}

/// A line that this component has taken; dropping it gives it back.
///
/// ```
/// # use tutti_kit as kit;
/// use kit::pin::{Level, Line, LineError, Output};
///
/// /// A light behind the first line of the server that the manifest names in `uses = ["gpio"]`.
/// fn light(env: &rt::Env) -> Result<(), LineError> {
///     let mut light = Line::open(env, 0)?;
///     light.drive(Level::High)
/// }
/// ```
#[derive(Debug)]
pub struct Line<C: Call = Cap<Endpoint>> {
    gpio: GpioClient<C>,
    number: u32,
    /// Something may have happened to the line.
    event: Event,
    signal: Cap<Notification>,
}

/// Why a line could not be taken, read, driven or waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineError {
    /// The manifest does not name `gpio` in `uses`.
    Missing(rt::Missing),
    /// The server did not answer, or refused.
    Gpio(ipc::Error<Status>),
    /// The own Notification has no bit left to wait for the line.
    NoEvent,
    /// The own Notification could not be handed over.
    NoSignal(WindowError),
}

impl Line {
    /// Takes a line of the server that the manifest names in `uses = ["gpio"]`.
    ///
    /// # Errors
    /// [`LineError`].
    pub fn open(env: &rt::Env, number: u32) -> Result<Self, LineError> {
        Self::take(GpioClient::from_env(env)?, number)
    }
}

impl<C: Call> Line<C> {
    /// Takes a line of this server.
    ///
    /// # Errors
    /// [`LineError`].
    pub fn take(gpio: GpioClient<C>, number: u32) -> Result<Self, LineError> {
        let event = Event::new()?;
        gpio.take(number)?;
        let signal = signal().inspect_err(|_| _ = gpio.release(number))?;
        LINES.fetch_or(event.bits(), Ordering::Relaxed);
        Ok(Self { gpio, number, event, signal })
    }

    /// Makes it an input.
    ///
    /// # Errors
    /// [`LineError`].
    pub fn input(&mut self) -> Result<(), LineError> {
        Ok(self.gpio.input(self.number)?)
    }
}

/// The own Notification, for the server to signal; on the host it has no kernel to make a copy.
fn signal() -> Result<Cap<Notification>, LineError> {
    match cfg!(target_os = "none") {
        true => ipc::signal_only(NOTIFICATION).map_err(LineError::NoSignal),
        false => Ok(NOTIFICATION),
    }
}

impl<C: Call> Drop for Line<C> {
    fn drop(&mut self) {
        LINES.fetch_and(!self.event.bits(), Ordering::Relaxed);
        // A server that has ended has released it.
        let _ = self.gpio.release(self.number);
        if cfg!(target_os = "none") {
            ipc::discard(self.signal);
        }
    }
}

impl<C: Call> Pin for Line<C> {
    type Error = LineError;
}

impl<C: Call> Input for Line<C> {
    fn level(&mut self) -> Result<Level, LineError> {
        Ok(self.gpio.level(self.number)?)
    }
}

impl<C: Call> Output for Line<C> {
    fn drive(&mut self, level: Level) -> Result<(), LineError> {
        Ok(self.gpio.drive(self.number, level)?)
    }

    fn driven(&mut self) -> Result<Level, LineError> {
        match self.gpio.driven(self.number)? {
            Some(level) => Ok(level),
            None => self.level(),
        }
    }
}

impl<C: Call> Watch for Line<C> {
    async fn wait(&mut self, trigger: Trigger) -> Result<(), LineError> {
        let signal = SignalOn { notification: self.signal, bits: self.event.bits() };
        self.gpio.watch(self.number, trigger, signal)?;
        // What was waited for before, and given up, may have signalled as well.
        while !self.gpio.happened(self.number)? {
            self.event.wait().await;
        }
        Ok(())
    }
}

impl From<ipc::Error<Status>> for LineError {
    fn from(error: ipc::Error<Status>) -> Self {
        Self::Gpio(error)
    }
}

impl From<rt::Missing> for LineError {
    fn from(missing: rt::Missing) -> Self {
        Self::Missing(missing)
    }
}

impl From<NoEvent> for LineError {
    fn from(_: NoEvent) -> Self {
        Self::NoEvent
    }
}

impl core::fmt::Display for LineError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Missing(missing) => missing.fmt(f),
            Self::Gpio(error) => write!(f, "gpio: {error}"),
            Self::NoEvent => f.write_str("no bit of the notification left"),
            Self::NoSignal(error) => write!(f, "notification: {error}"),
        }
    }
}

impl core::error::Error for LineError {}

#[cfg(all(test, feature = "embedded-hal"))]
mod tests {
    use alloc::rc::Rc;
    use core::cell::RefCell;

    use embedded_hal::digital::{InputPin, OutputPin, StatefulOutputPin};
    use embedded_hal_async::digital::Wait;
    use ipc::gpio::GpioServer;
    use ipc::{Loopback, Shared, fake::signalled};

    use super::*;
    use crate::class::gpio::{Bank, Service};
    use crate::pin::Hal;

    /// The level outside, what is driven, what is watched, and whether that came.
    type State = (bool, Option<bool>, Option<Trigger>, bool);

    /// One line.
    #[derive(Clone, Default)]
    struct Fake(Rc<RefCell<State>>);

    impl Bank for Fake {
        fn lines(&self) -> u32 {
            1
        }
        fn input(&mut self, _: u32) {
            self.0.borrow_mut().1 = None;
        }
        fn drive(&mut self, _: u32, level: Level) {
            self.0.borrow_mut().1 = Some(level == Level::High);
        }
        fn level(&self, _: u32) -> Level {
            let (outside, driven, ..) = *self.0.borrow();
            Level::from(driven.unwrap_or(outside))
        }
        fn driven(&self, _: u32) -> Option<Level> {
            self.0.borrow().1.map(Level::from)
        }
        fn watch(&mut self, _: u32, trigger: Option<Trigger>) {
            let mut chip = self.0.borrow_mut();
            (chip.2, chip.3) = (trigger, trigger == Some(Trigger::High) && chip.0);
        }
        fn pending(&mut self) -> Option<u32> {
            self.0.borrow().3.then_some(0)
        }
    }

    type Served = Shared<Service<Fake>>;
    type Remote = Line<Loopback<GpioServer<Served>>>;

    fn remote() -> (Fake, Served, Remote) {
        rt::task::fake::reset();
        let fake = Fake::default();
        let served = Shared::new(Service::new(fake.clone()));
        let line = Line::take(GpioClient(Loopback::new(GpioServer(served.clone()))), 0);
        (fake, served, line.expect("free"))
    }

    /// What is signalled comes to the tasks.
    fn deliver() {
        rt::task::fake::raise(signalled(NOTIFICATION));
    }

    impl Fake {
        fn set(&self, served: &Served, high: bool) {
            let raised = {
                let mut chip = self.0.borrow_mut();
                let rose = !core::mem::replace(&mut chip.0, high) && high;
                chip.3 |= rose && matches!(chip.2, Some(Trigger::Rising | Trigger::Both | Trigger::High));
                chip.3
            };
            if raised {
                served.borrow_mut().interrupt();
                deliver();
            }
        }
    }

    #[test]
    fn a_line_of_another_component_is_a_pin_of_embedded_hal() {
        let (fake, served, line) = remote();
        let mut pin = Hal(line);
        assert!(pin.is_low().expect("mine"));
        fake.set(&served, true);
        assert!(pin.is_high().expect("mine"));
        pin.set_low().expect("mine");
        assert!(pin.is_low().expect("mine") && pin.is_set_low().expect("mine"));
        pin.toggle().expect("mine");
        assert_eq!(fake.0.borrow().1, Some(true));
    }

    #[test]
    fn its_edges_are_waited_for() {
        let (fake, served, line) = remote();
        let count = Rc::new(RefCell::new(0));
        let (rises, mut pin) = (count.clone(), Hal(line));
        rt::task::spawn(async move {
            loop {
                pin.wait_for_rising_edge().await.expect("mine");
                *rises.borrow_mut() += 1;
            }
        });
        rt::task::run_ready();
        for (high, rises) in [(true, 1), (false, 1), (true, 2), (true, 2)] {
            fake.set(&served, high);
            assert_eq!(*count.borrow(), rises);
        }
    }

    #[test]
    fn a_signal_of_what_was_given_up_is_no_edge() {
        let (fake, served, mut line) = remote();
        let mut context = core::task::Context::from_waker(core::task::Waker::noop());
        {
            let mut given_up = core::pin::pin!(line.wait(Trigger::Rising));
            assert!(given_up.as_mut().poll(&mut context).is_pending());
        }
        fake.set(&served, true);
        let mut wait = core::pin::pin!(line.wait(Trigger::Rising));
        assert!(wait.as_mut().poll(&mut context).is_pending(), "the level is no edge");
        fake.set(&served, false);
        fake.set(&served, true);
        assert!(wait.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn who_waits_for_a_server_that_ended_is_told() {
        let (_, served, mut line) = remote();
        watch_server().expect("nobody else does");
        let failed = Rc::new(RefCell::new(None));
        let note = failed.clone();
        rt::task::spawn(async move {
            let error = line.wait(Trigger::Rising).await.expect_err("it never rises");
            *note.borrow_mut() = Some(error);
        });
        rt::task::run_ready();
        // Another server's end.
        rt::task::fake::raise(ipc::SERVER_ENDED);
        assert_eq!(*failed.borrow(), None);
        *served.borrow_mut() = Service::new(Fake::default());
        rt::task::fake::raise(ipc::SERVER_ENDED);
        assert_eq!(*failed.borrow(), Some(LineError::Gpio(ipc::Error::Status(Status::NotTaken))));
    }

    #[test]
    fn a_line_is_given_back() {
        let (_, served, line) = remote();
        let other = GpioClient(Loopback::with_client(GpioServer(served), rt::Badge::new(7, 1, 0)));
        assert!(other.take(0).is_err());
        drop(line);
        assert_eq!(other.take(0), Ok(()));
    }
}
