//! The transport against a function and its registers that live in the test.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ipc::pci::{Pci, PciClient, PciServer, Status};
use ipc::{Client, Loopback};

use super::*;
use crate::mmio::Bank;
use crate::virtio::{begin, config};

/// Configuration space; what is not there reads as 0.
#[derive(Clone)]
struct Space(HashMap<u16, u32>);

impl Pci for Space {
    fn read(&mut self, _: Client, register: u16) -> core::result::Result<u32, Status> {
        Ok(self.0.get(&register).copied().unwrap_or_default())
    }
    fn write(&mut self, _: Client, _: u16, _: u32) -> core::result::Result<(), Status> {
        Err(Status::NotWritable)
    }
    fn set_master(&mut self, _: Client, _: bool) -> core::result::Result<(), Status> {
        Err(Status::NotMaster)
    }
    fn reset(&mut self, _: Client) -> core::result::Result<(), Status> {
        Ok(())
    }
}

/// Where the structures lie in BAR 4, which has so many bytes.
const COMMON_AT: u32 = 0x0;
const ISR_AT: u32 = 0x1000;
const DEVICE_AT: u32 = 0x2004;
const NOTIFY_AT: u32 = 0x3000;
const BYTES: usize = 0x4000;

/// A network interface as QEMU shows it: its structures in BAR 4.
fn space() -> Space {
    let mut all = HashMap::from([(0x00, 0x1041_1af4), (0x04, 0x10_0000), (0x34, 0x40)]);
    let capabilities = [
        (0x40, 0x54, 1, COMMON_AT, 0x38),
        (0x54, 0x68, 3, ISR_AT, 1),
        (0x68, 0x7c, 4, DEVICE_AT, 12),
        (0x7c, 0x90, NOTIFY, NOTIFY_AT, 0x10),
        // Of a kind that is not for this.
        (0x90, 0, 5, 0, 0),
    ];
    for (at, next, kind, offset, bytes) in capabilities {
        all.insert(at, u32::from(kind) << 24 | 0x14_0000 | next << 8 | u32::from(VENDOR));
        all.extend([(at + 4, 4), (at + 8, offset), (at + 12, bytes), (at + 16, if kind == NOTIFY { 4 } else { 0 })]);
    }
    Space(all)
}

impl Space {
    fn with(mut self, register: u16, value: u32) -> Self {
        self.0.insert(register, value);
        self
    }
}

/// The device's registers: two queues, of which the second is notified `second` places further.
#[derive(Default)]
struct Chip {
    stores: RefCell<Vec<(usize, u64)>>,
    isr: RefCell<u64>,
    second: u64,
    /// A reset never ends.
    stuck: bool,
    status: RefCell<u64>,
    features: u64,
}

impl Chip {
    fn last(&self, offset: usize) -> u64 {
        self.stores.borrow().iter().rev().find(|store| store.0 == offset).map_or(0, |store| store.1)
    }
}

impl Bank for Chip {
    fn load(&self, offset: usize, bytes: usize) -> u64 {
        match (offset, bytes) {
            (0x04, 4) => self.features >> (32 * self.last(0)) & 0xffff_ffff,
            (0x14, 1) => *self.status.borrow(),
            (0x15, 1) => 9,
            (0x18, 2) => 256,
            (0x1c, 2) => 0,
            (0x1e, 2) => self.second * self.last(0x16),
            (0x1000, 1) => std::mem::take(&mut *self.isr.borrow_mut()),
            (at @ 0x2004..0x200a, 1) => at as u64 & 0xff,
            (0x200a, 2) => 0x0102,
            (0x200c, 4) => 0x0304_0506,
            other => panic!("a read of {other:x?}"),
        }
    }
    fn store(&self, offset: usize, bytes: usize, value: u64) {
        let width = match offset {
            0x14 => 1,
            0x16..=0x1e | 0x3000.. => 2,
            _ => 4,
        };
        assert_eq!(bytes, width, "{offset:#x}");
        if offset == 0x14 && !self.stuck {
            *self.status.borrow_mut() = value;
        }
        self.stores.borrow_mut().push((offset, value));
    }
}

fn open(space: Space, chip: Chip) -> core::result::Result<(Rc<Chip>, PciTransport), Failure> {
    let chip = Rc::new(chip);
    let function = Function::new(PciClient(Loopback::new(PciServer(space))));
    let mut opened = Vec::new();
    let transport = PciTransport::new(&function, |bar| {
        assert!(bar == 4 && !opened.contains(&bar), "BAR {bar}, again");
        opened.push(bar);
        Ok(Mmio::fake(chip.clone(), BYTES))
    })?;
    Ok((chip, transport))
}

fn fine() -> (Rc<Chip>, PciTransport) {
    open(space(), Chip { second: 3, features: 0x3_0000_0020, ..Chip::default() }).unwrap()
}

