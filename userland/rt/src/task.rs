//! Tasks: one thread that waits for many things. A task is a future; what it waits for in the end are bits of the process's
//! Notification ([`Event`]), the clock ([`sleep`]) or another task. Who receives for the process calls [`notified`] with the
//! bits that came, and every task that can go on does.
//!
//! All of it is for the one thread that receives. Other threads of the process, if it makes any, may use wakers, and signal bits
//! of the Notification.
//!
//! There is no stack but the process's one, and nothing is taken away from a task that runs: it gives the turn back where it
//! awaits.

mod clock;
mod event;
mod executor;

pub use clock::{Sleep, sleep, sleep_until};
pub use event::{Event, NoEvent, raise};
pub use executor::{notified, run_ready, run_until, spawn};

/// Bit of the own Notification: the clock reached what a task sleeps for.
pub(crate) const CLOCK: u64 = 1 << 61;
/// Bit of the own Notification: a task was woken while a call was served.
pub(crate) const AGAIN: u64 = 1 << 62;

/// What a test of tasks is given in the place of a kernel.
#[cfg(not(target_os = "none"))]
pub mod fake {
    /// Signals bits of the Notification and lets the tasks run.
    pub fn raise(bits: u64) {
        super::notified(bits);
    }

    /// Lets the clock go on and the tasks run, those in between in their order.
    pub fn advance(nanoseconds: u64) {
        super::clock::fake::advance(nanoseconds);
    }

    /// Forgets all tasks, events and sleepers of this thread: tests share threads.
    pub fn reset() {
        super::executor::reset();
        super::event::reset();
        super::clock::reset();
    }
}

#[cfg(test)]
mod tests;
