//! Devices that come and go behind ports.

use ipc::pci::{Pci, Status as Refused};
use rt::Badge;

use super::bridges::{again, deep, large};
use super::*;
use crate::Bus as Served;
use crate::slot::{Change, Slot};

const PORT: Address = Address::new(0, 1, 0);
const NEW: Address = Address::new(1, 0, 0);
/// A root port with a slot, at 0x40; slot control and status.
const WITH_SLOT: u32 = 0x0142_0010;
const SLOT: u16 = 0x58;
const BUTTON: u32 = 1 << 16;
const PRESENCE: u32 = 1 << 19;
const PRESENT: u32 = 1 << 22;
const POWER_OFF: u32 = 1 << 10;

/// A port whose slot has a button and a power controller, and is empty.
fn port() -> Fake {
    Fake::port(1, WITH_SLOT).with(0x50, 1 << 29, 0).with(0x54, 0b100_0011, 0).with(SLOT, 0x0700, u32::MAX)
}

fn disk() -> Fake {
    Fake::new(0, 0, 0x0001_1af4).narrow(1, 0x1000).wide(4, 0x4000).behind(0)
}

fn served(functions: Vec<Fake>) -> (Rc<super::Bus>, Served) {
    let (bus, ecam) = deep(functions);
    let found = scan(&ecam, &large(), true);
    let mut served = Served::new(ecam, large(), found);
    tell(&DevicesClient(Loopback::new(DevicesServer(Devmgr::default()))), &mut served);
    assert_eq!(served.slots(), [(PORT, (8, 1))]);
    served.listen(PORT, 1);
    (bus, served)
}

fn happens(bus: &super::Bus, status: u32) {
    bus.0.borrow_mut()[0].more.get_mut(&SLOT).unwrap().0 |= status;
}

fn slot(bus: &super::Bus) -> u32 {
    bus.0.borrow()[0].word(SLOT)
}

#[test]
fn a_device_that_comes_is_found_and_one_that_goes_is_not_any_more() {
    let (bus, mut served) = served(vec![port(), Fake::new(2, 0, 0x0002_0001).narrow(0, 0x1000)]);
    assert_eq!(slot(&bus) & 0xffff, 0x0729, "button, presence, interrupts");
    assert_eq!((bus.0.borrow()[0].command & 0x400, served.found().len()), (0, 2));
    assert_eq!(served.nothing_at(PORT).len(), 8);
    let neighbour = bus.0.borrow()[1].clone();
    let devices = DevicesClient(Loopback::new(DevicesServer(Devmgr::default())));
    let mut places = Vec::new();
    for _ in 0..20 {
        bus.0.borrow_mut().push(disk());
        happens(&bus, PRESENT | PRESENCE | BUTTON);
        assert!(!served.slots_fired(0), "another line");
        assert!(served.slots_fired(1) && !served.slots_fired(1), "told once");
        assert_eq!(slot(&bus) & (PRESENCE | BUTTON), 0, "it raises the line no more");
        assert_eq!(served.next_change(), Some((PORT, Change::Comes)));
        assert_eq!(served.next_change(), None);
        served.power(PORT, true);
        assert_eq!((slot(&bus) & 0x0700, served.is_active(PORT)), (0x0100, true));
        let new = served.plug(PORT);
        assert_eq!(new, 2..3);
        crate::report::tell_of(&devices, &mut served, 2);
        let found = *served.found()[2].as_ref().unwrap();
        assert_eq!(served.route(&found).map(|route| (route.bridge, route.device, route.pin)), Some((8, 8, 1)));
        places.push(bases(&found));
        let disk = Badge::new(7, 1, 0);
        assert_eq!((served.read(disk, 0), served.set_master(disk, true)), (Ok(0x0001_1af4), Ok(())));
        assert_eq!([0, 2].map(|index: usize| bus.0.borrow()[index].command & 4), [4, 4]);
        // The button: it goes while it is there.
        happens(&bus, BUTTON);
        assert!(served.slots_fired(1));
        assert_eq!(served.next_change(), Some((PORT, Change::Leaves)));
        assert_eq!(served.take_behind(PORT), [NEW]);
        assert_eq!([0, 2].map(|index: usize| bus.0.borrow()[index].command & 6), [2, 0], "nothing masters the bus");
        served.power(PORT, false);
        assert_eq!(slot(&bus) & 0x0700, 0x0700);
        assert_eq!((served.read(disk, 0), served.found().len()), (Err(Refused::NoFunction), 2));
        bus.0.borrow_mut().pop();
        bus.0.borrow_mut()[0].more.get_mut(&SLOT).unwrap().0 &= !PRESENT;
        happens(&bus, PRESENCE);
        assert!(served.slots_fired(1));
        assert_eq!(served.next_change(), Some((PORT, Change::None)));
    }
    assert!(places.iter().all(|it| *it == places[0] && it.len() == 2), "{places:x?}");
    let now = bus.0.borrow()[1].clone();
    assert_eq!((now.command, now.bars[0].value), (neighbour.command, neighbour.bars[0].value));
}

