//! The divider of the card's clock (SD Host Controller Simplified Specification 3.00, 2.2.14).

use sd::FAST;

/// What version 3 has.
const LARGEST: u32 = 0x3ff;

/// Where the clock comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Hz; 0: the controller does not say.
    pub base: u32,
    /// The divider has ten bits and any value (version 3), instead of eight, of which one is set.
    pub any: bool,
    /// The divider that was found.
    pub found: u32,
}

impl Source {
    /// The divider with which the clock has at most so many Hz: base / (2 * divider). It is never 0, with which some
    /// controllers have no clock. Without a base that is known, the slow clock has the largest divider, and the fast one that
    /// which was found.
    pub fn divider(&self, most: u32) -> u32 {
        let largest = if self.any { LARGEST } else { 0x80 };
        if self.base == 0 {
            let known = most == FAST && (1..=largest).contains(&self.found);
            return if known { self.found } else { largest };
        }
        let divider = self.base.div_ceil(2 * most).clamp(1, largest);
        if self.any { divider } else { divider.next_power_of_two() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sd::SLOW;

    #[test]
    fn the_clock_is_never_faster_than_asked() {
        for any in [false, true] {
            for mhz in [1, 10, 25, 48, 52, 63, 100, 187, 200, 255].iter().filter(|&&mhz| any || mhz < 64) {
                let source = Source { base: mhz * 1_000_000, any, found: 0 };
                for most in [SLOW, FAST] {
                    let divider = source.divider(most);
                    assert!(divider >= 1 && source.base / (2 * divider) <= most, "{mhz} MHz, {most}: {divider}");
                    assert!(any || divider.is_power_of_two() && divider <= 0x80);
                    assert!(
                        divider == 1 || source.base / divider > most / 2,
                        "{mhz} MHz, {most}: not slower than need be"
                    );
                }
            }
        }
    }

    #[test]
    fn without_a_base_it_is_the_clock_that_was_found() {
        let source = Source { base: 0, any: true, found: 4 };
        assert_eq!((source.divider(SLOW), source.divider(FAST)), (LARGEST, 4));
        assert_eq!(Source { found: 0, ..source }.divider(FAST), LARGEST);
    }
}
