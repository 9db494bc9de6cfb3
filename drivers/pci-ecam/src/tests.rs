//! The scan against a bus that lives in the test.

mod bridges;
mod lies;
mod plugging;
mod serving;
mod storms;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use ipc::devices::{Device, Devices, DevicesClient, DevicesServer, Function, MAX_LINE, Route, Status};
use ipc::{Client, Loopback, Text};
use kit::mmio::{Bank, Mmio};

use super::*;
use crate::report::tell;

/// What a base address register answers to all ones, and what it holds.
#[derive(Clone, Copy, Default)]
struct Bar {
    writable: u32,
    fixed: u32,
    value: u32,
}

#[derive(Clone)]
struct Fake {
    at: Address,
    /// The bridge in front of it, by its index; the root bus without one.
    parent: Option<usize>,
    id: u32,
    header: u8,
    command: u32,
    bars: [Bar; 6],
    /// Line in the lowest byte, pin in the next.
    interrupt: u32,
    /// Registers from 0x34 on: what they hold, and which bits can be written.
    more: HashMap<u16, (u32, u32)>,
    /// Decoding was on while a register was written.
    unsafe_write: bool,
}

impl Fake {
    fn new(device: u8, function: u8, id: u32) -> Self {
        let at = Address::new(0, device, function);
        let (bars, more) = ([Bar::default(); 6], HashMap::new());
        Self { at, parent: None, id, header: 0, command: 0, bars, interrupt: 0x100, more, unsafe_write: false }
    }

    /// Registers behind the header, from this one on; all bits can be written.
    fn holds_at(mut self, register: u16, words: &[u32]) -> Self {
        self.more.extend((register..).step_by(4).zip(words.iter().map(|&word| (word, u32::MAX))));
        self
    }

    /// A register of 32 bits.
    fn narrow(mut self, index: usize, size: u32) -> Self {
        self.bars[index].writable = size.wrapping_neg();
        self
    }

    /// A register of I/O ports, which has 16 bits.
    fn ports(mut self, index: usize, size: u16) -> Self {
        self.bars[index] = Bar { writable: size.wrapping_neg().into(), fixed: 1, value: 0 };
        self
    }

    /// A register of 64 bits.
    fn wide(mut self, index: usize, size: u64) -> Self {
        let mask = size.wrapping_neg();
        self.bars[index] = Bar { writable: mask as u32, fixed: 0xc, value: 0 };
        self.bars[index + 1].writable = (mask >> 32) as u32;
        self
    }

    fn holds(&self, index: usize) -> u64 {
        u64::from(self.bars[index].value) | u64::from(self.bars[index + 1].value) << 32
    }
}

impl Fake {
    /// Slot control, or the status beside it, of which a one clears what happened.
    fn store_half(&mut self, register: usize, value: u16) {
        let word = &mut self.more.get_mut(&(register as u16 & !2)).expect("a slot").0;
        match register & 2 {
            0 => *word = *word & 0xffff_0000 | u32::from(value),
            _ => *word &= !(u32::from(value & 0x11f) << 16),
        }
    }
}

struct Bus(RefCell<Vec<Fake>>);

/// Which function an access to configuration space reaches: bridges pass it on to the buses that they have numbers for.
fn reached(all: &[Fake], function: usize) -> Option<usize> {
    let (bus, rest) = (function >> 8, function & 0xff);
    let leads = |it: &Fake| {
        let mut bridge = it.parent;
        let mut is_first = true;
        while let Some(above) = bridge.map(|index| &all[index]) {
            let buses = above.more[&0x18].0;
            let (secondary, subordinate) = (buses as usize >> 8 & 0xff, buses as usize >> 16 & 0xff);
            if secondary == 0 || is_first && secondary != bus || !(secondary..=subordinate).contains(&bus) {
                return false;
            }
            (bridge, is_first) = (above.parent, false);
        }
        !is_first || bus == 0
    };
    all.iter().position(|it| usize::from(it.at.0) & 0xff == rest && leads(it))
}

