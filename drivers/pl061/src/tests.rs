//! The driver on a fake device, as DDI 0190 describes it.

use kit::class::gpio::Bank;
use kit::fake;
use kit::pin::{Level, Trigger};

use crate::Pl061;

const DIR: usize = 0x400;
const IS: usize = 0x404;
const IBE: usize = 0x408;
const IEV: usize = 0x40c;
const IE: usize = 0x410;
const MIS: usize = 0x418;
const IC: usize = 0x41c;
const AFSEL: usize = 0x420;
/// Of the test alone: what the pins are at from outside, what is latched for outputs, which edges were seen.
const PINS: usize = 0x800;
const LATCH: usize = 0x804;
const EDGES: usize = 0x808;

/// What the pins are at: outputs are what is latched.
fn data(device: &fake::Registers) -> u64 {
    let outputs = device.get(DIR);
    device.get(PINS) & !outputs | device.get(LATCH) & outputs
}

/// GPIORIS.
fn raw(device: &fake::Registers) -> u64 {
    let active = !(data(device) ^ device.get(IEV));
    device.get(EDGES) & !device.get(IS) | active & device.get(IS) & 0xff
}

fn device() -> fake::Registers {
    let mut device = fake::Registers::new(0x1000);
    for address in (0..0x400usize).step_by(4) {
        let mask = address as u64 >> 2;
        device = device.on_read(address, move |device| data(device) & mask);
        device = device.on_write(address, move |device, value| {
            device.set(LATCH, device.get(LATCH) & !mask | value & mask);
        });
    }
    for register in [DIR, IS, IBE, IEV, IE, AFSEL, PINS, LATCH, EDGES] {
        device = device.read_write(register, 0);
    }
    device
        .on_read(MIS, |device| raw(device) & device.get(IE))
        .on_write(IC, |device, value| device.set(EDGES, device.get(EDGES) & !value))
}

/// The world sets the pins.
fn set(device: &fake::Registers, pins: u64) {
    let before = data(device);
    device.set(PINS, pins);
    let now = data(device);
    let counted = (before ^ now) & (device.get(IBE) | !(now ^ device.get(IEV)));
    device.set(EDGES, device.get(EDGES) | counted & !device.get(IS));
}

fn open(device: &fake::Registers) -> Pl061 {
    Pl061::new(&device.mmio()).expect("registers")
}

#[test]
fn outputs_are_kept_and_interrupts_are_off() {
    let device = device();
    device.set(DIR, 0x80);
    device.set(LATCH, 0x80);
    device.set(AFSEL, 0x0f);
    device.set(IE, 0xff);
    let bank = open(&device);
    assert_eq!((device.get(DIR), device.get(IE), device.get(AFSEL)), (0x80, 0, 0));
    assert_eq!((bank.driven(7), bank.driven(6)), (Some(Level::High), None));
}

#[test]
fn lines_are_read_and_driven_one_by_one() {
    let device = device();
    let mut bank = open(&device);
    set(&device, 0b1010_1010);
    for line in 0..8 {
        assert_eq!(bank.level(line), Level::from(line % 2 == 1));
    }
    bank.drive(0, Level::High);
    bank.drive(3, Level::Low);
    assert_eq!((device.get(DIR), data(&device)), (0b1001, 0b1010_0011));
    assert_eq!((bank.level(0), bank.driven(3), bank.driven(1)), (Level::High, Some(Level::Low), None));
    bank.input(0);
    assert_eq!((device.get(DIR), bank.level(0)), (0b1000, Level::Low));
}

#[test]
fn an_output_is_at_its_level_from_the_first_moment_on() {
    let device = device();
    let mut bank = open(&device);
    bank.drive(2, Level::High);
    let log = device.log();
    let position = |access| log.iter().position(|&it| it == access).expect("there");
    assert!(position(fake::write(0x010, 4)) < position(fake::write(DIR, 4)));
}

#[test]
fn each_trigger_is_told_from_the_others() {
    let happens = |trigger, levels: &[u64]| {
        let device = device();
        let mut bank = open(&device);
        set(&device, 0b100 * levels[0]);
        bank.watch(2, Some(trigger));
        levels.iter().position(|&level| {
            set(&device, 0b100 * level);
            bank.pending() == Some(2)
        })
    };
    assert_eq!([happens(Trigger::Low, &[0]), happens(Trigger::Low, &[1, 1, 0])], [Some(0), Some(2)]);
    assert_eq!([happens(Trigger::High, &[1]), happens(Trigger::High, &[0, 0, 1])], [Some(0), Some(2)]);
    assert_eq!([happens(Trigger::Rising, &[1, 0, 1]), happens(Trigger::Rising, &[1, 0, 0])], [Some(2), None]);
    assert_eq!([happens(Trigger::Falling, &[0, 1, 0]), happens(Trigger::Falling, &[0, 1, 1])], [Some(2), None]);
    assert_eq!([happens(Trigger::Both, &[0, 1]), happens(Trigger::Both, &[1, 0])], [Some(1), Some(1)]);
    assert_eq!([happens(Trigger::Both, &[0, 0]), happens(Trigger::Both, &[1, 1])], [None, None]);
}

#[test]
fn what_happened_before_is_forgotten_and_what_nobody_watches_is_not_told() {
    let device = device();
    let line = device.line(|device| raw(device) & device.get(IE) != 0);
    let mut bank = open(&device);
    bank.watch(1, Some(Trigger::Rising));
    bank.watch(5, Some(Trigger::Rising));
    set(&device, 0b0010_0010);
    assert!(line.is_raised());
    let served = line.serve(|| {
        let number = bank.pending().expect("one of them");
        bank.watch(number, None);
    });
    assert_eq!((served, bank.pending()), (2, None));
    set(&device, 0);
    set(&device, 0b10);
    bank.watch(1, Some(Trigger::Rising));
    assert_eq!(bank.pending(), None);
}

#[test]
fn a_status_that_cannot_be_is_no_line() {
    let device = device();
    let device = device.read_only(MIS, 0xffff_ff00);
    assert_eq!(open(&device).pending(), None);
}

#[test]
fn a_block_that_is_too_short_is_refused() {
    assert!(Pl061::new(&device().mmio().part(0, 0x420).expect("a part")).is_err());
}
