//! Who is to be started again, and when.

use alloc::vec::Vec;

use crate::backoff::{Failures, Policy};

/// A component that died and about which nothing was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// Its number.
    pub component: u32,
    /// Which instance of it died, counted from 1.
    pub epoch: u16,
    /// What its manifest wants.
    pub policy: Policy,
    /// For how many nanoseconds it ran.
    pub ran: u64,
}

/// What is to be done about a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is started again, after so many nanoseconds.
    Restart {
        /// From the death on; 0: at once.
        after: u64,
    },
    /// It is not, and this is why.
    GiveUp(&'static str),
}

/// A component that died before.
#[derive(Clone, Copy, Debug)]
struct Known {
    component: u32,
    /// The instance that died last.
    epoch: u16,
    failures: Failures,
    /// When the next is started, in nanoseconds.
    due: Option<u64>,
}

/// The deaths of all components.
#[derive(Clone, Debug, Default)]
pub struct Schedule(Vec<Known>);

impl Schedule {
    /// Notes a death at a time in nanoseconds; `None` for one that was noted before.
    pub fn note(&mut self, death: Death, now: u64) -> Option<Act> {
        let index = match self.0.iter().position(|known| known.component == death.component) {
            Some(index) => index,
            None => {
                let (component, failures) = (death.component, Failures::default());
                self.0.push(Known { component, epoch: 0, failures, due: None });
                self.0.len() - 1
            }
        };
        let known = self.0.get_mut(index).filter(|known| known.epoch != death.epoch)?;
        known.epoch = death.epoch;
        known.due = None;
        Some(match known.failures.another(death.policy, death.epoch, death.ran) {
            Ok(after) => {
                known.due = Some(now.saturating_add(after));
                Act::Restart { after }
            }
            Err(why) => Act::GiveUp(why),
        })
    }

    /// A component, and which instance of it died, whose time has come. Each is said once.
    pub fn due(&mut self, now: u64) -> Option<(u32, u16)> {
        let known = self.0.iter_mut().find(|known| known.due.is_some_and(|due| due <= now))?;
        known.due = None;
        Some((known.component, known.epoch))
    }

    /// When the next time comes, in nanoseconds.
    pub fn next(&self) -> Option<u64> {
        self.0.iter().filter_map(|known| known.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn death(component: u32, epoch: u16) -> Death {
        Death { component, epoch, policy: Policy::Always, ran: 0 }
    }

    #[test]
    fn a_death_is_decided_about_once() {
        let mut schedule = Schedule::default();
        assert_eq!(schedule.note(death(3, 1), 5), Some(Act::Restart { after: 0 }));
        assert_eq!(schedule.note(death(3, 1), 6), None);
        assert_eq!((schedule.due(5), schedule.due(5), schedule.next()), (Some((3, 1)), None, None));
        assert_eq!(schedule.note(death(3, 1), 7), None, "init says it until it was started");
        assert_eq!(schedule.note(death(3, 2), 8), Some(Act::Restart { after: SECOND / 10 }));
    }

    #[test]
    fn each_component_has_its_own_time() {
        let mut schedule = Schedule::default();
        for component in 1..4 {
            for epoch in 1..=component as u16 {
                schedule.note(death(component, epoch), SECOND);
            }
        }
        assert_eq!((schedule.due(SECOND - 1), schedule.next()), (None, Some(SECOND)));
        assert_eq!((schedule.due(SECOND), schedule.due(SECOND)), (Some((1, 1)), None));
        assert_eq!(schedule.next(), Some(SECOND + SECOND / 10));
        assert_eq!((schedule.due(2 * SECOND), schedule.due(2 * SECOND)), (Some((2, 2)), Some((3, 3))));
        assert_eq!((schedule.due(u64::MAX), schedule.next()), (None, None));
    }

    #[test]
    fn who_is_given_up_is_not_due() {
        let mut schedule = Schedule::default();
        let never = Death { policy: Policy::Never, ..death(1, 1) };
        assert_eq!(schedule.note(never, 0), Some(Act::GiveUp("its manifest says so")));
        assert_eq!((schedule.due(u64::MAX), schedule.next()), (None, None));
    }
}
