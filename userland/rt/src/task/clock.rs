//! Sleeping: all sleepers of a process share one Timer of the kernel, which is set to the first of their deadlines.

use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use spin::Mutex;

use crate::time::now_ticks;

/// One for the process; on the host one for each thread, as each is a test of its own.
struct Clock {
    sleepers: Vec<(u64, Waker)>,
    /// What the kernel's Timer is set to; `u64::MAX`: nothing.
    armed: u64,
    #[cfg(target_os = "none")]
    timer: Option<crate::Cap<crate::Timer>>,
}

impl Clock {
    const fn new() -> Self {
        Self {
            sleepers: Vec::new(),
            armed: u64::MAX,
            #[cfg(target_os = "none")]
            timer: None,
        }
    }
}

#[cfg(target_os = "none")]
fn clock() -> &'static Mutex<Clock> {
    static CLOCK: Mutex<Clock> = Mutex::new(Clock::new());
    &CLOCK
}

#[cfg(not(target_os = "none"))]
fn clock() -> &'static Mutex<Clock> {
    std::thread_local!(static CLOCK: &'static Mutex<Clock> =
        alloc::boxed::Box::leak(alloc::boxed::Box::new(Mutex::new(Clock::new()))));
    CLOCK.with(|clock| *clock)
}

/// Waits; made by [`sleep`] and [`sleep_until`].
#[derive(Debug)]
pub struct Sleep(u64);

/// Waits at least so long.
pub fn sleep(time: Duration) -> Sleep {
    let ticks = time.as_nanos() * u128::from(crate::ticks_per_second()) / 1_000_000_000;
    Sleep(now_ticks().saturating_add(u64::try_from(ticks).unwrap_or(u64::MAX)).saturating_add(1))
}

/// Waits until the counter shows at least `ticks`.
pub const fn sleep_until(ticks: u64) -> Sleep {
    Sleep(ticks)
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if now_ticks() >= self.0 {
            return Poll::Ready(());
        }
        let mut clock = clock().lock();
        let known = clock.sleepers.iter().any(|(at, waker)| *at == self.0 && waker.will_wake(context.waker()));
        if !known {
            clock.sleepers.push((self.0, context.waker().clone()));
        }
        Poll::Pending
    }
}

/// The Timer has fired, or may have: wakes whose time has come.
pub(super) fn reached() {
    let now = now_ticks();
    let mut clock = clock().lock();
    clock.armed = u64::MAX;
    clock.sleepers.retain(|(at, waker)| {
        if *at <= now {
            waker.wake_by_ref();
        }
        *at > now
    });
}

/// Sets the kernel's Timer to the first deadline, if that is not what it is set to.
#[inline]
pub(super) fn arm() {
    let mut clock = clock().lock();
    if !clock.sleepers.is_empty() {
        set(&mut clock);
    }
}

#[cold]
fn set(clock: &mut Clock) {
    let first = clock.sleepers.iter().map(|(at, _)| *at).min().unwrap_or(u64::MAX);
    if first < clock.armed && arm_at(clock, first) {
        clock.armed = first;
    }
}

/// Without memory for a Timer nobody who sleeps is ever woken: that is the manifest's fault, and a panic says so.
#[cfg(target_os = "none")]
fn arm_at(clock: &mut Clock, ticks: u64) -> bool {
    let timer = *clock.timer.get_or_insert_with(|| {
        let slot = crate::alloc_slot().expect("no free slot for a Timer: `table` in the manifest");
        let made = crate::MEMORY.retype(crate::Kind::Timer, crate::Retype::default(), crate::TABLE, slot);
        made.expect("no memory for a Timer: `memory` in the manifest");
        crate::Cap::from_slot(slot)
    });
    timer.arm(ticks, crate::NOTIFICATION, super::CLOCK).is_ok()
}

#[cfg(not(target_os = "none"))]
const fn arm_at(_: &mut Clock, _: u64) -> bool {
    true
}

#[cfg(not(target_os = "none"))]
pub(super) fn reset() {
    *clock().lock() = Clock::new();
}

/// The clock of a test stands still until it is moved.
#[cfg(not(target_os = "none"))]
pub(super) mod fake {
    use super::{clock, reached};

    pub fn advance(nanoseconds: u64) {
        let end = crate::time::fake_ticks() + nanoseconds;
        loop {
            let first = clock().lock().sleepers.iter().map(|(at, _)| *at).min();
            let Some(next) = first.filter(|&at| at <= end) else { break };
            crate::time::set_fake_ticks(next.max(crate::time::fake_ticks()));
            reached();
            super::super::run_ready();
        }
        crate::time::set_fake_ticks(end);
    }
}
