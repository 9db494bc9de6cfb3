//! Buses behind bridges.

use super::*;
use crate::Scan;
use crate::bridge::Bridges;

/// Of what kind a bridge of PCI Express is: the word of its capability.
const ROOT_PORT: u32 = 0x0042_0010;
const UPSTREAM: u32 = 0x0052_0010;
const DOWNSTREAM: u32 = 0x0062_0010;
const TO_CONVENTIONAL: u32 = 0x0072_0010;

impl Fake {
    /// A conventional bridge that has no numbers yet.
    pub(super) fn bridge(device: u8) -> Self {
        let mut bridge = Self { header: 1, ..Self::new(device, 0, 0x000c_1b36) };
        let registers = [
            (0x18, 0, u32::MAX),
            (0x1c, 0xffff_0101, 0xf0f0),
            (0x20, 0, 0xfff0_fff0),
            (0x24, 0x0001_0001, 0xfff0_fff0),
            (0x28, 0, u32::MAX),
            (0x2c, 0, u32::MAX),
            (0x30, 0, u32::MAX),
        ];
        bridge.more.extend(registers.map(|(at, word, mask)| (at, (word, mask))));
        bridge
    }

    pub(super) fn port(device: u8, kind: u32) -> Self {
        Self::bridge(device).holds_at(0x34, &[0x40]).holds_at(0x40, &[kind])
    }

    pub(super) fn behind(self, parent: usize) -> Self {
        Self { parent: Some(parent), ..self }
    }

    pub(super) fn word(&self, register: u16) -> u32 {
        self.more[&register].0
    }

    pub(super) fn with(mut self, register: u16, word: u32, mask: u32) -> Self {
        self.more.insert(register, (word, mask));
        self
    }
}

pub(super) fn deep(functions: Vec<Fake>) -> (Rc<Bus>, Ecam) {
    let bus = Rc::new(Bus(RefCell::new(functions)));
    (bus.clone(), again(&bus))
}

pub(super) fn again(bus: &Rc<Bus>) -> Ecam {
    Ecam::new(Mmio::fake(bus.clone(), 64 << 20), (0, 31))
}

/// 64 MiB below 4 GiB, and 1 GiB above.
pub(super) fn large() -> Windows {
    let cells = [
        [0x200_0000, 0, 0x1000_0000, 0, 0x5000_0000, 0, 0x400_0000],
        [0x4300_0000, 0x80, 0, 0x80, 0, 0, 0x4000_0000u32],
    ];
    let bytes: Vec<u8> = cells.as_flattened().iter().flat_map(|cell| cell.to_be_bytes()).collect();
    Windows::of(&bytes)
}

fn fine(scan: &Scan) -> Vec<Function> {
    scan.functions.iter().map(|it| *it.as_ref().unwrap_or_else(|fault| panic!("{fault}"))).collect()
}

fn faults(scan: &Scan) -> Vec<String> {
    scan.functions.iter().filter_map(|it| it.as_ref().err()).map(ToString::to_string).collect()
}

fn addresses(scan: &Scan) -> Vec<String> {
    fine(scan).iter().map(|it| Address(it.address).to_string()).collect()
}

/// A root port with a disk behind it, a switch with two ports, of which one has a disk behind it, and a conventional bridge with
/// two disks.
fn tree() -> Vec<Fake> {
    let disk = |device| Fake::new(device, 0, 0x1042_1af4).narrow(1, 0x1000).wide(4, 0x4000);
    vec![
        Fake::new(0, 0, 0x0008_1b36),
        Fake::port(1, ROOT_PORT).narrow(0, 0x1000),
        disk(0).behind(1),
        Fake::port(2, ROOT_PORT),
        Fake::port(0, UPSTREAM).behind(3),
        Fake::port(0, DOWNSTREAM).behind(4),
        Fake::port(1, DOWNSTREAM).behind(4),
        disk(0).behind(6),
        Fake::bridge(3),
        disk(2).behind(8),
        disk(5).behind(8),
    ]
}

