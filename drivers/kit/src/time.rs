//! Time that passes: clocks that can be waited for.
//!
//! The traits are Tutti's side; `Delay`, with the feature `embedded-hal`, makes of such a clock a `DelayNs` of
//! `embedded-hal` and `embedded-hal-async`.

use core::future::Future;
use core::time::Duration;

use abi::Kind;
use rt::{Cap, MEMORY, Notification, Retype, TABLE, Timer};

use crate::error::Error;

/// Nanoseconds of a wait for which asking the kernel for a signal would take longer than looking at the counter.
const SHORT: u64 = 5_000;

/// A clock that never goes back.
pub trait Clock {
    /// Nanoseconds since some moment.
    fn now(&self) -> u64;
}

/// A clock on which this thread waits, and does nothing else.
pub trait Block: Clock {
    /// Returns when `deadline`, in nanoseconds of [`Clock::now`], has come, and not before.
    fn wait_until(&mut self, deadline: u64);
}

/// A clock on which a task waits while others go on.
pub trait Sleep: Clock {
    /// Is ready when `deadline`, in nanoseconds of [`Clock::now`], has come, and not before.
    fn sleep_until(&mut self, deadline: u64) -> impl Future<Output = ()>;
}

/// The kernel's clock, with a Timer of its own to wait on.
#[derive(Debug)]
pub struct Kernel {
    timer: Cap<Timer>,
    signal: Cap<Notification>,
}

impl Kernel {
    /// Makes a Timer and a Notification out of the process's memory.
    ///
    /// # Errors
    /// No memory or no slot left.
    pub fn open() -> Result<Self, Error> {
        let timer = object(Kind::Timer)?;
        let signal = object(Kind::Notification).inspect_err(|_| ipc::discard(timer))?;
        Ok(Self { timer, signal })
    }

    /// Waits for a signal at `deadline` ticks; `false` when the kernel refuses.
    fn signalled(&self, deadline: u64) -> bool {
        self.timer.arm(deadline, self.signal, 1).and_then(|()| self.signal.wait()).is_ok()
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        ipc::discard(self.timer);
        ipc::discard(self.signal);
    }
}

impl Clock for Kernel {
    fn now(&self) -> u64 {
        rt::now_nanoseconds()
    }
}

impl Block for Kernel {
    fn wait_until(&mut self, deadline: u64) {
        while let Some(left) = deadline.checked_sub(self.now()).filter(|&left| left > 0) {
            // Should the kernel refuse, looking at the counter takes longer and is as right.
            if left < SHORT || !self.signalled(rt::now_ticks().saturating_add(ticks(left, rt::ticks_per_second()))) {
                core::hint::spin_loop();
            }
        }
    }
}

/// The kernel's clock for tasks ([`rt::task`]).
#[derive(Clone, Copy, Debug)]
pub struct Tasks;

impl Clock for Tasks {
    fn now(&self) -> u64 {
        rt::now_nanoseconds()
    }
}

impl Sleep for Tasks {
    fn sleep_until(&mut self, deadline: u64) -> impl Future<Output = ()> {
        rt::task::sleep(Duration::from_nanos(deadline.saturating_sub(self.now())))
    }
}

/// Ticks of so many nanoseconds, rounded up.
fn ticks(nanoseconds: u64, per_second: u64) -> u64 {
    let ticks = u128::from(nanoseconds) * u128::from(per_second);
    u64::try_from(ticks.div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
}

fn object<K>(kind: Kind) -> Result<Cap<K>, Error> {
    let failed = |cause| Error::new("timer", cause);
    let slot = rt::alloc_slot().map_err(|none| failed(none.into()))?;
    let made = MEMORY.retype(kind, Retype::default(), TABLE, slot).inspect_err(|_| rt::free_slot(slot));
    made.map_err(|error| failed(error.into()))?;
    Ok(Cap::from_slot(slot))
}

/// A clock for `embedded-hal` and `embedded-hal-async` 1.0: `DelayNs` of both.
///
/// ```
/// # use tutti_kit as kit;
/// use core::time::Duration;
/// use embedded_hal::delay::DelayNs;
/// use kit::{fake, time::Delay};
///
/// // In a driver: `Delay(time::Kernel::open()?)`.
/// let clock = fake::Clock::new();
/// Delay(clock.clone()).delay_ms(20);
/// assert_eq!(clock.elapsed(), Duration::from_millis(20));
/// ```
#[cfg(feature = "embedded-hal")]
#[derive(Clone, Debug)]
pub struct Delay<C>(
    /// The clock.
    pub C,
);

#[cfg(feature = "embedded-hal")]
impl<C: Clock> Delay<C> {
    /// The moment that is so many times `unit` nanoseconds from now.
    fn after(&self, count: u32, unit: u64) -> u64 {
        self.0.now().saturating_add(u64::from(count) * unit)
    }
}

#[cfg(feature = "embedded-hal")]
impl<C: Block> embedded_hal::delay::DelayNs for Delay<C> {
    fn delay_ns(&mut self, nanoseconds: u32) {
        self.0.wait_until(self.after(nanoseconds, 1));
    }

    fn delay_us(&mut self, microseconds: u32) {
        self.0.wait_until(self.after(microseconds, 1_000));
    }

    fn delay_ms(&mut self, milliseconds: u32) {
        self.0.wait_until(self.after(milliseconds, 1_000_000));
    }
}

#[cfg(feature = "embedded-hal")]
impl<C: Sleep> embedded_hal_async::delay::DelayNs for Delay<C> {
    async fn delay_ns(&mut self, nanoseconds: u32) {
        self.0.sleep_until(self.after(nanoseconds, 1)).await;
    }

    async fn delay_us(&mut self, microseconds: u32) {
        self.0.sleep_until(self.after(microseconds, 1_000)).await;
    }

    async fn delay_ms(&mut self, milliseconds: u32) {
        self.0.sleep_until(self.after(milliseconds, 1_000_000)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_never_too_few() {
        assert_eq!((ticks(0, 62_500_000), ticks(1, 62_500_000), ticks(16, 62_500_000)), (0, 1, 1));
        assert_eq!((ticks(17, 62_500_000), ticks(u64::MAX, u64::MAX)), (2, u64::MAX));
    }

    #[cfg(feature = "embedded-hal")]
    #[test]
    fn delays_are_as_long_as_they_say() {
        let clock = crate::fake::Clock::new();
        let mut delay = Delay(clock.clone());
        embedded_hal::delay::DelayNs::delay_ns(&mut delay, 7);
        embedded_hal::delay::DelayNs::delay_us(&mut delay, u32::MAX);
        futures::executor::block_on(embedded_hal_async::delay::DelayNs::delay_ms(&mut delay, u32::MAX));
        let most = u64::from(u32::MAX);
        let expected = Duration::from_nanos(7) + Duration::from_micros(most) + Duration::from_millis(most);
        assert_eq!(clock.elapsed(), expected);
    }

    #[cfg(feature = "embedded-hal")]
    #[test]
    fn a_task_waits_while_others_go_on() {
        use alloc::rc::Rc;
        use core::cell::Cell;
        use embedded_hal_async::delay::DelayNs;
        rt::task::fake::reset();
        let over = Rc::new(Cell::new(0));
        for milliseconds in [1, 3] {
            let over = over.clone();
            rt::task::spawn(async move {
                Delay(Tasks).delay_ms(milliseconds).await;
                over.set(over.get() + 1);
            });
        }
        rt::task::run_ready();
        for expected in [0, 1, 1, 2] {
            assert_eq!(over.get(), expected);
            rt::task::fake::advance(1_000_100);
        }
    }
}
