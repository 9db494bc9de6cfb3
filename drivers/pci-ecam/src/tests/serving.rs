//! What the drivers of functions may do.

use ipc::devices::DevicesClient;
use ipc::pci::{Pci, Status};
use kit::pci::{BadList, Capability};
use rt::Badge;

use super::*;
use crate::Bus as Served;
use crate::capability::capabilities;

/// The drivers of device 1, which is a bus master, and of device 4, which is not.
const DISK: Client = Badge::new(7, 1, 0);
const TIMER: Client = Badge::new(8, 1, 0);

const MSI: u16 = 0x50;
const MSI_X: u16 = 0x70;
const EXPRESS: u16 = 0x80;
const VENDOR: u16 = 0xa0;

/// A function with MSI of 64 bits and masks, MSI-X, PCI Express and something of its vendor's, all of whose bits could be written.
fn disk() -> Fake {
    Fake::new(1, 0, 0x0001_0001)
        .narrow(0, 0x1000)
        .holds_at(0x34, &[u32::from(MSI)])
        .holds_at(MSI, &[0x0180_7005, 0, 0, 0, 0, 0])
        .holds_at(MSI_X, &[0x0003_8011, 0x2000, 0x3000])
        .holds_at(EXPRESS, &[0x0002_a010, 0x1000_0000, 0x0005_2810])
        .holds_at(VENDOR, &[0x0014_0009, 0, 0])
}

fn register(bus: &Bus, device: u16, register: u16) -> u32 {
    bus.load(usize::from(device) << 15 | usize::from(register), 4) as u32
}

/// As a driver of the bridge that runs for the first time, or again.
fn served(ecam: Ecam, is_first: bool) -> Served {
    let devices = DevicesClient(Loopback::new(DevicesServer(Devmgr::default())));
    let found = scan(&ecam, &windows(), is_first);
    let mut served = Served::new(ecam, found);
    tell(&devices, &mut served);
    served
}

fn both() -> (Rc<Bus>, Served) {
    let (bus, ecam) = bus(vec![disk(), Fake::new(2, 0, 0x0002_0001), Fake::new(4, 0, 0x0004_0001)]);
    (bus, served(ecam, true))
}

#[test]
fn a_driver_reads_its_own_function_and_nobody_elses() {
    let (bus, mut served) = both();
    assert_eq!((served.read(DISK, 0), served.read(TIMER, 0)), (Ok(0x0001_0001), Ok(0x0004_0001)));
    assert_eq!((served.read(DISK, MSI), served.read(TIMER, MSI)), (Ok(0x0180_7005), Ok(0)));
    assert_eq!(served.read(Badge::new(9, 1, 0), 0), Err(Status::NoFunction));
    for bad in [1, 2, 0x1000, 0xffff, 0xfffc] {
        assert_eq!(served.read(DISK, bad), Err(Status::NoRegister), "{bad:#x}");
        assert_eq!(served.write(DISK, bad, 0), Err(Status::NoRegister), "{bad:#x}");
    }
    bus.0.borrow_mut().remove(0);
    assert_eq!(served.read(DISK, 0), Err(Status::Gone));
    assert_eq!(served.set_master(DISK, true), Err(Status::Gone));
}

#[test]
fn of_what_a_driver_writes_only_its_own_bits_arrive() {
    let (bus, mut served) = both();
    let cases = [
        (MSI, 0x01f1_7005),
        (MSI + 4, 0xffff_fffc),
        (MSI + 8, u32::MAX),
        (MSI + 12, 0xffff),
        (MSI + 16, u32::MAX),
        (MSI_X, 0xc003_8011),
        (EXPRESS + 8, 0x000f_711f | 0x2010),
    ];
    for (at, holds) in cases {
        assert_eq!(served.write(DISK, at, u32::MAX), Ok(()), "{at:#x}");
        assert_eq!(register(&bus, 1, at), holds, "{at:#x}");
    }
    assert_eq!(served.write(DISK, EXPRESS + 8, 0), Ok(()));
    assert_eq!(register(&bus, 1, EXPRESS + 8), 0x0000_00e0 & 0x2810, "no error is cleared by the way");
    let before: Vec<u32> = (0..0x1000).step_by(4).map(|at| register(&bus, 1, at)).collect();
    let writable: Vec<u16> = cases.iter().map(|it| it.0).collect();
    for at in (0..0x1000).step_by(4).filter(|at| !writable.contains(at)) {
        assert_eq!(served.write(DISK, at, u32::MAX), Err(Status::NotWritable), "{at:#x}");
    }
    let after: Vec<u32> = (0..0x1000).step_by(4).map(|at| register(&bus, 1, at)).collect();
    assert_eq!(before, after);
}

