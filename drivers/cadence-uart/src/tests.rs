//! The driver on a fake chip.

use kit::class::serial::{Received, Uart};
use kit::fake;

use crate::CadenceUart;

const FIFO: usize = 0x30;
const DEPTH: usize = 64;

/// The chip, which was left with these settings, and its line.
fn chip(control: u64, mode: u64) -> (fake::Registers, fake::Line) {
    let status = |chip: &fake::Registers| {
        u64::from(chip.unread(FIFO) == 0) << 1
            | u64::from(chip.unsent(FIFO) == 0) << 3
            | u64::from(chip.unsent(FIFO) >= DEPTH) << 4
    };
    // What is so raises its bit, which stays until it is cleared.
    let raised = move |chip: &fake::Registers| {
        let all_sent = u64::from(chip.unsent(FIFO) == 0) << 3;
        let waits = u64::from(chip.unread(FIFO) > 0) << 8;
        chip.get(0x200) | all_sent | waits
    };
    let device = fake::Registers::new(0x1000)
        .read_write(0x00, control)
        .read_write(0x04, mode)
        .on_write(0x08, |chip, ones| chip.set(0x10, chip.get(0x10) | ones))
        .on_write(0x0c, |chip, ones| chip.set(0x10, chip.get(0x10) & !ones))
        .read_only(0x10, 0)
        .on_read(0x14, raised)
        .on_write(0x14, move |chip, ones| chip.set(0x200, raised(chip) & !ones))
        .read_write(0x1c, 0)
        .read_write(0x20, 32)
        .on_read(0x2c, status)
        .fifo(FIFO, DEPTH)
        .read_only(0x48, 0)
        // What of the interrupts stays.
        .read_only(0x200, 0);
    let line = device.line(move |chip| raised(chip) & chip.get(0x10) != 0);
    (device, line)
}

fn open(device: &fake::Registers) -> CadenceUart {
    CadenceUart::new(&device.mmio()).expect("registers")
}

#[test]
fn a_line_in_use_keeps_its_frame_and_one_that_was_off_gets_8n1() {
    let (device, _) = chip(0x114, 0x05);
    open(&device);
    assert_eq!((device.get(0x04), device.get(0x00) & 0x3c), (0x05, 0x14));
    let (device, _) = chip(0x128, 0);
    open(&device);
    assert_eq!((device.get(0x04), device.get(0x00) & 0x3c), (0x20, 0x14));
}

#[test]
fn bytes_come_in_and_the_interrupt_goes() {
    let (device, line) = chip(0x114, 0x20);
    let mut uart = open(&device);
    assert!(!line.is_raised());
    device.feed(FIFO, *b"ls");
    assert!(line.is_raised());
    uart.acknowledge();
    let got: Vec<_> = core::iter::from_fn(|| uart.receive()).collect();
    assert_eq!(got, [Received::Byte(b'l'), Received::Byte(b's')]);
    assert!(!line.is_raised());
    device.feed(FIFO, *b"x");
    assert!(line.is_raised(), "and comes again");
}

#[test]
fn bytes_go_out_while_there_is_room() {
    let (device, line) = chip(0x114, 0x20);
    let mut uart = open(&device);
    assert_eq!((0..100).take_while(|&byte| uart.send(byte)).count(), DEPTH);
    uart.acknowledge();
    uart.interrupt_for_room(true);
    assert!(!line.is_raised());
    device.send(FIFO, DEPTH);
    assert!(line.is_raised(), "all are gone");
    uart.interrupt_for_room(false);
    assert!(!line.is_raised());
}

#[test]
fn broken_bytes_are_told_apart() {
    let (device, _) = chip(0x114, 0x20);
    let mut uart = open(&device);
    for bit in 0..3 {
        device.feed(FIFO, *b"x");
        device.set(0x48, 1 << bit);
        assert_eq!(uart.receive(), Some(Received::Broken));
    }
    device.set(0x48, 0);
    device.feed(FIFO, *b"xy");
    device.set(0x200, 1 << 5);
    assert_eq!(uart.receive(), Some(Received::Overrun(b'x')));
    assert_eq!((uart.receive(), uart.receive()), (Some(Received::Byte(b'y')), None));
}

#[test]
fn a_block_that_is_too_short_is_refused() {
    assert!(CadenceUart::new(&fake::Registers::new(0x48).mmio()).is_err());
}
