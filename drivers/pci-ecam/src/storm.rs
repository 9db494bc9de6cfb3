//! A line that several functions share, and a function that raises it without end: which one it is.
//!
//! A level that stays fires the line again as soon as all who share it have acknowledged. Whoever serves its function takes its level
//! away at each interrupt, however busy the function is. So the line is looked at while it fires much: a function that was seen once
//! without its level is served. One that never is in a thousand looks, at different times after an interrupt, is not.

use alloc::vec::Vec;
use core::time::Duration;

use crate::config::Address;

/// Interrupts within [`WINDOW`] from which on the line is looked at.
const CALM: u32 = 200;
/// Nanoseconds in which they are counted.
const WINDOW: u64 = 100_000_000;
/// Nanoseconds without an interrupt after which it is forgotten what was.
const GAP: u64 = 100_000_000;
/// Looks without a break at which a function had its level.
const GUILTY: u32 = 1000;
/// Between an interrupt and the look at who raises it lie 0 to 9 times this. So long the line is masked.
const STEP: Duration = Duration::from_micros(50);

/// What a line did of late.
#[derive(Debug, Default)]
pub struct Storm {
    /// Nanoseconds: when the last interrupt was, and when the window began.
    last: u64,
    began: u64,
    /// Interrupts since then.
    fired: u32,
    /// Who raised the line at every look so far, and at how many; none while nobody looks.
    suspects: Option<Vec<(Address, u32)>>,
    looks: u32,
}

impl Storm {
    /// The line fired at this time, in nanoseconds. How long to wait before it is looked at who raises it; none if that need not be.
    pub fn fired(&mut self, now: u64) -> Option<Duration> {
        let last = core::mem::replace(&mut self.last, now);
        if now.saturating_sub(last) > GAP {
            self.calm(now);
        }
        if self.suspects.is_none() && now.saturating_sub(self.began) > WINDOW {
            self.calm(now);
        }
        self.fired = self.fired.saturating_add(1);
        if self.suspects.is_none() && self.fired <= CALM {
            return None;
        }
        self.looks = self.looks.wrapping_add(1);
        // 7 and 10 have no factor in common: each pause comes.
        Some(STEP * (self.looks * 7 % 10))
    }

    /// These functions raise the line now. Those that always did, and are no more among the suspects.
    pub fn looked(&mut self, raising: &[Address]) -> Vec<Address> {
        let mut suspects = match self.suspects.take() {
            None => raising.iter().map(|&at| (at, 0)).collect(),
            Some(suspects) => suspects,
        };
        suspects.retain_mut(|(at, looks)| {
            *looks += 1;
            raising.contains(at)
        });
        let guilty = suspects.extract_if(.., |(_, looks)| *looks >= GUILTY).map(|(at, _)| at).collect();
        if suspects.is_empty() {
            self.calm(self.last);
        } else {
            self.suspects = Some(suspects);
        }
        guilty
    }

    fn calm(&mut self, now: u64) {
        (self.began, self.fired, self.suspects) = (now, 0, None);
    }
}