#[test]
fn a_function_sees_the_caches_before_it_masters_the_bus() {
    let (bus, mut served) = both();
    assert_eq!(register(&bus, 1, EXPRESS + 8) & 0xffff, 0x2010);
    assert_eq!(served.write(DISK, EXPRESS + 8, 0x0800), Ok(()));
    assert_eq!(register(&bus, 1, EXPRESS + 8) & 0x0800, 0);
}

#[test]
fn who_has_no_dma_masters_nothing() {
    let (bus, mut served) = both();
    let command = |device: usize| bus.0.borrow()[device].command;
    assert_eq!((served.set_master(DISK, true), command(0)), (Ok(()), 0x6));
    assert_eq!((served.set_master(TIMER, true), command(2)), (Err(Status::NotMaster), 0x2));
    assert_eq!((served.set_master(DISK, false), command(0)), (Ok(()), 0x2));
    assert_eq!((served.set_master(TIMER, false), command(2)), (Ok(()), 0x2));
}

/// The driver of the disk lets it master the bus and send messages of both kinds.
fn start(served: &mut Served, client: Client) {
    served.set_master(client, true).unwrap();
    served.write(client, MSI, 1 << 16).unwrap();
    served.write(client, MSI_X, 1 << 31).unwrap();
}

/// Whether it masters the bus, sends messages, and sends others.
fn active(bus: &Bus) -> (bool, bool, bool) {
    let bit = |at: u16, bit: u32| register(bus, 1, at) >> bit & 1 != 0;
    (bit(4, 2), bit(MSI, 16), bit(MSI_X, 31))
}

#[test]
fn another_instance_of_a_driver_finds_its_function_quiet() {
    let (bus, mut served) = both();
    let (on, off) = ((true, true, true), (false, false, false));
    start(&mut served, DISK);
    assert_eq!((served.read(DISK, 0).is_ok(), active(&bus)), (true, on));
    assert_eq!((served.reset(DISK), active(&bus)), (Ok(()), off));
    start(&mut served, DISK);
    let next = Badge::new(7, 2, 0);
    assert_eq!((served.read(next, 0).is_ok(), active(&bus)), (true, off));
    start(&mut served, next);
    assert_eq!((served.read(next, 0).is_ok(), active(&bus)), (true, on));
}

#[test]
fn a_bridge_driver_that_comes_back_disturbs_no_driver_and_knows_who_has_what() {
    let (bus, mut before) = both();
    let (on, off) = ((true, true, true), (false, false, false));
    start(&mut before, DISK);
    let again = || Ecam::new(Mmio::fake(bus.clone(), 1 << 20), (0, 255));
    let mut after = served(again(), false);
    assert_eq!(active(&bus), on, "nobody called");
    assert_eq!((after.read(DISK, 0).is_ok(), active(&bus)), (true, on), "the same instance");
    let mut after = served(again(), false);
    let next = Badge::new(7, 2, 0);
    assert_eq!((after.read(next, 0).is_ok(), active(&bus)), (true, off), "the driver died meanwhile");
    start(&mut after, next);
    // devmgr says that nobody has it.
    after.give(Address::new(0, 1, 0), None, false);
    assert_eq!((after.read(next, 0), active(&bus)), (Err(Status::NoFunction), off));
    start_again(&bus);
    served(again(), true);
    assert!(!active(&bus).0, "what firmware left on");
}