impl Bank for Bus {
    fn load(&self, offset: usize, bytes: usize) -> u64 {
        assert_eq!(bytes, 4);
        let functions = self.0.borrow();
        let Some(it) = reached(&functions, offset >> 12).map(|index| &functions[index]) else { return 0xffff_ffff };
        let is_bridge = it.header & 0x7f == 1;
        u64::from(match offset & 0xfff {
            0x00 => it.id,
            0x04 => it.command | u32::from(it.more.contains_key(&0x34)) << 20,
            0x08 if is_bridge => 0x0604_0001,
            0x08 => 0x0108_0205,
            0x0c => u32::from(it.header) << 16,
            bar @ 0x10..0x28 if !is_bridge || bar < 0x18 => {
                let Bar { fixed, value, .. } = it.bars[(bar - 0x10) / 4];
                value | fixed
            }
            0x2c if !is_bridge => 0x1100_1af4,
            0x3c => it.interrupt,
            other => it.more.get(&(other as u16)).map_or(0, |(word, _)| *word),
        })
    }

    fn store(&self, offset: usize, bytes: usize, value: u64) {
        let mut functions = self.0.borrow_mut();
        let Some(it) = reached(&functions, offset >> 12).map(|index| &mut functions[index]) else { return };
        if bytes == 2 {
            return it.store_half(offset & 0xfff, value as u16);
        }
        assert_eq!(bytes, 4);
        let is_bridge = it.header & 0x7f == 1;
        match offset & 0xfff {
            0x04 => it.command = value as u32 & 0x407,
            0x3c => it.interrupt = 0x100 | value as u32 & 0xff,
            bar @ 0x10..0x28 if !is_bridge || bar < 0x18 => {
                it.unsafe_write |= it.command & 0b11 != 0;
                let bar = &mut it.bars[(bar - 0x10) / 4];
                bar.value = value as u32 & bar.writable;
            }
            other => match it.more.get_mut(&(other as u16)) {
                Some((word, mask)) => *word = *word & !*mask | value as u32 & *mask,
                None => panic!("a write to {other:#x}"),
            },
        }
    }
}

fn bus(functions: Vec<Fake>) -> (Rc<Bus>, Ecam) {
    let bus = Rc::new(Bus(RefCell::new(functions)));
    (bus.clone(), Ecam::new(Mmio::fake(bus, 1 << 20), (0, 255)))
}

/// 1 MiB of memory below 4 GiB, which the CPU has elsewhere, and 16 MiB above.
fn windows() -> Windows {
    let cells = [
        [0x100_0000, 0, 0, 0, 0x3eff_0000, 0, 0x1_0000],
        [0x200_0000, 0, 0x1000_0000, 0, 0x5000_0000, 0, 0x10_0000],
        [0x4300_0000, 0x80, 0, 0x80, 0, 0, 0x100_0000u32],
    ];
    let bytes: Vec<u8> = cells.as_flattened().iter().flat_map(|cell| cell.to_be_bytes()).collect();
    Windows::of(&bytes)
}

fn bases(function: &Function) -> Vec<(usize, u64, u64)> {
    let all = function.bars.iter().enumerate().filter(|(_, bar)| bar.size != 0);
    all.map(|(index, bar)| (index, bar.base, bar.size)).collect()
}

#[test]
fn functions_get_places_of_their_own() {
    let nvme = Fake::new(1, 0, 0x0010_1b36).wide(0, 0x4000).narrow(2, 0x100);
    let other = Fake::new(3, 0, 0x1042_1af4).narrow(1, 0x1000).wide(4, 0x4000);
    let (bus, ecam) = bus(vec![Fake::new(0, 0, 0x0008_1b36), nvme, other]);
    let found: Vec<_> = scan(&ecam, &windows(), true).functions.into_iter().map(Result::unwrap).collect();
    assert_eq!(
        found.iter().map(|it| (it.vendor, it.device, it.address)).collect::<Vec<_>>(),
        [(0x1b36, 8, 0), (0x1b36, 0x10, 8), (0x1af4, 0x1042, 24)]
    );
    assert!(bases(&found[0]).is_empty());
    // As the CPU has it: a page at least, and the wide ones above.
    assert_eq!(bases(&found[1]), [(0, 0x80_0000_0000, 0x4000), (2, 0x5000_0000, 0x100)]);
    assert_eq!(bases(&found[2]), [(1, 0x5000_1000, 0x1000), (4, 0x80_0000_4000, 0x4000)]);
    assert_eq!((found[2].class, found[2].subsystem, found[2].pin), (0x0108_0205, 0x1100, 1));
    let all = bus.0.borrow();
    // As the bus has it.
    assert_eq!((all[1].holds(0), all[1].bars[2].value, all[2].holds(4)), (0x80_0000_0000, 0x1000_0000, 0x80_0000_4000));
    assert!(all.iter().all(|it| it.command == 0x402 && !it.unsafe_write), "memory, no bus master, no interrupt");
}