#[test]
fn buses_have_numbers_depth_first_and_bridges_windows_around_what_is_behind() {
    let (bus, ecam) = deep(tree());
    let scan = scan(&ecam, &large(), true);
    let expected = [
        "00:00.0", "00:01.0", "01:00.0", "00:02.0", "02:00.0", "03:00.0", "03:01.0", "05:00.0", "00:03.0", "06:02.0",
        "06:05.0",
    ];
    assert_eq!(addresses(&scan), expected);
    let all = bus.0.borrow();
    let buses = |index: usize| all[index].word(0x18);
    assert_eq!(
        [buses(1), buses(3), buses(4), buses(5), buses(6), buses(8)],
        [0x0001_0100, 0x0005_0200, 0x0005_0302, 0x0004_0403, 0x0005_0503, 0x0006_0600]
    );
    // 1 MiB for each of the two kinds, as the CPU has it 0x4000_0000 higher; nothing behind the empty port.
    let windows = |index: usize| (all[index].word(0x20), all[index].word(0x24), all[index].word(0x28));
    assert_eq!(windows(1), (0x1000_1000, 0x0001_0001, 0x80));
    assert_eq!(windows(3), (0x1010_1010, 0x0011_0011, 0x80));
    assert_eq!((windows(4), windows(6)), (windows(3), windows(3)));
    assert_eq!(windows(5), (0x0000_fff0, 0x0001_fff1, 0));
    assert_eq!(windows(8), (0x1020_1020, 0x0021_0021, 0x80));
    assert_eq!((all[1].word(0x1c) & 0xffff, all[1].word(0x30)), (0x01f1, 0xffff), "no ports");
    let function = |at: usize| bases(&fine(&scan)[at]);
    // The port's own registers lie in front of it.
    assert_eq!(function(1), [(0, 0x5030_0000, 0x1000)]);
    assert_eq!(function(2), [(1, 0x5000_0000, 0x1000), (4, 0x80_0000_0000, 0x4000)]);
    assert_eq!(function(10), [(1, 0x5020_1000, 0x1000), (4, 0x80_0020_4000, 0x4000)]);
    assert!(all.iter().all(|it| it.command == 0x402 && !it.unsafe_write), "memory, no bus master, no interrupt");
}

#[test]
fn interrupts_turn_on_the_way_and_requesters_are_kept_or_not() {
    let mut functions = tree();
    functions.extend([Fake::port(3, TO_CONVENTIONAL).behind(4), Fake::new(6, 0, 1).behind(11)]);
    let (_, ecam) = deep(functions);
    let scan = scan(&ecam, &large(), true);
    let route =
        |index: usize| scan.bridges.route(&fine(&scan)[index]).map(|it| (it.bridge, it.device, it.pin, it.shared));
    assert_eq!(route(1), None, "on the root bus");
    assert_eq!(route(2), Some((0x08, 0x08, 1, false)));
    assert_eq!(route(6), Some((0x200, 0x10, 2, false)), "device 1 behind device 0");
    assert_eq!(route(7), Some((0x308, 0x10, 2, false)));
    // Device 6 behind device 3.
    assert_eq!(route(9), Some((0x318, 0x10, (6 + 3) % 4 + 1, true)));
    assert_eq!(route(11), Some((0x18, 0x18, 3, true)));
    assert_eq!(route(12), Some((0x18, 0x18, 2, true)));
}

#[test]
fn a_bridge_driver_that_comes_back_moves_nothing() {
    let (bus, ecam) = deep(tree());
    let before = scan(&ecam, &large(), true);
    let holds = |bus: &Bus| {
        bus.0
            .borrow()
            .iter()
            .map(|it| (it.command & 2, it.more.clone(), it.bars.map(|it| it.value)))
            .collect::<Vec<_>>()
    };
    let held = holds(&bus);
    let after = scan(&again(&bus), &large(), false);
    assert!(held == holds(&bus));
    assert_eq!(fine(&before), fine(&after));
    // Also with less behind a bridge than its window was made for.
    bus.0.borrow_mut()[9].id = u32::MAX;
    let after = scan(&again(&bus), &large(), false);
    assert_eq!(fine(&after).last(), fine(&before).last());
}

