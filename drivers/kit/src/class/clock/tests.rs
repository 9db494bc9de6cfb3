//! A clock with clients that behave, and a device that does not.

use alloc::rc::Rc;
use core::cell::RefCell;

use ipc::clock::ClockClient;
use ipc::{Error, Loopback, SignalOn, fake::end, fake::signalled};
use rt::{Badge, Cap, Notification};

use super::*;

#[derive(Default)]
struct Chip {
    time: u64,
    /// What is taken over with the next second.
    load: Option<u64>,
    alarm: Option<u64>,
    raised: bool,
    /// Seconds that pass at each look.
    hurry: u64,
}

#[derive(Clone, Default)]
struct Fake(Rc<RefCell<Chip>>);

impl Rtc for Fake {
    const LAST: u64 = u32::MAX as u64;

    fn now(&self) -> u64 {
        let mut chip = self.0.borrow_mut();
        chip.time += chip.hurry;
        chip.time
    }
    fn set(&mut self, time: u64) {
        self.0.borrow_mut().load = Some(time);
    }
    fn set_alarm(&mut self, at: Option<u64>) {
        self.0.borrow_mut().alarm = at;
    }
    fn acknowledge(&mut self) {
        self.0.borrow_mut().raised = false;
    }
}

type Served = Shared<Service<Fake>>;

fn served(time: u64) -> (Fake, Served) {
    let fake = Fake::default();
    fake.0.borrow_mut().time = time;
    (fake.clone(), Shared::new(Service::new(fake)))
}

impl Fake {
    /// Seconds pass, for the device and the kernel.
    fn pass(&self, served: &Served, seconds: u64) {
        for _ in 0..seconds {
            rt::task::fake::advance(1_000_000_000);
            let raised = {
                let mut chip = self.0.borrow_mut();
                chip.time = chip.load.take().unwrap_or(chip.time) + 1;
                chip.raised |= chip.alarm == Some(chip.time);
                chip.raised
            };
            if raised {
                served.borrow_mut().interrupt();
            }
        }
    }
}

/// A client and its bell.
struct Sleeper(ClockClient<Loopback<ClockServer<Served>>>, Cap<Notification>);

impl Sleeper {
    fn new(served: &Served, component: u32) -> Self {
        let badge = Badge::new(component, 1, 0);
        Self(ClockClient(Loopback::with_client(ClockServer(served.clone()), badge)), Cap::from_slot(component))
    }

    fn alarm(&self, at: u64) -> Result<(), Error<Status>> {
        self.0.alarm(at, SignalOn { notification: self.1, bits: 1 })
    }

    fn rang(&self) -> bool {
        signalled(self.1) == 1
    }
}

#[test]
fn each_client_has_an_alarm_of_its_own() {
    let (fake, served) = served(100);
    let [one, two, three] = [50, 51, 52].map(|component| Sleeper::new(&served, component));
    one.alarm(105).expect("room");
    two.alarm(103).expect("room");
    three.alarm(103).expect("room");
    fake.pass(&served, 2);
    assert!(!one.rang() && !two.rang());
    fake.pass(&served, 1);
    assert!(!one.rang() && two.rang() && three.rang());
    fake.pass(&served, 2);
    assert!(one.rang());
    fake.pass(&served, 10);
    assert!(!one.rang() && !two.rang(), "once");
    assert_eq!(fake.0.borrow().alarm, None, "no interrupts for nobody");
}

#[test]
fn an_alarm_replaces_the_one_before_and_is_taken_back() {
    let (fake, served) = served(100);
    let sleeper = Sleeper::new(&served, 50);
    sleeper.alarm(102).expect("room");
    sleeper.alarm(104).expect("room");
    fake.pass(&served, 3);
    assert!(!sleeper.rang());
    sleeper.0.cancel().expect("taken back");
    sleeper.0.cancel().expect("nothing to take back");
    fake.pass(&served, 3);
    assert!(!sleeper.rang());
}

#[test]
fn an_alarm_in_the_past_rings_at_once() {
    let (_, served) = served(100);
    let sleeper = Sleeper::new(&served, 50);
    for at in [0, 99, 100] {
        sleeper.alarm(at).expect("room");
        assert!(sleeper.rang(), "{at}");
    }
}

#[test]
fn the_time_that_was_set_is_told_at_once() {
    let (fake, served) = served(100);
    let (sleeper, later) = (Sleeper::new(&served, 50), Sleeper::new(&served, 51));
    sleeper.alarm(500).expect("room");
    later.alarm(1005).expect("room");
    later.0.set(1000).expect("in range");
    assert_eq!((sleeper.0.now(), fake.0.borrow().time), (Ok(1000), 100));
    assert!(sleeper.rang() && !later.rang(), "passed by");
    for time in 1001..1005 {
        fake.pass(&served, 1);
        assert_eq!(sleeper.0.now(), Ok(time));
    }
    fake.pass(&served, 1);
    assert!(later.rang());
    // Back: what is to come comes once more.
    sleeper.0.set(10).expect("in range");
    sleeper.alarm(12).expect("room");
    assert!(!sleeper.rang());
    fake.pass(&served, 2);
    assert!(sleeper.rang());
}