/// As firmware would.
fn start_again(bus: &Bus) {
    bus.0.borrow_mut()[0].command |= 4;
}

#[test]
fn a_list_that_lies_has_nothing_to_write_and_ends() {
    let list = |function: Fake| {
        let (_, ecam) = bus(vec![function]);
        capabilities(&ecam, Address::new(0, 1, 0))
    };
    let function = || Fake::new(1, 0, 0x0001_0001).holds_at(0x34, &[0x50]);
    let one = |id, at| Capability { id, at };
    assert_eq!(list(Fake::new(1, 0, 0x0001_0001)), Ok(vec![]), "none");
    assert_eq!(
        list(function().holds_at(0x50, &[0x6305, 0])),
        Ok(vec![one(5, 0x50), one(0, 0x60)]),
        "two bits are no address"
    );
    assert_eq!(list(function().holds_at(0x50, &[0x5005])), Err(BadList::Circle(0x50)));
    assert_eq!(list(function().holds_at(0x50, &[0x6005]).holds_at(0x60, &[0x5011])), Err(BadList::Circle(0x50)));
    assert_eq!(list(function().holds_at(0x50, &[0x1005])), Err(BadList::Header(0x10)));
    assert_eq!(list(Fake::new(1, 0, 0x0001_0001).holds_at(0x34, &[0x04])), Err(BadList::Header(4)));
    for bad in [0x5005, 0x1005] {
        let (_, ecam) = bus(vec![function().holds_at(0x50, &[bad, 0])]);
        let mut served = served(ecam, true);
        assert_eq!(served.write(DISK, 0x50, u32::MAX), Err(Status::NotWritable));
        assert_eq!((served.reset(DISK), served.set_master(DISK, true)), (Ok(()), Ok(())));
    }
    // At the very end: what follows is another space.
    let last = function().holds_at(0x50, &[0xfc05]).holds_at(0xfc, &[0x0080_0005, 0, 0, 0]);
    let (bus, ecam) = bus(vec![last]);
    let mut served = served(ecam, true);
    assert_eq!(served.write(DISK, 0xfc, 1 << 16), Ok(()));
    assert_eq!(served.write(DISK, 0x100, u32::MAX), Err(Status::NotWritable));
    assert_eq!(register(&bus, 1, 0x100), 0);
}

#[test]
fn a_driver_that_died_leaves_its_function_quiet() {
    let (bus, mut served) = both();
    let (on, off) = ((true, true, true), (false, false, false));
    start(&mut served, DISK);
    for (dead, expected) in [(8, on), (7, off)] {
        let devmgr = Devmgr::default();
        devmgr.1.set(dead);
        crate::report::quiet_the_dead(&DevicesClient(Loopback::new(DevicesServer(devmgr))), &mut served);
        assert_eq!(active(&bus), expected, "{dead}");
    }
    let next = Badge::new(7, 2, 0);
    start(&mut served, next);
    assert_eq!((served.read(next, 0).is_ok(), active(&bus)), (true, on));
}

#[test]
fn a_function_raises_intx_while_an_instance_of_its_driver_has_it() {
    let (bus, mut served) = both();
    let is_off = || bus.0.borrow()[0].command & 1 << 10 != 0;
    assert!(!is_off());
    // On a shared line nobody would serve what it raises.
    served.ended(7);
    assert!(is_off());
    let again = || Ecam::new(Mmio::fake(bus.clone(), 1 << 20), (0, 255));
    served.give(Address::new(0, 1, 0), Some(7), true);
    let next = Badge::new(7, 2, 0);
    assert_eq!((served.read(next, 0).is_ok(), is_off()), (true, false));
    assert_eq!((served_again_is_off(again(), &bus), is_off()), (false, false), "nor does it change for who has it");
    served.give(Address::new(0, 1, 0), None, false);
    assert!(is_off());
}

fn served_again_is_off(ecam: Ecam, bus: &Bus) -> bool {
    served(ecam, false);
    bus.0.borrow()[0].command & 1 << 10 != 0
}
