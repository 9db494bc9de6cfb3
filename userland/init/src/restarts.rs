//! How often a component was started again, and whether it is once more.

use alloc::collections::VecDeque;

use bundle::Restart;

/// Restarts within [`WITHIN`] after which also `always` ends: what crashes at once would keep the system busy for ever.
const MOST: usize = 10;
/// In nanoseconds.
const WITHIN: u64 = 10_000_000_000;

/// The restarts of a component so far.
#[derive(Debug, Default)]
pub struct Restarts {
    any: bool,
    /// When the last ones were, at most [`MOST`], in nanoseconds.
    times: VecDeque<u64>,
}

impl Restarts {
    /// Decides at a time in nanoseconds about a component whose instance number `epoch` has died, and notes the restart
    /// if there is one.
    ///
    /// # Errors
    /// Why it is not started again.
    pub fn another(&mut self, policy: Restart, epoch: u16, now: u64) -> Result<(), &'static str> {
        match policy {
            Restart::Never => return Err("its manifest says so"),
            Restart::Once if self.any => return Err("it was once"),
            // Servers tell instances apart by the epoch: none is used twice.
            _ if epoch == u16::MAX => return Err("it was 65,534 times"),
            Restart::Once | Restart::Always => {}
        }
        while self.times.front().is_some_and(|&time| now.saturating_sub(time) >= WITHIN) {
            self.times.pop_front();
        }
        if self.times.len() >= MOST {
            return Err("10 restarts within 10 s");
        }
        self.any = true;
        self.times.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn never_and_once() {
        assert!(Restarts::default().another(Restart::Never, 1, 0).is_err());
        let mut restarts = Restarts::default();
        assert_eq!(restarts.another(Restart::Once, 1, 0), Ok(()));
        assert_eq!(restarts.another(Restart::Once, 2, 1000 * SECOND), Err("it was once"));
    }

    #[test]
    fn always_ends_when_it_comes_to_nothing() {
        let mut restarts = Restarts::default();
        for turn in 0..10 {
            assert_eq!(restarts.another(Restart::Always, turn + 1, u64::from(turn) * SECOND / 2), Ok(()));
        }
        assert_eq!(restarts.another(Restart::Always, 11, 9 * SECOND), Err("10 restarts within 10 s"));
        assert_eq!(restarts.another(Restart::Always, 11, 10 * SECOND), Ok(()), "the first is long ago");
    }

    #[test]
    fn always_goes_on_when_crashes_are_rare() {
        let mut restarts = Restarts::default();
        for turn in 0..1000 {
            assert_eq!(restarts.another(Restart::Always, turn + 1, u64::from(turn) * 2 * SECOND), Ok(()));
        }
    }

    #[test]
    fn no_epoch_comes_twice() {
        let mut restarts = Restarts::default();
        assert_eq!(restarts.another(Restart::Always, u16::MAX - 1, 0), Ok(()));
        assert_eq!(restarts.another(Restart::Always, u16::MAX, 0), Err("it was 65,534 times"));
    }
}
