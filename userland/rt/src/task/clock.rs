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
    sleepers: Vec<Sleeper>,
    /// Sleepers so far.
    begun: u64,
    /// What the kernel's Timer is set to; `u64::MAX`: nothing.
    armed: u64,
    #[cfg(target_os = "none")]
    timer: Option<crate::Cap<crate::Timer>>,
}

/// A [`Sleep`] that somebody waits for.
struct Sleeper {
    number: u64,
    at: u64,
    waker: Waker,
}

impl Clock {
    const fn new() -> Self {
        Self {
            sleepers: Vec::new(),
            begun: 0,
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

/// Waits; made by [`sleep`] and [`sleep_until`]. Who is dropped early waits no longer.
#[derive(Debug)]
pub struct Sleep {
    at: u64,
    /// Its number in the list, from 1 on; 0: nobody has waited for it yet.
    number: u64,
}

/// Waits at least so long.
pub fn sleep(time: Duration) -> Sleep {
    let ticks = time.as_nanos() * u128::from(crate::ticks_per_second()) / 1_000_000_000;
    sleep_until(now_ticks().saturating_add(u64::try_from(ticks).unwrap_or(u64::MAX)).saturating_add(1))
}

/// Waits until the counter shows at least `ticks`.
pub const fn sleep_until(ticks: u64) -> Sleep {
    Sleep { at: ticks, number: 0 }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if now_ticks() >= self.at {
            return Poll::Ready(());
        }
        let mut clock = clock().lock();
        if self.number == 0 {
            clock.begun += 1;
            self.number = clock.begun;
        }
        let before = clock.list(&self, context.waker());
        drop(clock);
        // A waker is anybody's, and may sleep itself: none is dropped or woken under the lock.
        drop(before);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if self.number != 0 {
            let sleeper = clock().lock().remove(|sleeper| sleeper.number == self.number);
            drop(sleeper);
        }
    }
}

impl Clock {
    /// Notes who is woken; returns who was before.
    fn list(&mut self, sleep: &Sleep, waker: &Waker) -> Option<Waker> {
        let listed = self.sleepers.iter_mut().find(|sleeper| sleeper.number == sleep.number);
        let Some(sleeper) = listed else {
            self.sleepers.push(Sleeper { number: sleep.number, at: sleep.at, waker: waker.clone() });
            return None;
        };
        (!sleeper.waker.will_wake(waker)).then(|| core::mem::replace(&mut sleeper.waker, waker.clone()))
    }

    fn remove(&mut self, which: impl FnMut(&Sleeper) -> bool) -> Option<Sleeper> {
        let place = self.sleepers.iter().position(which)?;
        Some(self.sleepers.swap_remove(place))
    }
}

/// The Timer has fired, or may have: wakes whose time has come.
pub(super) fn reached() {
    let now = now_ticks();
    clock().lock().armed = u64::MAX;
    loop {
        let due = clock().lock().remove(|sleeper| sleeper.at <= now);
        let Some(sleeper) = due else { break };
        sleeper.waker.wake();
    }
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
    let first = clock.sleepers.iter().map(|sleeper| sleeper.at).min().unwrap_or(u64::MAX);
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
    let mut clock = clock().lock();
    // Who slept before is not taken for who sleeps from now on.
    *clock = Clock { begun: clock.begun, ..Clock::new() };
}

/// The clock of a test stands still until it is moved.
#[cfg(not(target_os = "none"))]
pub(super) mod fake {
    use super::{clock, reached};

    /// Who sleeps.
    #[cfg(test)]
    pub fn sleepers() -> usize {
        clock().lock().sleepers.len()
    }

    pub fn advance(nanoseconds: u64) {
        let end = crate::time::fake_ticks() + nanoseconds;
        loop {
            let first = clock().lock().sleepers.iter().map(|sleeper| sleeper.at).min();
            let Some(next) = first.filter(|&at| at <= end) else { break };
            crate::time::set_fake_ticks(next.max(crate::time::fake_ticks()));
            reached();
            super::super::run_ready();
        }
        crate::time::set_fake_ticks(end);
    }
}
