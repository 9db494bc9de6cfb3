//! Back-off: at once, then after 100 ms, doubling to 10 s.

/// Nanoseconds of a millisecond.
const MILLISECOND: u64 = 1_000_000;
/// The second restart in a row waits so long, in nanoseconds.
const FIRST_WAIT: u64 = 100 * MILLISECOND;
/// No restart waits longer, in nanoseconds.
const LONGEST_WAIT: u64 = 10_000 * MILLISECOND;
/// A component that ran so long, in nanoseconds, begins anew.
pub const QUIET: u64 = 10_000 * MILLISECOND;
/// Restarts in a row that did not last [`QUIET`], after which also `always` ends.
const MOST: u32 = 10;

/// What a manifest wants done when its component dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It stays dead.
    Never,
    /// It is started a second time, not a third.
    Once,
    /// It is started again each time.
    Always,
}

/// How often a component died in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures(u32);

impl Failures {
    /// Decides about a component whose instance number `epoch`, counted from 1, died after it `ran` for so many nanoseconds:
    /// how many nanoseconds later the next is started.
    ///
    /// # Errors
    /// Why it is not started again.
    pub fn another(&mut self, policy: Policy, epoch: u16, ran: u64) -> Result<u64, &'static str> {
        match policy {
            Policy::Never => return Err("its manifest says so"),
            Policy::Once if epoch > 1 => return Err("it was once"),
            Policy::Once | Policy::Always => {}
        }
        if ran >= QUIET {
            *self = Self::default();
        }
        if self.0 == MOST {
            return Err("10 restarts in a row did not last 10 s");
        }
        let doublings = self.0.checked_sub(1);
        self.0 += 1;
        Ok(doublings.map_or(0, |doublings| LONGEST_WAIT.min(FIRST_WAIT << doublings)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_and_once() {
        assert_eq!(Failures::default().another(Policy::Never, 1, QUIET), Err("its manifest says so"));
        assert_eq!(Failures::default().another(Policy::Once, 1, 0), Ok(0));
        // Whoever supervised the first instance may be gone itself.
        assert_eq!(Failures::default().another(Policy::Once, 2, 1000 * QUIET), Err("it was once"));
    }

    #[test]
    fn each_restart_in_a_row_waits_twice_as_long() {
        let mut failures = Failures::default();
        let waits: Vec<u64> =
            (1..=10).map(|epoch| failures.another(Policy::Always, epoch, 5).unwrap() / MILLISECOND).collect();
        assert_eq!(waits, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert!(failures.another(Policy::Always, 11, QUIET - 1).is_err());
    }

    #[test]
    fn who_ran_for_a_while_begins_anew() {
        let mut failures = Failures::default();
        for epoch in 1..1000 {
            let ran = if epoch % 5 == 0 { QUIET } else { 0 };
            assert!(failures.another(Policy::Always, epoch, ran).is_ok(), "{epoch}");
        }
        assert_eq!(failures.another(Policy::Always, 1000, QUIET), Ok(0));
        assert_eq!(failures.another(Policy::Always, 1001, 0), Ok(FIRST_WAIT));
    }
}
