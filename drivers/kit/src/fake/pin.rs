//! A line between a driver and a test.

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use crate::pin::{self, Input, Level, Output, Trigger, Watch};

/// A line, low at first. Clones are the same line: the driver has one, the test another.
///
/// ```
/// # use tutti_kit as kit;
/// use kit::fake;
/// use kit::pin::{Input, Level, Output};
///
/// let key = fake::Pin::new();
/// let mut driver = key.clone();
/// key.set(Level::High);
/// assert_eq!(driver.level(), Ok(Level::High));
/// driver.drive(Level::Low).unwrap();
/// assert!(!key.is_high());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Pin(Rc<State>);

/// What the chip behind a line does when it changes.
type Listener = Rc<dyn Fn(Level)>;

#[derive(Default)]
struct State {
    high: Cell<bool>,
    driven_high: Cell<bool>,
    rises: Cell<u64>,
    falls: Cell<u64>,
    wakers: RefCell<Vec<Waker>>,
    listeners: RefCell<Vec<Listener>>,
}

impl core::fmt::Debug for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if self.high.get() { "high" } else { "low" })
    }
}

impl Pin {
    /// A line that is low.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it is high.
    pub fn is_high(&self) -> bool {
        self.0.high.get()
    }

    /// Sets the line from outside, whatever the driver drives it to.
    pub fn set(&self, level: Level) {
        let high = level == Level::High;
        if self.0.high.replace(high) == high {
            return;
        }
        let count = if high { &self.0.rises } else { &self.0.falls };
        count.set(count.get() + 1);
        self.0.wakers.take().into_iter().for_each(Waker::wake);
        let listeners = self.0.listeners.borrow().clone();
        listeners.iter().for_each(|listener| listener(level));
    }

    /// Calls this at each change: what the chip behind the line does.
    pub fn on_change(&self, listener: impl Fn(Level) + 'static) {
        self.0.listeners.borrow_mut().push(Rc::new(listener));
    }
}

impl pin::Pin for Pin {
    type Error = Infallible;
}

impl Input for Pin {
    fn level(&mut self) -> Result<Level, Infallible> {
        Ok(if self.is_high() { Level::High } else { Level::Low })
    }
}

impl Output for Pin {
    fn drive(&mut self, level: Level) -> Result<(), Infallible> {
        self.0.driven_high.set(level == Level::High);
        self.set(level);
        Ok(())
    }

    fn driven(&mut self) -> Result<Level, Infallible> {
        Ok(if self.0.driven_high.get() { Level::High } else { Level::Low })
    }
}

impl Watch for Pin {
    async fn wait(&mut self, trigger: Trigger) -> Result<(), Infallible> {
        let state = &self.0;
        let (rises, falls) = (state.rises.get(), state.falls.get());
        poll_fn(|context| {
            let (rose, fell) = (state.rises.get() != rises, state.falls.get() != falls);
            let happened = match trigger {
                Trigger::High => state.high.get(),
                Trigger::Low => !state.high.get(),
                Trigger::Rising => rose,
                Trigger::Falling => fell,
                Trigger::Both => rose || fell,
            };
            if happened {
                return Poll::Ready(Ok(()));
            }
            state.wakers.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}