#[test]
fn numbers_that_firmware_gave_stay_if_they_make_sense() {
    let numbered = |words: [u32; 2]| {
        let [one, other] = words;
        let functions = vec![
            Fake::port(1, ROOT_PORT).with(0x18, one, u32::MAX),
            Fake::new(0, 0, 1).behind(0),
            Fake::port(2, ROOT_PORT).with(0x18, other, u32::MAX),
            Fake::new(0, 0, 2).behind(2),
        ];
        let (bus, ecam) = deep(functions);
        let found = addresses(&scan(&ecam, &large(), true));
        assert_eq!(found.len(), 4, "{found:?}");
        let all = bus.0.borrow();
        [all[0].word(0x18), all[2].word(0x18)]
    };
    assert_eq!(numbered([0x2007_0400, 0x000b_0900]), [0x2007_0400, 0x000b_0900]);
    assert_eq!(numbered([0x0000_0000, 0x000b_0900]), [0x000c_0c00, 0x000b_0900], "behind those that stay");
    for lies in [
        // Its own bus, or one before it; the last before the first; another's primary; beyond the last; what another has.
        [0x0004_0000, 0],
        [0x0001_0200, 0],
        [0x0002_0201, 0],
        [0x0020_0200, 0],
        [0x0004_0200, 0x0006_0400],
    ] {
        let [one, other] = numbered(lies);
        let range = |word: u32| word >> 8 & 0xff..=word >> 16 & 0xff;
        assert!(range(one).start() > &0 && range(other).start() > &0, "{lies:x?}: {one:x} {other:x}");
        assert!(!range(one).any(|bus| range(other).contains(&bus)), "{lies:x?}: {one:x} {other:x}");
    }
}

#[test]
fn a_bridge_that_lies_is_named_and_harms_no_other() {
    let disk = || Fake::new(0, 0, 0x0001_0001).narrow(0, 0x1000);
    let (bus, ecam) = deep(vec![
        // Its numbers are fixed, and lead to the bus that it is on.
        Fake::port(1, ROOT_PORT).with(0x18, 0x00ff_0000, 0),
        disk().behind(0),
        Fake::port(2, ROOT_PORT),
        disk().behind(2),
        Fake { header: 2, ..Fake::port(3, ROOT_PORT) },
    ]);
    let found = scan(&ecam, &large(), true);
    assert_eq!(faults(&found), ["00:01.0: it takes no bus number", "00:03.0: a header of type 2, which nobody knows"]);
    assert_eq!(found.functions.iter().flatten().map(|it| it.address).collect::<Vec<_>>(), [0x10, 0x100]);
    assert_eq!(bus.0.borrow()[0].command, 0);
}

#[test]
fn bridges_without_an_end_end() {
    // Each behind the one before.
    let chain: Vec<Fake> =
        (0..40).map(|index: usize| Fake { parent: index.checked_sub(1), ..Fake::bridge(0) }).collect();
    let (_, ecam) = deep(chain);
    let found = scan(&ecam, &large(), true);
    assert_eq!(found.functions.len(), 17);
    assert_eq!(faults(&found), ["10:00.0: it is behind too many other bridges"]);
    // More buses than there are numbers.
    let (_, ecam) = deep((0..32).map(Fake::bridge).collect());
    let found = scan(&ecam, &large(), true);
    assert_eq!(faults(&found), ["00:1f.0: no bus number is left for what is behind it"]);
    // More functions than anybody has room for.
    let mut many = vec![Fake::bridge(0), Fake::bridge(1)];
    let several = |device, function| Fake { header: 0x80, ..Fake::new(device, function, 0x0001_0001) };
    many.extend(
        (0..2).flat_map(|parent| {
            (0..32).flat_map(move |device| (0..8).map(move |it| several(device, it).behind(parent)))
        }),
    );
    let (_, ecam) = deep(many);
    let found = scan(&ecam, &large(), true);
    let faults = faults(&found);
    assert!(
        found.functions.len() < 260 && faults.iter().any(|it| it.contains("more than 256 functions")),
        "{faults:?}"
    );
}

#[test]
fn what_does_not_fit_behind_a_bridge_is_left_out_and_its_neighbours_are_not() {
    let (bus, ecam) = deep(vec![
        Fake::bridge(1),
        Fake::new(1, 0, 0x0001_0001).narrow(0, 0x800_0000).behind(0),
        Fake::new(2, 0, 0x0002_0001).narrow(0, 0x1000).behind(0),
        Fake::new(3, 0, 0x0003_0001).narrow(0, 0x200_0000).behind(0),
        Fake::new(4, 0, 0x0004_0001).narrow(0, 0x200_0000).behind(0),
    ]);
    let found = scan(&ecam, &large(), true);
    let words = faults(&found);
    assert_eq!(words[0], "01:01.0: BAR 0 of 0x8000000 bytes fits in no window of the bridge");
    assert_eq!(words.len(), 2, "one of the two others: {words:?}");
    let small = found.functions.iter().flatten().find(|it| it.device == 2).unwrap();
    let (_, base, size) = bases(small)[0];
    let window = bus.0.borrow()[0].word(0x20);
    let (first, last) = (u64::from(window & 0xfff0) << 16, u64::from(window & 0xfff0_0000) | 0xf_ffff);
    assert!(first + 0x4000_0000 <= base && base + size - 1 <= last + 0x4000_0000, "{window:x} {base:x}");
}

