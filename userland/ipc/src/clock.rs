//! clock: the time of day, and alarms.

use crate::{Client, NoSession, Signal};

/// The time of day, and alarms.
///
/// Times are seconds since 1970-01-01 00:00:00 UTC, every day with 86,400 of them.
#[crate::protocol(name = "clock", version = 1)]
pub trait Clock {
    /// The time.
    #[method(1)]
    fn now(&mut self) -> Result<u64, Status>;

    /// Sets the time. Alarms that it passes by ring.
    #[method(2)]
    fn set(&mut self, time: u64) -> Result<(), Status>;

    /// Asks for a signal when the time is `at` or later; at once, if it is that already. It takes the place of the alarm that this
    /// client had, and rings once.
    #[method(3)]
    fn alarm(&mut self, client: Client, at: u64, signal: Signal) -> Result<(), Status>;

    /// Takes back the alarm of this client, if it has one.
    #[method(4)]
    fn cancel(&mut self, client: Client) -> Result<(), Status>;
}

crate::statuses! {
    /// The time lies beyond what the device can count.
    OutOfRange = 1, "the clock cannot count so far";
    /// Other components have all the alarms.
    TooManyAlarms = 2, "the clock has no alarm left";
}

impl From<NoSession> for Status {
    fn from(_: NoSession) -> Self {
        Self::TooManyAlarms
    }
}
