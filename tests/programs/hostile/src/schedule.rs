//! What the neighbour does, and when.

use rt::now_nanoseconds;

/// A second of the machine.
const SECOND: u64 = 1_000_000_000;

/// What a client does to those beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// It behaves: four requests at a time, each waited for.
    Polite,
    /// Large requests without end, as many as the ring holds.
    Flood,
    /// The same with the smallest there are.
    SmallFlood,
    /// It takes no completion out.
    Hoard,
    /// It changes requests and data behind the driver's back.
    Change,
    /// Its counts cannot be.
    Lie,
    /// It attaches again and again, with requests under way.
    Attach,
    /// It crashes with requests under way.
    Die,
    /// As polite as may be, but not counted: who died is perhaps not there again.
    Rest,
}

/// A second each; one that behaves before each that does not.
const PLAN: [Conduct; 15] = {
    use Conduct::{Attach, Change, Die, Flood, Hoard, Lie, Polite, Rest, SmallFlood};
    [Polite, Flood, Polite, SmallFlood, Polite, Hoard, Polite, Change, Polite, Lie, Polite, Attach, Polite, Die, Rest]
};

/// A second of the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn(u64);

impl Turn {
    /// Now.
    pub fn now() -> Self {
        Self(now_nanoseconds() / SECOND)
    }

    /// Whether it is over.
    pub fn is_over(self) -> bool {
        Self::now() != self
    }

    /// What the neighbour does.
    pub const fn conduct(self) -> Conduct {
        PLAN[(self.0 % PLAN.len() as u64) as usize]
    }

    /// Turns from another one on.
    pub const fn since(self, other: Self) -> u64 {
        self.0 - other.0
    }

    /// The next.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Turns until all was done once.
pub const ROUND: u64 = PLAN.len() as u64;
