//! A clock that a test has in its hands.

use alloc::rc::Rc;
use core::cell::Cell;
use core::time::Duration;

use crate::time::{Block, Clock as Time, Sleep};

/// A clock on which waiting takes no time, but counts. Clones are the same clock.
///
/// ```
/// # use tutti_kit as kit;
/// use core::time::Duration;
/// use kit::fake;
/// use kit::time::{Block, Clock};
///
/// let clock = fake::Clock::new();
/// let mut driver = clock.clone();
/// driver.wait_until(driver.now() + 1_500);
/// assert_eq!(clock.elapsed(), Duration::from_nanos(1_500));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Clock(Rc<Cell<u64>>);

impl Clock {
    /// A clock at 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// What has passed since it was at 0.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.0.get())
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.set(self.0.get().saturating_add(nanoseconds));
    }
}

impl Time for Clock {
    fn now(&self) -> u64 {
        self.0.get()
    }
}

impl Block for Clock {
    fn wait_until(&mut self, deadline: u64) {
        self.0.set(self.0.get().max(deadline));
    }
}

impl Sleep for Clock {
    async fn sleep_until(&mut self, deadline: u64) {
        self.wait_until(deadline);
    }
}