#[test]
fn a_device_agrees_on_features_with_that_of_the_platform() {
    let (chip, mut transport) = fine();
    assert_eq!(transport.device_type(), DeviceType::Network);
    assert_eq!(begin(&mut transport, DeviceType::Network, 1 << 5 | 1 << 7).unwrap(), 0x3_0000_0020);
    let features: Vec<_> = chip.stores.borrow().iter().filter(|store| (8..0x10).contains(&store.0)).copied().collect();
    assert_eq!(features, [(8, 0), (12, 0x20), (8, 1), (12, 3)]);
    assert_eq!(transport.get_status().bits(), 11);
}

#[test]
fn queues_are_set_up_and_notified_at_their_places() {
    let (chip, mut transport) = fine();
    assert_eq!((transport.max_queue_size(1), transport.queue_used(1)), (256, false));
    transport.notify(1);
    transport.queue_set(1, 64, 0x1_0000_1000, 0x2000, 0x3_0000_3000);
    chip.stores.borrow_mut().clear();
    transport.queue_set(0, 16, 0, 0, 0);
    assert_eq!(chip.last(0x18), 16);
    chip.stores.borrow_mut().clear();
    transport.notify(1);
    transport.notify(0);
    assert_eq!(*chip.stores.borrow(), [(0x300c, 1), (0x3000, 0)], "with nothing asked");
    let (chip, mut transport) = fine();
    transport.queue_set(1, 64, 0x1_0000_1000, 0x2000, 0x3_0000_3000);
    let set: Vec<u64> = (0x20..0x38).step_by(4).map(|at| chip.last(at)).collect();
    assert_eq!((set, chip.last(0x18), chip.last(0x1c)), (vec![0x1000, 1, 0x2000, 0, 0x3000, 3], 64, 1));
}

#[test]
fn the_configuration_is_read_as_wide_as_it_is() {
    let (chip, mut transport) = fine();
    assert_eq!(config::<[u8; 6]>(&transport, 0).unwrap(), [4, 5, 6, 7, 8, 9]);
    assert_eq!(config::<u16>(&transport, 6).unwrap(), 0x0102);
    assert_eq!(config::<[u32; 1]>(&transport, 8).unwrap(), [0x0304_0506]);
    assert!(config::<[u32; 2]>(&transport, 8).is_err() && config::<u8>(&transport, usize::MAX).is_err());
    *chip.isr.borrow_mut() = 3;
    assert_eq!((transport.ack_interrupt().bits(), transport.ack_interrupt().bits()), (3, 0));
    assert_eq!(transport.write_config_space(0, 5u32), Ok(()));
    assert_eq!(chip.last(0x2004), 5);
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let words = |space| open(space, Chip::default()).map(drop).unwrap_err().to_string();
    assert_eq!(words(space().with(0, 0x1100_1af4)), "a virtio device of an unknown kind (0x1100)");
    for (register, value, what) in [
        (0x4c, 0x37, "common configuration"),
        (0x48, BYTES as u32 - 0x10, "common configuration"),
        (0x48, u32::MAX, "common configuration"),
        (0x48, 2, "common configuration"),
        (0x60, 0, "interrupt status"),
        (0x5c, BYTES as u32, "interrupt status"),
        (0x80, 6, "notification area"),
        (0x7c, 0xff14_9009, "notification area"),
    ] {
        let expected = std::format!("the device does not say where in its registers its {what} is");
        assert_eq!(words(space().with(register, value)), expected, "{register:#x}");
    }
    assert!(words(space().with(0x54, 0x0314_4009)).contains("comes to 0x40 twice"));
    assert!(words(space().with(0x34, 0x10)).contains("leads into the header"));
}

#[test]
fn a_device_of_both_worlds_says_in_its_subsystem_what_it_is() {
    let (_, transport) = open(space().with(0, 0x1000_1af4).with(0x2c, 0x0001_1af4), Chip::default()).unwrap();
    assert_eq!(transport.device_type(), DeviceType::Network);
}

#[test]
fn a_queue_that_cannot_be_notified_has_no_room() {
    let (chip, mut transport) = open(space(), Chip { second: 4, ..Chip::default() }).unwrap();
    assert_eq!((transport.max_queue_size(0), transport.max_queue_size(1)), (256, 0));
    transport.queue_set(1, 64, 0x1000, 0x2000, 0x3000);
    assert_eq!(chip.last(0x1c), 0, "not switched on");
}

#[test]
fn a_reset_that_never_ends_is_not_waited_for() {
    let chip = Chip { stuck: true, status: RefCell::new(1), ..Chip::default() };
    let (_, mut transport) = open(space(), chip).unwrap();
    transport.set_status(DeviceStatus::empty());
    assert!(!transport.get_status().is_empty());
}
