//! A bank with owners that behave and owners that do not.

use alloc::rc::Rc;
use core::cell::RefCell;

use ipc::gpio::GpioClient;
use ipc::{Error, Loopback, SignalOn, fake::end, fake::signalled};
use rt::{Badge, Cap, Notification};

use super::*;

const LINES: u32 = 4;

/// Lines with levels, directions, and what they interrupt for.
#[derive(Default)]
struct Chip {
    levels: [bool; LINES as usize],
    driven: [Option<bool>; LINES as usize],
    watched: [Option<Trigger>; LINES as usize],
    pending: [bool; LINES as usize],
    /// It says so of a line that it has not.
    lies: bool,
}

#[derive(Clone, Default)]
struct Fake(Rc<RefCell<Chip>>);

impl Bank for Fake {
    fn lines(&self) -> u32 {
        LINES
    }
    fn input(&mut self, line: u32) {
        self.0.borrow_mut().driven[line as usize] = None;
    }
    fn drive(&mut self, line: u32, level: Level) {
        self.0.borrow_mut().driven[line as usize] = Some(level == Level::High);
    }
    fn level(&self, line: u32) -> Level {
        let chip = self.0.borrow();
        Level::from(chip.driven[line as usize].unwrap_or(chip.levels[line as usize]))
    }
    fn driven(&self, line: u32) -> Option<Level> {
        self.0.borrow().driven[line as usize].map(Level::from)
    }
    fn watch(&mut self, line: u32, trigger: Option<Trigger>) {
        let mut chip = self.0.borrow_mut();
        let level = chip.levels[line as usize];
        chip.watched[line as usize] = trigger;
        chip.pending[line as usize] =
            matches!((trigger, level), (Some(Trigger::High), true) | (Some(Trigger::Low), false));
    }
    fn pending(&mut self) -> Option<u32> {
        let chip = self.0.borrow();
        if chip.lies {
            return Some(u32::MAX);
        }
        chip.pending.iter().position(|&pending| pending).map(|line| line as u32)
    }
}

type Served = Shared<Service<Fake>>;

impl Fake {
    fn set(&self, served: &Served, line: usize, high: bool) {
        let raised = {
            let mut chip = self.0.borrow_mut();
            let before = core::mem::replace(&mut chip.levels[line], high);
            chip.pending[line] |= match chip.watched[line] {
                None => false,
                Some(Trigger::High) => high,
                Some(Trigger::Low) => !high,
                Some(Trigger::Rising) => !before && high,
                Some(Trigger::Falling) => before && !high,
                Some(Trigger::Both) => before != high,
            };
            chip.pending.contains(&true)
        };
        if raised {
            served.borrow_mut().interrupt();
        }
    }
}

fn served() -> (Fake, Served) {
    let fake = Fake::default();
    (fake.clone(), Shared::new(Service::new(fake)))
}

type Owner = GpioClient<Loopback<GpioServer<Served>>>;

fn client(served: &Served, component: u32, epoch: u16) -> Owner {
    GpioClient(Loopback::with_client(GpioServer(served.clone()), Badge::new(component, epoch, 0)))
}

const BELL: Cap<Notification> = Cap::from_slot(70);
const ON: SignalOn = SignalOn { notification: BELL, bits: 4 };

#[test]
fn a_line_has_one_owner() {
    let (_, served) = served();
    let (one, two) = (client(&served, 50, 1), client(&served, 51, 1));
    let not_taken = Err(Error::Status(Status::NotTaken));
    assert_eq!((one.lines(), one.level(2)), (Ok(4), Err(Error::Status(Status::NotTaken))));
    assert_eq!((one.take(2), one.take(2), two.take(3)), (Ok(()), Ok(()), Ok(())));
    assert_eq!(two.take(2), Err(Error::Status(Status::Taken)));
    assert_eq!(
        [two.drive(2, Level::High), two.input(2), two.release(2), two.watch(2, Trigger::Low, ON)],
        [not_taken; 4]
    );
    assert_eq!((two.happened(2).is_err(), two.driven(2).is_err(), two.level(2).is_err()), (true, true, true));
    assert_eq!((one.release(2), two.take(2), one.level(2).is_err()), (Ok(()), Ok(()), true));
    for line in [4, u32::MAX] {
        assert_eq!(one.take(line), Err(Error::Status(Status::NoLine)));
        assert_eq!(one.level(line), Err(Error::Status(Status::NoLine)));
    }
}

#[test]
fn lines_are_read_and_driven() {
    let (fake, served) = served();
    let owner = client(&served, 50, 1);
    owner.take(1).expect("free");
    fake.set(&served, 1, true);
    assert_eq!((owner.level(1), owner.driven(1)), (Ok(Level::High), Ok(None)));
    owner.drive(1, Level::Low).expect("mine");
    assert_eq!((owner.level(1), owner.driven(1)), (Ok(Level::Low), Ok(Some(Level::Low))));
    owner.release(1).expect("mine");
    assert_eq!(fake.driven(1), Some(Level::Low), "it stays as it is");
    owner.take(1).expect("free");
    owner.input(1).expect("mine");
    assert_eq!(owner.driven(1), Ok(None));
}

