//! The driver on a fake device.

use kit::class::clock::Rtc;
use kit::fake;

use crate::Pl031;

const DR: usize = 0x00;
const MR: usize = 0x04;
const LR: usize = 0x08;
const CR: usize = 0x0c;
const IMSC: usize = 0x10;
const RIS: usize = 0x14;
const ICR: usize = 0x1c;

/// A clock of which the driver uses what DDI 0224, table 3-1, has; the test is its 1 Hz.
fn device() -> fake::Registers {
    fake::Registers::new(0x1000)
        .read_only(DR, 1000)
        .read_write(MR, 0)
        .read_write(LR, 0)
        .read_write(CR, 0)
        .read_write(IMSC, 0)
        .read_only(RIS, 0)
        .on_write(ICR, |device, value| device.set(RIS, device.get(RIS) & !value))
}

fn open(device: &fake::Registers) -> (Pl031, fake::Line) {
    let line = device.line(|device| device.get(RIS) & device.get(IMSC) & 1 != 0);
    (Pl031::new(&device.mmio()).expect("registers"), line)
}

/// The next second.
fn tick(device: &fake::Registers) {
    device.set(DR, device.get(DR) + 1);
    if device.get(DR) == device.get(MR) {
        device.set(RIS, 1);
    }
}

#[test]
fn a_clock_that_stands_is_started_and_its_alarm_is_off() {
    let device = device();
    device.set(RIS, 1);
    device.set(IMSC, 1);
    let (clock, line) = open(&device);
    assert_eq!((device.get(CR), device.get(RIS), device.get(IMSC)), (1, 0, 0));
    assert!(!line.is_raised());
    assert_eq!(clock.now(), 1000);
    assert_eq!(device.get(LR), 0, "its time is left alone");
}

#[test]
fn the_alarm_interrupts_until_it_is_acknowledged() {
    let device = device();
    let (mut clock, line) = open(&device);
    clock.set_alarm(Some(1002));
    tick(&device);
    assert!(!line.is_raised());
    tick(&device);
    assert_eq!(line.serve(|| clock.acknowledge()), 1);
    clock.set_alarm(Some(1003));
    clock.set_alarm(None);
    tick(&device);
    assert!(!line.is_raised());
}

#[test]
fn the_time_is_set() {
    let device = device();
    let (mut clock, _) = open(&device);
    clock.set(Pl031::LAST);
    assert_eq!(device.get(LR), 0xffff_ffff);
}

#[test]
fn a_block_that_is_too_short_is_refused() {
    assert!(Pl031::new(&device().mmio().part(0, 0x18).expect("a part")).is_err());
}
