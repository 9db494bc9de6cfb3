//! Each kind on a fake that behaves as its source says, busy at times.

use core::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::vec::Vec;

use super::*;

/// A device that says when it takes a byte: what it reads as, and what follows from a write.
struct Fake {
    values: RefCell<BTreeMap<usize, u32>>,
    sent: RefCell<Vec<u8>>,
    writes: RefCell<Vec<(usize, u32)>>,
    reads: Cell<u32>,
    /// Where a byte is written.
    data: usize,
    /// The register that says so, its bits, and their value while it is busy.
    busy: (usize, u32, u32),
    /// Looks until it is not.
    delay: Cell<u32>,
    on_write: fn(&Fake, usize, u32),
}

impl Fake {
    fn new(data: usize, busy: (usize, u32, u32)) -> Self {
        Self {
            values: RefCell::default(),
            sent: RefCell::default(),
            writes: RefCell::default(),
            reads: Cell::new(0),
            data,
            busy,
            delay: Cell::new(3),
            on_write: |_, _, _| {},
        }
    }

    fn set(&self, offset: usize, bits: u32, on: bool) {
        let mut values = self.values.borrow_mut();
        let value = values.entry(offset).or_default();
        *value = if on { *value | bits } else { *value & !bits };
    }

    fn value(&self, offset: usize) -> u32 {
        self.values.borrow().get(&offset).copied().unwrap_or(0)
    }
}

impl Port for Fake {
    fn read(&self, offset: usize) -> u32 {
        self.reads.set(self.reads.get() + 1);
        let value = self.value(offset);
        let (register, bits, busy) = self.busy;
        if offset != register {
            return value;
        }
        let left = self.delay.get();
        self.delay.set(left.saturating_sub(1));
        if left > 0 { value & !bits | busy } else { value & !bits | (bits & !busy) }
    }

    fn write(&self, offset: usize, value: u32) {
        self.writes.borrow_mut().push((offset, value));
        if offset == self.data {
            assert_eq!(self.delay.get(), 0, "a byte came while it was busy");
            self.delay.set(3);
            self.sent.borrow_mut().push(value as u8);
        }
        (self.on_write)(self, offset, value);
    }

    fn read_byte(&self, offset: usize) -> u8 {
        self.read(offset) as u8
    }

    fn write_byte(&self, offset: usize, value: u8) {
        self.write(offset, value.into());
    }
}

fn send(name: &str, fake: &Fake, layout: Layout) {
    let uart = find(name).unwrap();
    uart.start(fake);
    b"Tutti".iter().for_each(|&byte| uart.send(fake, layout, byte));
    assert_eq!(*fake.sent.borrow(), b"Tutti", "{name}");
}

#[test]
fn those_with_a_flag() {
    send("arm,pl011", &Fake::new(0, (0x18, 1 << 5, 1 << 5)), Layout::PLAIN);
    send("fsl,imx8mq-uart", &Fake::new(0x40, (0xb4, 1 << 4, 1 << 4)), Layout::PLAIN);
    let cadence = Fake::new(0x30, (0x2c, 1 << 4, 1 << 4));
    send("cdns,uart-r1p12", &cadence, Layout::PLAIN);
    assert_eq!(cadence.writes.borrow()[..2], [(4, 0x20), (0, 0x14)], "the transmitter is switched on");
    let on = Fake::new(0x30, (0x2c, 1 << 4, 1 << 4));
    on.set(0, 0x14, true);
    send("cdns,uart-r1p12", &on, Layout::PLAIN);
    assert_eq!(on.writes.borrow()[0].0, 0x30, "what is on is left as it is");
    let aux = Fake::new(0, (0x14, 1 << 5, 0));
    send("brcm,bcm2835-aux-uart", &aux, Layout::PLAIN);
    assert_eq!(aux.writes.borrow()[0], (0x20, 3));
}

#[test]
fn registers_lie_as_the_tree_says() {
    send("ns16550a", &Fake::new(0, (5, 1 << 5, 0)), Layout::PLAIN);
    send("snps,dw-apb-uart", &Fake::new(0, (5 << 2, 1 << 5, 0)), Layout { shift: 2, words: true });
    send("snps,dw-apb-uart", &Fake::new(0, (5 << 2, 1 << 5, 0)), Layout { shift: 2, words: false });
}

#[test]
fn uartdm_is_told_how_many_come() {
    let mut fake = Fake::new(0x70, (0x08, 1 << 2 | 1 << 3, 0));
    fake.on_write = |fake, offset, value| match offset {
        0x40 => fake.set(0x1000, 1, value == 1),
        0x70 => {
            assert_eq!(fake.value(0x1000), 1, "nobody said that a byte comes");
            fake.set(0x1000, 1, false);
        }
        _ => {}
    };
    send("qcom,msm-uartdm-v1.4", &fake, Layout::PLAIN);
}

#[test]
fn geni_sends_a_command_for_each_byte() {
    let mut fake = Fake::new(0x700, (0x40, 1, 1));
    fake.on_write = |fake, offset, value| match offset {
        0x270 => drop(fake.values.borrow_mut().insert(0x270, value)),
        0x600 => {
            assert_eq!((value, fake.value(0x270)), (1 << 27, 1), "a transfer of one word");
            fake.set(0x610, 1 << 30, true);
        }
        0x618 => fake.set(0x610, value, false),
        0x700 => fake.set(0x610, 1, true),
        _ => {}
    };
    send("qcom,geni-debug-uart", &fake, Layout::PLAIN);
    assert_eq!(fake.value(0x610), 0, "nothing is left pending");
    assert!(fake.writes.borrow().contains(&(0x80c, 2)));
}

/// Reads as the same for ever.
struct Stuck(u32, Cell<u64>);

impl Port for Stuck {
    fn read(&self, _: usize) -> u32 {
        self.1.set(self.1.get() + 1);
        self.0
    }
    fn write(&self, _: usize, _: u32) {}
    fn read_byte(&self, offset: usize) -> u8 {
        self.read(offset) as u8
    }
    fn write_byte(&self, _: usize, _: u8) {}
}

#[test]
fn one_that_is_gone_or_stuck_hangs_nobody() {
    for uart in &UARTS {
        for value in [0, u32::MAX] {
            let port = Stuck(value, Cell::new(0));
            uart.start(&port);
            uart.send(&port, Layout::PLAIN, b'x');
            assert!(port.1.get() <= 4_000_001, "{}: {}", uart.name, port.1.get());
        }
    }
}

#[test]
fn names_are_nobody_elses() {
    let mut names = HashSet::new();
    assert!(UARTS.iter().flat_map(|uart| uart.compatible).all(|name| names.insert(name)));
    assert!(find("arm,pl01").is_none());
}
