//! The driver on a fake chip.

use std::collections::VecDeque;

use kit::class::serial::{Received, Uart};

use crate::Pl011;
use crate::fake::Chip;

fn open(chip: &Chip) -> Pl011 {
    Pl011::new(&chip.mmio()).expect("registers")
}

#[test]
fn a_line_in_use_keeps_its_frame_and_divisor() {
    let chip = Chip::new();
    chip.poke(0x24, 39);
    chip.poke(0x28, 5);
    chip.poke(0x2c, 0x60 | 0x08);
    chip.poke(0x30, 0x301);
    open(&chip);
    assert_eq!((chip.peek(0x24), chip.peek(0x28)), (39, 5));
    assert_eq!(chip.peek(0x2c), 0x60 | 0x08 | 0x10);
    assert_eq!(chip.peek(0x30), 0xf01);
    assert_eq!(chip.peek(0x38), 0x50);
    assert!(!chip.changed_frame_while_on());
}

#[test]
fn a_line_that_was_off_gets_8n1() {
    let chip = Chip::new();
    open(&chip);
    assert_eq!(chip.peek(0x2c), 0x70);
}

#[test]
fn what_was_typed_before_is_kept() {
    let chip = Chip::new();
    chip.poke(0x2c, 0x70);
    chip.poke(0x30, 0x301);
    b"ls".iter().for_each(|&byte| chip.receive(byte.into()));
    let mut uart = open(&chip);
    let got = core::iter::from_fn(|| uart.receive()).collect::<Vec<_>>();
    assert_eq!(got, [Received::Byte(b'l'), Received::Byte(b's')]);
    // The FIFO is off, and switching it on empties it.
    let chip = Chip::new();
    chip.receive(b'l'.into());
    let mut uart = open(&chip);
    assert_eq!((uart.receive(), uart.receive()), (Some(Received::Byte(b'l')), None));
    // And whoever typed it goes on.
    let chip = Chip::new();
    chip.poke(0x30, 0x301);
    chip.receive(b'l'.into());
    chip.receives_soon(b's');
    let mut uart = open(&chip);
    assert!(!chip.has_lost());
    assert_eq!((uart.receive(), uart.receive()), (Some(Received::Byte(b'l')), Some(Received::Byte(b's'))));
}

#[test]
fn bytes_go_out_while_there_is_room() {
    let chip = Chip::new();
    let mut uart = open(&chip);
    let text: VecDeque<u8> = (0..100).collect();
    let sent = text.iter().take_while(|&&byte| uart.send(byte)).count();
    assert_eq!(sent, 32);
    uart.interrupt_for_room(true);
    assert!(!chip.asserted());
    assert_eq!(chip.transmit(30), (0..30).collect::<Vec<u8>>());
    assert!(chip.asserted(), "the FIFO fell to an eighth");
    uart.interrupt_for_room(false);
    assert!(!chip.asserted());
}

#[test]
fn bytes_come_in_and_the_interrupt_goes() {
    let chip = Chip::new();
    let mut uart = open(&chip);
    chip.receive(65);
    assert!(chip.asserted());
    uart.acknowledge();
    assert_eq!((uart.receive(), uart.receive()), (Some(Received::Byte(65)), None));
    assert!(!chip.asserted());
}

#[test]
fn broken_bytes_are_told_apart() {
    let chip = Chip::new();
    let mut uart = open(&chip);
    [0x101, 0x200, 0x400, 0x800 | 65].into_iter().for_each(|word| chip.receive(word));
    let got = core::iter::from_fn(|| uart.receive()).collect::<Vec<_>>();
    assert_eq!(got, [Received::Broken, Received::Broken, Received::Broken, Received::Overrun(65)]);
}

#[test]
fn a_device_that_is_always_busy_is_taken_over_all_the_same() {
    let chip = Chip::new();
    chip.be_busy();
    open(&chip);
}

#[test]
fn a_block_that_is_too_short_is_refused() {
    assert!(Pl011::new(&Chip::new().mmio().part(0, 0x48).expect("a part")).is_err());
}
