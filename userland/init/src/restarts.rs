//! How often init itself started a component again, and whether it does once more. Of the others supervisor decides.

use alloc::collections::VecDeque;

/// Restarts within [`WITHIN`] after which it ends: what crashes at once would keep the system busy for ever.
const MOST: usize = 10;
/// In nanoseconds.
const WITHIN: u64 = 10_000_000_000;

/// When the last restarts of a component were, at most [`MOST`], in nanoseconds.
#[derive(Debug, Default)]
pub struct Restarts(VecDeque<u64>);

impl Restarts {
    /// Decides at a time in nanoseconds about a component that has died, and notes the restart if there is one.
    ///
    /// # Errors
    /// Why it is not started again.
    pub fn another(&mut self, now: u64) -> Result<(), &'static str> {
        while self.0.front().is_some_and(|&time| now.saturating_sub(time) >= WITHIN) {
            self.0.pop_front();
        }
        if self.0.len() >= MOST {
            return Err("10 restarts within 10 s");
        }
        self.0.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn it_ends_when_it_comes_to_nothing() {
        let mut restarts = Restarts::default();
        for turn in 0..10 {
            assert_eq!(restarts.another(turn * SECOND / 2), Ok(()));
        }
        assert_eq!(restarts.another(9 * SECOND), Err("10 restarts within 10 s"));
        assert_eq!(restarts.another(10 * SECOND), Ok(()), "the first is long ago");
    }

    #[test]
    fn it_goes_on_when_crashes_are_rare() {
        let mut restarts = Restarts::default();
        for turn in 0..1000 {
            assert_eq!(restarts.another(turn * 2 * SECOND), Ok(()));
        }
    }
}