#[test]
fn what_comes_while_the_alarm_is_set_is_not_missed() {
    let (fake, served) = served(100);
    let [one, two] = [50, 51].map(|component| Sleeper::new(&served, component));
    fake.0.borrow_mut().hurry = 3;
    one.alarm(105).expect("room");
    two.alarm(109).expect("room");
    assert!(one.rang() && two.rang());
}

#[test]
fn times_and_alarms_are_limited() {
    let (_, served) = served(100);
    let sleeper = Sleeper::new(&served, 50);
    let refused = Err(Error::Status(Status::OutOfRange));
    assert_eq!((sleeper.0.set(1 << 32), sleeper.alarm(1 << 32)), (refused, refused));
    assert_eq!(sleeper.alarm(u64::MAX), refused);
    for component in 60..68 {
        Sleeper::new(&served, component).alarm(1000).expect("room");
    }
    assert_eq!(sleeper.alarm(1000), Err(Error::Status(Status::TooManyAlarms)));
    sleeper.0.set(1000).expect("in range");
    sleeper.alarm(2000).expect("they have rung");
}

/// A device that counts as far as numbers go, or one second less.
#[derive(Default)]
struct Eternal<const LAST: u64>(u64);

impl<const LAST: u64> Rtc for Eternal<LAST> {
    const LAST: u64 = LAST;

    fn now(&self) -> u64 {
        self.0
    }
    fn set(&mut self, time: u64) {
        self.0 = time;
    }
    fn set_alarm(&mut self, _: Option<u64>) {}
    fn acknowledge(&mut self) {}
}

#[test]
fn at_the_end_of_time_it_stays() {
    fn check<const LAST: u64>() {
        let clock = ClockClient(Loopback::new(ClockServer(Service::new(Eternal::<LAST>::default()))));
        clock.set(LAST).expect("in range");
        let bell: Cap<Notification> = Cap::from_slot(77);
        for _ in 0..3 {
            assert_eq!(clock.now(), Ok(LAST));
            assert_eq!(clock.alarm(LAST, SignalOn { notification: bell, bits: 1 }), Ok(()));
            assert_eq!(signalled(bell), 1);
            rt::task::fake::advance(1_000_000_000);
        }
    }
    check::<{ u64::MAX }>();
    check::<{ u64::MAX - 1 }>();
}

#[test]
fn the_dead_leave_their_places() {
    let (_, served) = served(100);
    let dead: Vec<Sleeper> = (60..68).map(|component| Sleeper::new(&served, component)).collect();
    dead.iter().for_each(|sleeper| sleeper.alarm(1000).expect("room"));
    dead.iter().for_each(|sleeper| end(sleeper.1));
    for component in 50..58 {
        Sleeper::new(&served, component).alarm(1000).expect("room");
    }
    assert_eq!(Sleeper::new(&served, 58).alarm(1000), Err(Error::Status(Status::TooManyAlarms)), "these live");
}

#[test]
fn random_operations_ring_what_is_due_and_nothing_else() {
    let (fake, served) = served(1000);
    let sleepers: Vec<Sleeper> = (50..56).map(|component| Sleeper::new(&served, component)).collect();
    let mut due = [None; 6];
    let (mut time, mut seed) = (1000, 0x9e37_79b9_7f4a_7c15u64);
    for _ in 0..20_000 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let (which, number) = (seed as usize % 6, seed >> 32);
        match seed >> 16 & 7 {
            0..3 => {
                due[which] = Some((time + number % 20).saturating_sub(3));
                sleepers[which].alarm(due[which].unwrap_or_default()).expect("room");
            }
            3 => {
                due[which] = None;
                sleepers[which].0.cancel().expect("taken back");
            }
            4 => {
                time = (time + number % 30).saturating_sub(15);
                sleepers[which].0.set(time).expect("in range");
            }
            _ => {
                fake.pass(&served, number % 4);
                time += number % 4;
            }
        }
        assert_eq!(sleepers[0].0.now(), Ok(time));
        for (sleeper, due) in sleepers.iter().zip(&mut due) {
            let is_due = due.is_some_and(|at| at <= time);
            assert_eq!(sleeper.rang(), is_due, "at {time}, due {due:?}");
            *due = due.filter(|_| !is_due);
        }
    }
}
