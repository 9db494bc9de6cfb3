//! Lines that several functions share.

use super::*;
use crate::Bus as Served;
use crate::bus::Driver;
use crate::storm::Storm;

const MILLISECOND: u64 = 1_000_000;
const RAISES: u32 = 1 << 19;
const INTX_DISABLE: u32 = 1 << 10;

const ONE: Address = Address::new(0, 1, 0);
const OTHER: Address = Address::new(0, 5, 0);

/// A line that fires each `every` nanoseconds and of which `raising` says who raises it at a look: who was guilty after `most`
/// interrupts, and at which.
fn storm(every: u64, most: u32, raising: impl Fn(u32) -> Vec<Address>) -> (Vec<Address>, u32, u32) {
    let (mut storm, mut looks) = (Storm::default(), 0);
    for number in 0..most {
        if storm.fired(u64::from(number) * every).is_some() {
            looks += 1;
            let guilty = storm.looked(&raising(looks));
            if !guilty.is_empty() {
                return (guilty, number, looks);
            }
        }
    }
    (Vec::new(), most, looks)
}

#[test]
fn a_line_that_fires_now_and_then_is_not_looked_at() {
    let (guilty, _, looks) = storm(MILLISECOND, 10_000, |_| vec![ONE]);
    assert_eq!((guilty, looks), (vec![], 0));
}

#[test]
fn who_always_raises_a_line_that_fires_without_end_is_guilty() {
    let (guilty, after, looks) = storm(MILLISECOND / 10, 10_000, |_| vec![ONE]);
    assert_eq!((guilty, after, looks), (vec![ONE], 1199, 1000));
}

#[test]
fn who_was_seen_once_without_its_level_is_served() {
    // Busy, but now and then it is quiet; the other one never is.
    let busy = |look: u32| if look % 500 == 499 { vec![OTHER] } else { vec![ONE, OTHER] };
    assert_eq!(storm(MILLISECOND / 10, 10_000, busy).0, [OTHER]);
    let served = |look: u32| if look % 999 == 998 { vec![] } else { vec![ONE] };
    assert_eq!(storm(MILLISECOND / 10, 100_000, served).0, []);
    // What never says that it raises the line.
    assert_eq!(storm(MILLISECOND / 10, 100_000, |_| vec![]).0, []);
}

#[test]
fn looks_that_are_far_apart_do_not_count_together() {
    let mut storm = Storm::default();
    let mut now = 0;
    for _ in 0..20 {
        for _ in 0..1000 {
            now += MILLISECOND / 10;
            if storm.fired(now).is_some() {
                assert!(storm.looked(&[ONE]).is_empty());
            }
        }
        now += 1000 * MILLISECOND;
    }
}

#[test]
fn pauses_differ() {
    let mut storm = Storm::default();
    let pauses: std::collections::BTreeSet<_> = (0..400)
        .filter_map(|now| {
            let pause = storm.fired(now)?;
            storm.looked(&[ONE]);
            Some(pause)
        })
        .collect();
    assert_eq!(pauses.len(), 10);
}

#[test]
fn who_is_cut_off_raises_no_line_until_it_is_started_again() {
    let (bus, ecam) = bus(vec![
        Fake::new(1, 0, 0x0001_0001).holds_at(0x34, &[0x50]).holds_at(0x50, &[0x0000_0005]),
        Fake::new(4, 0, 0x0004_0001),
    ]);
    let devices = DevicesClient(Loopback::new(DevicesServer(Devmgr::default())));
    let found = scan(&ecam, &windows(), true);
    let mut served = Served::new(ecam, windows(), found);
    tell(&devices, &mut served);
    assert!(served.raising(1).is_empty());
    let raise = |index: usize| bus.0.borrow_mut()[index].command |= RAISES;
    raise(0);
    raise(1);
    assert_eq!((served.raising(0), served.raising(1)), (vec![Address::new(0, 4, 0)], vec![ONE]));
    // One that sends messages holds no line.
    bus.0.borrow_mut()[0].more.get_mut(&0x50).unwrap().0 |= 1 << 16;
    assert!(served.raising(1).is_empty());
    bus.0.borrow_mut()[0].more.get_mut(&0x50).unwrap().0 = 5;
    served.cut_off(ONE);
    raise(0);
    assert!(served.raising(1).is_empty());
    assert_ne!(bus.0.borrow()[0].command & INTX_DISABLE, 0);
    served.give(ONE, Some(Driver { component: 7, may_master: true, line: Some(1) }));
    raise(0);
    assert_eq!(served.raising(1), [ONE]);
    // It is not there any more.
    bus.0.borrow_mut().remove(0);
    assert!(served.raising(1).is_empty());
}
