//! Functions that lie about what they are and can do.

use kit::pci::BadList;

use super::bridges::{deep, large};
use super::*;
use crate::capability::{capabilities, merged, messages};

const AT: Address = Address::new(0, 1, 0);

fn list(first: u16) -> Fake {
    Fake::new(1, 0, 0x0001_0001).holds_at(0x34, &[first.into()])
}

#[test]
fn a_device_without_function_0_is_none_whatever_its_others_say() {
    let other = |function| Fake { header: 0x80, ..Fake::new(1, function, 0x0001_0001) };
    // Nor is one whose function 0 says that there are no others.
    let single = Fake::new(2, 0, 0x0002_0001);
    let hidden = Fake { header: 0x80, ..Fake::new(2, 5, 0x0002_0001) };
    let (_, ecam) = bus(vec![other(1), other(7), single, hidden]);
    let found: Vec<_> = scan(&ecam, &windows(), true).functions.into_iter().map(|it| it.unwrap().address).collect();
    assert_eq!(found, [0x10]);
}

#[test]
fn a_list_that_fills_the_space_ends_and_one_that_comes_back_does_too() {
    let chain = |last: u32| {
        let places: Vec<u16> = (0x40..0x100).step_by(4).collect();
        let next = |at: u16| if at == 0xfc { last } else { u32::from(at) + 4 };
        places.iter().fold(list(0x40), |function, &at| function.holds_at(at, &[next(at) << 8 | 0x09]))
    };
    let (_, ecam) = bus(vec![chain(0)]);
    assert_eq!(capabilities(&ecam, AT).map(|list| list.len()), Ok(48));
    for (last, bad) in [(0x40, BadList::Circle(0x40)), (0xfc, BadList::Circle(0xfc)), (0x08, BadList::Header(8))] {
        let (_, ecam) = bus(vec![chain(last)]);
        assert_eq!(capabilities(&ecam, AT), Err(bad));
        assert_eq!((messages(&ecam, AT), merged(&ecam, AT, 0x40, u32::MAX)), (0, None));
    }
}

#[test]
fn what_of_a_capability_would_lie_behind_the_space_is_nobodys() {
    for (id, first) in [(0x05, 0x0180_0000), (0x10, 0x0002_0000), (0x11, 0x07ff_0000)] {
        for at in [0xf4u16, 0xf8, 0xfc] {
            let (_, ecam) = bus(vec![list(at).holds_at(at, &[first | id])]);
            for register in (0x100..0x120).step_by(4) {
                assert_eq!(merged(&ecam, AT, register, u32::MAX), None, "{id:#x} at {at:#x}: {register:#x}");
            }
        }
    }
}

#[test]
fn counts_of_messages_have_a_limit() {
    let says = |id: u32, control: u32| {
        let (_, ecam) = bus(vec![list(0x50).holds_at(0x50, &[control << 16 | id])]);
        messages(&ecam, AT)
    };
    // 2048 entries; 32 and the two powers of two that MSI has no name for.
    assert_eq!((says(0x11, 0x7ff), says(0x11, 0)), (255, 1));
    assert_eq!((says(0x05, 5 << 1), says(0x05, 6 << 1), says(0x05, 7 << 1)), (32, 32, 32));
}

#[test]
fn sizes_that_are_none_are_named_and_harm_no_other() {
    let with = |device, mask: u32, fixed| {
        let mut function = Fake::new(device, 0, u32::from(device) << 16 | 1);
        (function.bars[0].writable, function.bars[0].fixed) = (mask, fixed);
        function
    };
    let (bus, ecam) = bus(vec![
        with(1, 0xfff0_f000, 0),
        with(2, 0x8000_1000, 0),
        // 64 bits, of which the lower half has a hole.
        with(3, 0x0fff_f000, 0b100),
        // Ports with a hole.
        with(4, 0xff0c, 1),
        Fake::new(5, 0, 0x0005_0001).narrow(0, 0x1000),
    ]);
    let (fine, faults): (Vec<_>, Vec<_>) = scan(&ecam, &windows(), true).functions.into_iter().partition(Result::is_ok);
    let words: Vec<String> = faults.into_iter().map(|it| it.unwrap_err().to_string()).collect();
    let expected: Vec<String> =
        (1..5).map(|device| format!("00:0{device}.0: BAR 0 says no size that there is")).collect();
    assert_eq!((words, fine.len()), (expected, 1));
    assert_eq!(bus.0.borrow().iter().map(|it| it.command).collect::<Vec<_>>(), [0, 0, 0, 0, 0x402]);
}

#[test]
fn bridges_whose_numbers_run_in_a_circle_lead_to_each_bus_once() {
    // As the first that runs finds them: the second leads back to the root bus, the third to its own, the last to the first's.
    let numbers = [0x0003_0100, 0x0000_0001, 0x0002_0202, 0x0003_0100];
    let port = |index: usize, parent: Option<usize>| {
        let device = if parent.is_some() { 0 } else { index as u8 + 1 };
        Fake { parent, ..Fake::bridge(device).with(0x18, numbers[index], u32::MAX) }
    };
    let disk = Fake::new(3, 0, 0x0001_1af4).narrow(0, 0x1000);
    let functions =
        vec![port(0, None), port(1, Some(0)), port(2, Some(1)), port(3, None), disk.clone(), disk.behind(2)];
    let (bus, ecam) = deep(functions);
    let found = scan(&ecam, &large(), true);
    let mut buses: Vec<u8> = found.bridges.0.iter().map(|bridge| bridge.secondary).collect();
    assert!(found.bridges.0.iter().all(|it| it.at.bus() < it.secondary && it.secondary <= it.subordinate));
    let count = buses.len();
    buses.sort_unstable();
    buses.dedup();
    assert_eq!((buses.len(), count), (count, bus.0.borrow().iter().filter(|it| it.header == 1).count()));
    let disks = found.functions.iter().flatten().filter(|it| it.vendor == 0x1af4);
    assert_eq!(disks.map(|it| it.bars[0].size).collect::<Vec<_>>(), [0x1000, 0x1000]);
}