#[test]
fn ports_have_places_where_there_is_nothing_else() {
    let functions = || {
        vec![
            Fake::new(1, 0, 0x0002_1b36).ports(0, 8),
            Fake::new(2, 0, 0x1000_1af4).ports(0, 0x80).narrow(1, 0x1000),
            Fake::new(3, 0, 0x0002_1b36).ports(1, 0x20),
        ]
    };
    let (first, ecam) = bus(functions());
    let before: Vec<_> = scan(&ecam, &windows(), true).functions.into_iter().map(Result::unwrap).collect();
    // As the CPU has them: a page each, and not the one that begins with 0.
    assert_eq!(bases(&before[0]), [(0, 0x3eff_1000, 8)]);
    assert_eq!(bases(&before[1]), [(1, 0x5000_0000, 0x1000)]);
    assert_eq!(bases(&before[2]), [(1, 0x3eff_2000, 0x20)]);
    {
        let all = first.0.borrow();
        assert_eq!(all.iter().map(|it| it.command).collect::<Vec<_>>(), [0x403, 0x402, 0x403]);
        assert_eq!((all[0].bars[0].value, all[1].bars[0].value, all[2].bars[1].value), (0x1000, 0, 0x2000));
        assert!(all.iter().all(|it| !it.unsafe_write));
    }
    // Another came in front of them: they keep their places.
    let mut all = first.0.borrow().clone();
    all.insert(0, Fake::new(0, 0, 0x0002_1b36).ports(0, 8));
    let (_, ecam) = bus(all);
    let after: Vec<_> = scan(&ecam, &windows(), true).functions.into_iter().map(Result::unwrap).collect();
    assert_eq!((&after[1..], bases(&after[0])), (&before[..], vec![(0, 0x3eff_3000, 8)]));
}

/// A devmgr that has drivers for two devices, of which the first is a bus master. It counts how often all was told,
/// and knows of one component that does not run.
#[derive(Default)]
struct Devmgr(Cell<u32>, Cell<u32>);

impl Devices for Devmgr {
    fn list(&mut self, _: u32) -> Result<Option<Device>, Status> {
        Ok(None)
    }
    fn resource(&mut self, _: u32, _: u32) -> Result<Option<Text<MAX_LINE>>, Status> {
        Ok(None)
    }
    fn found(&mut self, _: Client, function: Function) -> Result<Option<u32>, Status> {
        match function.device {
            1 => Ok(Some(7)),
            2 => Ok(None),
            4 => Ok(Some(8)),
            _ => Err(Status::TooMany),
        }
    }
    fn scanned(&mut self, _: Client) -> Result<(), Status> {
        self.0.set(self.0.get() + 1);
        Ok(())
    }
    fn found_behind(&mut self, client: Client, function: Function, _: Route) -> Result<Option<u32>, Status> {
        self.found(client, function)
    }
    fn line(&mut self, _: Client, device: u16, pin: u8) -> Result<Option<u32>, Status> {
        Ok((pin == 1).then_some(u32::from(device >> 3 & 3)))
    }
    fn stuck(&mut self, _: Client, _: u32) -> Result<u32, Status> {
        Ok(0)
    }
    fn gone(&mut self, _: Client, _: u16) -> Result<(), Status> {
        Ok(())
    }
    fn may_master(&mut self, _: Client, component: u32) -> Result<bool, Status> {
        Ok(component == 7)
    }
    fn is_running(&mut self, _: Client, component: u32) -> Result<bool, Status> {
        Ok(component != self.1.get())
    }
}

#[test]
fn only_who_has_a_driver_interrupts() {
    let functions = || (1..4).map(|number| Fake::new(number, 0, u32::from(number) << 16 | 1)).collect();
    let (bus, ecam) = bus(functions());
    let devices = DevicesClient(Loopback::new(DevicesServer(Devmgr::default())));
    let found = scan(&ecam, &windows(), true);
    let mut told = super::Bus::new(ecam, windows(), found);
    for turn in 1..3 {
        tell(&devices, &mut told);
        assert_eq!(bus.0.borrow().iter().map(|it| it.command).collect::<Vec<_>>(), [0x2, 0x402, 0x402]);
        assert_eq!(devices.0.server().0.0.get(), turn);
    }
}

