//! How a core comes in: each attempt to start one has a record of its own, so that a core which comes too late, or is turned
//! away, finds its own stack and never that of another. Atomics only, nothing of the machine.

#[cfg(not(loom))]
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::features::Identity;

const AWAITED: u32 = 0;
const ARRIVED: u32 = 1;
const TURNED_AWAY: u32 = 2;
const ADMITTED: u32 = 3;

/// One attempt to start a core.
#[repr(C)]
#[derive(Debug)]
pub struct Arrival {
    /// The end of its stack. The first instructions of the core read it.
    pub stack: AtomicUsize,
    state: AtomicU32,
    number: AtomicU32,
    identity: [AtomicU64; Identity::WORDS],
}

impl Arrival {
    /// Nobody is awaited yet.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self {
            stack: AtomicUsize::new(0),
            state: AtomicU32::new(AWAITED),
            number: AtomicU32::new(0),
            identity: [const { AtomicU64::new(0) }; Identity::WORDS],
        }
    }

    /// The model checker's atomics are not made in constants.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self {
            stack: AtomicUsize::new(0),
            state: AtomicU32::new(AWAITED),
            number: AtomicU32::new(0),
            identity: core::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// The core that came up says who it is. `false`: nobody waits for it any more, and it must end.
    pub fn arrive(&self, identity: &Identity) -> bool {
        for (place, word) in self.identity.iter().zip(identity.words()) {
            place.store(word, Ordering::Relaxed);
        }
        self.state.compare_exchange(AWAITED, ARRIVED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// What became of the core that arrived: `None` while nothing is decided, then its number or the end.
    pub fn decision(&self) -> Option<Result<u32, TurnedAway>> {
        match self.state.load(Ordering::Acquire) {
            ADMITTED => Some(Ok(self.number.load(Ordering::Relaxed))),
            TURNED_AWAY => Some(Err(TurnedAway)),
            _ => None,
        }
    }

    /// The core that has arrived, if it has.
    pub fn arrived(&self) -> Option<Identity> {
        (self.state.load(Ordering::Acquire) == ARRIVED)
            .then(|| Identity::from_words(core::array::from_fn(|index| self.identity[index].load(Ordering::Relaxed))))
    }

    /// Gives up waiting; the core that came in this very moment, if one did.
    pub fn give_up(&self) -> Option<Identity> {
        match self.state.compare_exchange(AWAITED, TURNED_AWAY, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => None,
            Err(_) => self.arrived(),
        }
    }

    /// The core takes part, with this number.
    pub fn admit(&self, number: u32) {
        self.number.store(number, Ordering::Relaxed);
        self.state.store(ADMITTED, Ordering::Release);
    }

    /// The core does not take part.
    pub fn turn_away(&self) {
        self.state.store(TURNED_AWAY, Ordering::Release);
    }
}

impl Default for Arrival {
    fn default() -> Self {
        Self::new()
    }
}

/// The core was turned away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TurnedAway;

#[cfg(all(test, loom))]
mod models {
    use loom::sync::Arc;

    use super::*;

    #[test]
    fn a_late_core_is_either_in_or_out() {
        loom::model(|| {
            let attempt = Arc::new(Arrival::new());
            let other = attempt.clone();
            let core = loom::thread::spawn(move || {
                let came = other.arrive(&Identity { mmfr2: 7, ..Identity::NOTHING });
                (came, other.decision())
            });
            let found = attempt.give_up();
            assert!(found.is_none_or(|core| core.mmfr2 == 7), "{found:?}");
            if found.is_some() {
                attempt.admit(5);
            }
            let (came, decision) = core.join().unwrap();
            assert_eq!(came, found.is_some());
            assert!(matches!((came, decision), (true, None | Some(Ok(5))) | (false, Some(Err(TurnedAway)))));
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const WHO: Identity = Identity { midr: 0x410f_d034, ..Identity::NOTHING };

    #[test]
    fn a_core_arrives_and_is_admitted() {
        let attempt = Arrival::new();
        assert_eq!(attempt.arrived(), None);
        assert!(attempt.arrive(&WHO));
        assert_eq!((attempt.arrived(), attempt.decision()), (Some(WHO), None));
        attempt.admit(3);
        assert_eq!(attempt.decision(), Some(Ok(3)));
    }

    #[test]
    fn a_core_that_comes_too_late_is_turned_away() {
        let attempt = Arrival::new();
        assert_eq!(attempt.give_up(), None);
        assert!(!attempt.arrive(&WHO));
        assert_eq!((attempt.arrived(), attempt.decision()), (None, Some(Err(TurnedAway))));
    }

    #[test]
    fn a_core_that_comes_in_the_last_moment_is_not_lost() {
        let attempt = Arrival::new();
        assert!(attempt.arrive(&WHO));
        assert_eq!(attempt.give_up(), Some(WHO));
        attempt.turn_away();
        assert_eq!(attempt.decision(), Some(Err(TurnedAway)));
    }
}