#[test]
fn what_was_pulled_out_answers_nothing_and_harms_nobody() {
    let on = port().with(SLOT, PRESENT | 0x0100, u32::MAX);
    let (bus, mut served) = served(vec![on, disk(), Fake::new(2, 0, 0x0002_0001)]);
    let disk = Badge::new(7, 1, 0);
    assert_eq!(served.set_master(disk, true), Ok(()));
    // All ones from now on.
    bus.0.borrow_mut().remove(1);
    bus.0.borrow_mut()[0].more.get_mut(&SLOT).unwrap().0 &= !PRESENT;
    assert_eq!((served.read(disk, 0), served.write(disk, 0x50, 1)), (Err(Refused::Gone), Err(Refused::Gone)));
    happens(&bus, PRESENCE);
    assert!(served.slots_fired(1));
    assert_eq!(served.next_change(), Some((PORT, Change::Leaves)));
    assert_eq!(served.take_behind(PORT), [NEW]);
    assert_eq!((served.read(disk, 0), served.found().len()), (Err(Refused::NoFunction), 2));
    assert_eq!(bus.0.borrow()[0].command & 4, 0, "the port masters the bus for nobody");
    served.power(PORT, false);
    assert_eq!(slot(&bus) & POWER_OFF, POWER_OFF);
    // The port as well.
    bus.0.borrow_mut().clear();
    assert!(!served.slots_fired(1));
    assert!(served.take_behind(PORT).is_empty() && served.plug(PORT).is_empty() && !served.is_active(Address(0xffff)));
}

#[test]
fn what_does_not_fit_behind_a_port_is_named() {
    let (bus, mut served) = served(vec![port()]);
    let large = Fake::new(0, 0, 0x0001_1af4).narrow(0, 0x100_0000).behind(0);
    let bridge = Fake { header: 1, ..Fake::bridge(0) }.behind(0);
    let odd = Fake { header: 2, ..disk() };
    for (it, says) in [
        (large, "01:00.0: BAR 0 of 0x1000000 bytes fits in no window of the bridge"),
        (
            bridge,
            "01:00.0: it is a bridge that came while the machine runs: no bus number is left for what is behind it",
        ),
        (odd, "01:00.0: a header of type 2, which nobody knows"),
    ] {
        bus.0.borrow_mut().push(it);
        assert_eq!(served.plug(PORT), 1..2);
        assert_eq!(served.found()[1].as_ref().unwrap_err().to_string(), says);
        assert_eq!(bus.0.borrow()[1].command, 0);
        assert_eq!(served.take_behind(PORT), [NEW]);
        bus.0.borrow_mut().pop();
    }
}

#[test]
fn a_port_without_a_slot_has_none() {
    let ports = [
        Fake::port(1, 0x0042_0010).with(0x54, 0b100_0011, 0),
        Fake::port(1, WITH_SLOT).with(0x54, 0b000_0011, 0),
        Fake::new(1, 0, 0x0001_0001),
        // So near the end that its registers would be behind it.
        Fake::bridge(1).holds_at(0x34, &[0xf0]).holds_at(0xf0, &[WITH_SLOT, 0, 0, 0]),
    ];
    for port in ports {
        let (bus, ecam) = deep(vec![port]);
        assert_eq!(Slot::of(&ecam, PORT), None);
        assert_eq!(Slot::of(&again(&bus), Address(0xfff8)), None);
    }
}