#[test]
fn what_is_watched_for_is_told_once() {
    let (fake, served) = served();
    let owner = client(&served, 50, 1);
    owner.take(0).expect("free");
    owner.watch(0, Trigger::Both, ON).expect("mine");
    assert_eq!((signalled(BELL), owner.happened(0)), (0, Ok(false)));
    fake.set(&served, 0, true);
    assert_eq!((signalled(BELL), owner.happened(0)), (4, Ok(true)));
    fake.set(&served, 0, false);
    assert_eq!(signalled(BELL), 0);
    owner.watch(0, Trigger::Rising, ON).expect("mine");
    assert_eq!(owner.happened(0), Ok(false), "from now on");
    // A level that is there already.
    owner.watch(0, Trigger::Low, ON).expect("mine");
    served.borrow_mut().interrupt();
    assert_eq!((signalled(BELL), owner.happened(0)), (4, Ok(true)));
    assert_eq!(fake.0.borrow().watched, [None; 4], "a level that stays does not interrupt for ever");
}

#[test]
fn who_lets_go_is_told_nothing_more() {
    let (fake, served) = served();
    let (one, two) = (client(&served, 50, 1), client(&served, 51, 1));
    one.take(0).expect("free");
    one.watch(0, Trigger::Both, ON).expect("mine");
    one.release(0).expect("mine");
    two.take(0).expect("free");
    fake.set(&served, 0, true);
    assert_eq!((signalled(BELL), two.happened(0)), (0, Ok(false)));
}

#[test]
fn a_successor_gets_what_its_former_self_had() {
    let (fake, served) = served();
    let (old, new, other) = (client(&served, 50, 1), client(&served, 50, 2), client(&served, 51, 1));
    old.take(0).expect("free");
    old.take(1).expect("free");
    old.watch(1, Trigger::Both, ON).expect("mine");
    new.take(0).expect("its own");
    assert_eq!(old.level(0), Err(Error::Status(Status::NotTaken)));
    other.take(1).expect("given back");
    fake.set(&served, 1, true);
    assert_eq!(signalled(BELL), 0);
}

#[test]
fn the_dead_give_back_what_they_had() {
    let (fake, served) = served();
    let (dead, other) = (client(&served, 50, 1), client(&served, 51, 1));
    let bell = |slot| SignalOn { notification: Cap::from_slot(slot), bits: 1 };
    (0..4).for_each(|line| dead.take(line).expect("free"));
    dead.watch(1, Trigger::Both, bell(90)).expect("mine");
    dead.watch(2, Trigger::Both, bell(91)).expect("mine");
    fake.set(&served, 1, true);
    end(bell(90).notification);
    assert_eq!(other.take(0), Err(Error::Status(Status::Taken)), "it has another signal left");
    end(bell(91).notification);
    assert_eq!((other.take(0), other.take(2)), (Ok(()), Ok(())));
    assert_eq!(fake.0.borrow().watched, [None; 4]);
    assert_eq!(dead.level(3), Err(Error::Status(Status::NotTaken)), "all of it");
    let third = client(&served, 52, 1);
    assert_eq!(third.take(0), Err(Error::Status(Status::Taken)), "who was never told anything may be there");
}

#[test]
fn a_device_that_lies_does_no_harm() {
    let (fake, served) = served();
    fake.0.borrow_mut().lies = true;
    served.borrow_mut().interrupt();
}

#[test]
fn random_operations_keep_each_line_with_its_owner() {
    let (fake, served) = served();
    let clients: Vec<Owner> = (50..53).map(|component| client(&served, component, 1)).collect();
    let mut owners = [None; LINES as usize];
    let mut watched = [false; LINES as usize];
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..50_000 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let (who, line) = (seed as usize % 3, (seed >> 8) as u32 % LINES);
        let (mine, free) = (owners[line as usize] == Some(who), owners[line as usize].is_none());
        let bell = SignalOn { notification: Cap::from_slot(80 + line), bits: 1 };
        match seed >> 16 & 7 {
            0 | 1 => {
                assert_eq!(clients[who].take(line).is_ok(), mine || free);
                owners[line as usize] = owners[line as usize].or(Some(who));
            }
            2 => {
                assert_eq!(clients[who].release(line).is_ok(), mine);
                if mine {
                    owners[line as usize] = None;
                    watched[line as usize] = false;
                }
            }
            3 | 4 => {
                assert_eq!(clients[who].watch(line, Trigger::Both, bell).is_ok(), mine);
                watched[line as usize] |= mine;
            }
            _ => {
                let high = !fake.0.borrow().levels[line as usize];
                fake.set(&served, line as usize, high);
                let told = core::mem::take(&mut watched[line as usize]);
                assert_eq!(signalled(bell.notification), u64::from(told));
            }
        }
    }
}