#[test]
fn what_has_a_place_keeps_it() {
    let functions =
        || vec![Fake::new(1, 0, 0x0010_1b36).wide(0, 0x4000), Fake::new(2, 0, 0x0010_1b36).narrow(0, 0x1000)];
    let (first, ecam) = bus(functions());
    let before: Vec<_> = scan(&ecam, &windows(), true).functions.into_iter().map(Result::unwrap).collect();
    assert_eq!(scan(&ecam, &windows(), true).functions.into_iter().map(Result::unwrap).collect::<Vec<_>>(), before);
    // Another came between; what firmware put on one place is apart afterwards.
    let mut all = first.0.borrow().clone();
    all.insert(0, Fake::new(0, 0, 0x0010_1b36).wide(0, 0x4000));
    all.push(Fake { bars: all[2].bars, command: 2, ..Fake::new(3, 0, 0x0010_1b36) });
    let (_, ecam) = bus(all);
    let after: Vec<_> = scan(&ecam, &windows(), true).functions.into_iter().map(Result::unwrap).collect();
    assert_eq!(after[1..3], before);
    assert_eq!(bases(&after[0]), [(0, 0x80_0000_4000, 0x4000)]);
    assert_eq!(bases(&after[3]), [(0, 0x5000_1000, 0x1000)]);
}

#[test]
fn a_function_that_does_not_fit_or_lies_harms_no_other() {
    let mut gap = Fake::new(2, 0, 0x0002_0001);
    gap.bars[0].writable = 0xf0f0_0000;
    let half = Fake::new(3, 0, 0x0003_0001).wide(4, 0x1000);
    let mut half = Fake { bars: half.bars, ..half };
    half.bars[5].fixed = 0xc;
    let (_, ecam) = bus(vec![
        Fake::new(1, 0, 0x0001_0001).narrow(0, 0x20_0000),
        gap,
        half,
        Fake { header: 2, ..Fake::new(4, 0, 0x0004_0001) },
        Fake::new(5, 0, 0x0005_0001).narrow(0, 0x1000),
    ]);
    let mut words = Vec::new();
    let mut fine = Vec::new();
    for found in scan(&ecam, &windows(), true).functions {
        match found {
            Ok(it) => fine.push(it.device),
            Err(fault) => words.push(fault.to_string()),
        }
    }
    assert_eq!(
        words,
        [
            "00:01.0: BAR 0 of 0x200000 bytes fits in no window of the bridge",
            "00:02.0: BAR 0 says no size that there is",
            "00:04.0: a header of type 2, which nobody knows",
        ]
    );
    assert_eq!(fine, [3, 5]);
}

#[test]
fn functions_behind_the_first_are_looked_for_where_there_are_several() {
    let several = |function| Fake { header: 0x80, ..Fake::new(1, function, 0x0001_0001) };
    let (_, ecam) =
        bus(vec![several(0), several(3), Fake::new(2, 0, 0x0002_0001), Fake::new(2, 1, 0x0002_0001), several(7)]);
    let found: Vec<_> = scan(&ecam, &windows(), true).functions.into_iter().map(|it| it.unwrap().address).collect();
    assert_eq!(found, [0x08, 0x0b, 0x0f, 0x10]);
}

#[test]
fn whatever_a_bus_answers_does_no_harm() {
    struct Noise(RefCell<u64>);
    impl Bank for Noise {
        fn load(&self, _: usize, _: usize) -> u64 {
            let mut seed = self.0.borrow_mut();
            *seed ^= *seed << 13;
            *seed ^= *seed >> 7;
            *seed ^= *seed << 17;
            *seed & 0xffff_ffff
        }
        fn store(&self, _: usize, _: usize, _: u64) {}
    }
    for seed in 1..200 {
        let ecam = Ecam::new(Mmio::fake(Rc::new(Noise(RefCell::new(seed * 0x9e37_79b9))), 1 << 20), (0, 255));
        for function in scan(&ecam, &windows(), true).functions.into_iter().flatten() {
            for (_, base, size) in bases(&function) {
                let inside = |from: u64, to: u64| from <= base && base + size <= to;
                assert!(
                    inside(0x5000_0000, 0x5010_0000) || inside(0x80_0000_0000, 0x80_0100_0000),
                    "{base:#x} {size:#x}"
                );
            }
        }
    }
}
