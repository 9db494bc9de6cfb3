//! The driver on a fake device.

use std::time::Duration;

use kit::fake::{self, Clock, read, write};

use super::*;

const PUD: usize = 0x94;
const CLOCK: [usize; 2] = [0x98, 0x9c];
/// Of the test alone: pins that were pulled, up and down.
const PULLED: [usize; 3] = [0x200, 0x208, 0x210];

/// The block: a pull is taken when its clock is written.
fn device() -> fake::Registers {
    let mut device = fake::Registers::new(0xb4 + 0x200).write_only(PUD);
    for register in 0..6 {
        device = device.read_write(4 * register, 0);
    }
    for pulled in PULLED {
        device = device.read_write(pulled, 0).read_write(pulled + 4, 0);
    }
    for (index, clock) in CLOCK.into_iter().enumerate() {
        device = device.write_only(clock).on_write(clock, move |device, pins| {
            for (pull, pulled) in PULLED.into_iter().enumerate() {
                let (place, here) = (pulled + 4 * index, device.get(PUD) == pull as u64);
                device.set(place, device.get(place) & !pins | if here { pins } else { 0 });
            }
        });
    }
    device
}

fn open(device: &fake::Registers) -> Pins<Clock> {
    Pins::new(&device.mmio(), Clock::new()).expect("registers")
}

fn function(device: &fake::Registers, pin: usize) -> u64 {
    device.get(4 * (pin / 10)) >> (3 * (pin % 10)) & 7
}

fn pulled(device: &fake::Registers, pin: usize) -> [bool; 3] {
    PULLED.map(|pulled| device.get(pulled + 4 * (pin / 32)) >> (pin % 32) & 1 == 1)
}

fn state(pins: &[u32], functions: &[u32], pulls: &[u32]) -> Node {
    let mut node = Node::fake("state").with_cells("brcm,pins", pins);
    for (name, values) in [("brcm,function", functions), ("brcm,pull", pulls)] {
        if !values.is_empty() {
            node = node.with_cells(name, values);
        }
    }
    node
}

#[test]
fn the_card_is_connected_and_nothing_else() {
    let device = device();
    (0..6).for_each(|register| device.set(4 * register, 0o1_111_111_111));
    open(&device).set(&state(&[48, 49, 50, 51, 52, 53], &[4], &[])).expect("a state");
    for pin in 0..54 {
        assert_eq!(function(&device, pin), if pin < 48 { 1 } else { 4 }, "{pin}");
    }
    assert!(PULLED.iter().all(|&pulled| device.get(pulled + 4) == 0), "their pulls stay");
}

#[test]
fn a_pin_is_an_input_between_two_functions_and_is_let_alone_if_it_has_its_own() {
    let device = device();
    device.set(0x10, 0o7_000);
    let mut pins = open(&device);
    pins.set(&state(&[43], &[4], &[])).expect("a state");
    let read_all = read(0x10, 0o7_000);
    let writes = [read_all, read_all, write(0x10, 0), read(0x10, 0), write(0x10, 0o4_000)];
    assert_eq!(device.log(), writes, "by the way of an input");
    pins.set(&state(&[43], &[4], &[])).expect("the same again");
    assert_eq!(device.log(), [read(0x10, 0o4_000)]);
}

#[test]
fn each_pin_is_pulled_as_it_is_wanted() {
    let device = device();
    let clock = Clock::new();
    let mut pins = Pins::new(&device.mmio(), clock.clone()).expect("registers");
    pins.set(&state(&[34, 35, 36, 3], &[7], &[0, 2, 2, 1])).expect("a state");
    let (none, down, up) = ([true, false, false], [false, true, false], [false, false, true]);
    assert_eq!([34, 35, 36, 3].map(|pin| pulled(&device, pin)), [none, up, up, down]);
    assert_eq!([33, 37, 4].map(|pin| pulled(&device, pin)), [[false; 3]; 3], "nobody asked for these");
    assert_eq!((device.get(PUD), device.get(CLOCK[0]), device.get(CLOCK[1])), (0, 0, 0));
    assert_eq!(clock.elapsed(), Duration::from_nanos(6 * SETUP));
    pins.set(&state(&[5, 6], &[], &[2])).expect("a pull alone");
    assert_eq!(([5, 6].map(|pin| pulled(&device, pin)), function(&device, 5)), ([up, up], 0));
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    let device = device();
    let mut pins = open(&device);
    let wrong = Refused::Wrong;
    for (state, why) in [
        (state(&[48, 54], &[4], &[]), wrong(Wrong::NoPin(54))),
        (state(&[48, 1 << 31], &[4], &[]), wrong(Wrong::NoPin(1 << 31))),
        (state(&[1, 2, 1], &[4], &[]), wrong(Wrong::Twice(1))),
        (state(&[1, 2, 3], &[4, 4], &[]), wrong(Wrong::Count("brcm,function", 2, 3))),
        (state(&[1, 2, 3], &[4], &[0, 0, 0, 0]), wrong(Wrong::Count("brcm,pull", 4, 3))),
        (state(&[1, 2], &[4, 8], &[]), wrong(Wrong::Value("brcm,function", 8))),
        (state(&[1], &[4], &[3]), wrong(Wrong::Value("brcm,pull", 3))),
        (state(&[1], &[], &[]), wrong(Wrong::Unsaid)),
        (state(&[], &[1], &[]), wrong(Wrong::Unsaid)),
    ] {
        assert_eq!(pins.set(&state), Err(why));
    }
    assert!(matches!(pins.set(&Node::fake("none")), Err(Refused::Wrong(Wrong::Property(_)))));
    let odd = Node::fake("odd").with_bytes("brcm,pins", &[0, 0, 1]).with_cells("brcm,function", &[1]);
    assert!(matches!(pins.set(&odd), Err(Refused::Wrong(Wrong::Property(_)))));
    assert_eq!(device.log(), []);
}

#[test]
fn a_pin_that_another_state_has_is_not_taken_from_it() {
    let device = device();
    let mut pins = open(&device);
    pins.set(&state(&[14, 15], &[2], &[0])).expect("the console");
    assert_eq!(pins.set(&state(&[13, 14], &[4], &[])), Err(Refused::Taken(14)));
    assert_eq!(pins.set(&state(&[13, 14], &[], &[1])), Err(Refused::Taken(14)));
    assert_eq!(function(&device, 13), 0, "all of a state or none");
    pins.set(&state(&[13, 14], &[2], &[])).expect("they agree");
    assert_eq!(pins.set(&state(&[14], &[], &[2])), Err(Refused::Taken(14)), "the pull is still known");
}

#[test]
fn a_block_that_is_too_short_is_refused() {
    assert!(Pins::new(&device().mmio().part(0, 0x9c).expect("a part"), Clock::new()).is_err());
}