#[test]
fn windows_that_overlap_or_lie_elsewhere_are_not_kept() {
    // Switched on, and as large as they have to be.
    let on = |mut fake: Fake| {
        fake.command = 2;
        fake
    };
    let port = |device, window| on(Fake::port(device, ROOT_PORT)).with(0x20, window, 0xfff0_fff0);
    let disk = |base, parent| {
        let mut disk = on(Fake::new(0, 0, 1)).narrow(0, 0x1000).behind(parent);
        disk.bars[0].value = base;
        disk
    };
    for (one, other) in [(0x1010_1010, 0x1010_1010), (0x1010_1010, 0x9000_9000), (0x1020_1010, 0x1010_1020)] {
        let ports = [port(1, one).with(0x18, 0x0001_0100, u32::MAX), port(2, other).with(0x18, 0x0002_0200, u32::MAX)];
        let (bus, ecam) = deep(ports.into_iter().chain([disk(0x1010_0000, 0), disk(0x1010_0000, 1)]).collect());
        let found = scan(&ecam, &large(), false);
        let places: Vec<_> = fine(&found).iter().flat_map(bases).map(|it| it.1).collect();
        assert_eq!(places.len(), 2);
        assert_ne!(places[0] >> 20, places[1] >> 20, "{one:x} {other:x}");
        let all = bus.0.borrow();
        assert_ne!(all[0].word(0x20), all[1].word(0x20));
    }
}

#[test]
fn a_bridge_masters_the_bus_as_long_as_something_behind_it_does() {
    let disk = |device: u8| Fake::new(device, 0, u32::from(device) << 16 | 1).narrow(0, 0x1000);
    let (bus, ecam) = deep(vec![
        Fake::port(2, ROOT_PORT),
        Fake::port(0, UPSTREAM).behind(0),
        Fake::bridge(1).behind(1),
        disk(1).behind(2),
        disk(4).behind(2),
    ]);
    let devices = DevicesClient(Loopback::new(DevicesServer(Devmgr::default())));
    let found = scan(&ecam, &large(), true);
    let mut served = crate::Bus::new(ecam, large(), found);
    tell(&devices, &mut served);
    let masters = || bus.0.borrow().iter().map(|it| it.command >> 2 & 1).collect::<Vec<_>>();
    let client = rt::Badge::new(7, 1, 0);
    assert_eq!(masters(), [0; 5]);
    ipc::pci::Pci::set_master(&mut served, client, true).unwrap();
    assert_eq!(masters(), [1, 1, 1, 1, 0]);
    ipc::pci::Pci::reset(&mut served, client).unwrap();
    assert_eq!(masters(), [0; 5]);
}

#[test]
fn whatever_bridges_answer_does_no_harm() {
    let mut seed = 0x9e37_79b9u32;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed
    };
    for _ in 0..300 {
        let mut functions = tree();
        for it in &mut functions {
            if random() % 3 == 0 {
                let mask = random();
                it.more
                    .values_mut()
                    .for_each(|(word, writable)| (*word, *writable) = (*word ^ random() & mask, *writable & !mask));
            }
            it.bars[0].writable ^= if random() % 4 == 0 { random() } else { 0 };
            it.command = random() & 7;
        }
        let (_, ecam) = deep(functions);
        let found = scan(&ecam, &large(), random() % 2 == 0);
        let mut places: Vec<(u64, u64)> = Vec::new();
        for (_, base, size) in found.functions.iter().flatten().flat_map(bases) {
            let end = base + size.max(0x1000);
            let inside = |from: u64, to: u64| from <= base && end <= to;
            assert!(inside(0x5000_0000, 0x5400_0000) || inside(0x80_0000_0000, 0x80_4000_0000), "{base:#x} {size:#x}");
            assert!(places.iter().all(|&(other, until)| end <= other || until <= base), "{base:#x} {size:#x}");
            places.push((base, end));
        }
        let bridges: &Bridges = &found.bridges;
        assert!(found.functions.iter().flatten().all(|it| bridges.route(it).is_none_or(|route| route.device < 0x100)));
    }
}
