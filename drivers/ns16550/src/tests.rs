//! The driver on a fake chip: the 16550A of the data sheet, and the DesignWare UART with its own rules.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use kit::class::serial::{Received, Uart};
use kit::{Node, fake};

use crate::{Layout, Model, Ns16550};

const DR: u8 = 0x01;
const OE: u8 = 0x02;
const PE: u8 = 0x04;
const FE: u8 = 0x08;
const BI: u8 = 0x10;
const THRE: u8 = 0x20;

struct State {
    layout: Layout,
    has_fifo: bool,
    fifo: bool,
    /// Bytes with the errors that they arrived with.
    received: VecDeque<(u8, u8)>,
    overrun: bool,
    sending: VecDeque<u8>,
    enabled: u8,
    line_control: u8,
    modem_control: u8,
    /// "All are gone" was not told yet.
    gone: bool,
    /// A DesignWare UART that takes no setting.
    busy: bool,
    /// Clearing its FIFOs does not help.
    stays_busy: bool,
    busy_detected: bool,
    /// It interrupts for bytes that are not there.
    phantom: bool,
}

#[derive(Clone)]
struct Chip(Rc<RefCell<State>>);

impl Chip {
    fn new(layout: Layout) -> Self {
        Self(Rc::new(RefCell::new(State {
            layout,
            has_fifo: true,
            fifo: false,
            received: VecDeque::new(),
            overrun: false,
            sending: VecDeque::new(),
            enabled: 0,
            line_control: 0,
            modem_control: 0,
            gone: true,
            busy: false,
            stays_busy: false,
            busy_detected: false,
            phantom: false,
        })))
    }

    fn with(layout: Layout, change: impl FnOnce(&mut State)) -> Self {
        let chip = Self::new(layout);
        change(&mut chip.0.borrow_mut());
        chip
    }

    fn registers(&self) -> fake::Registers {
        let layout = self.0.borrow().layout;
        let mut device = fake::Registers::new(0x100).width(layout.width as usize);
        for number in (0..7).chain([31]) {
            let (reader, writer) = (self.clone(), self.clone());
            let offset = number << layout.shift;
            device = device
                .on_read(offset, move |_| reader.0.borrow_mut().load(number).into())
                .on_write(offset, move |_, value| writer.0.borrow_mut().store(number, value as u8));
        }
        device
    }

    fn open(&self) -> Ns16550 {
        let layout = self.0.borrow().layout;
        Ns16550::new(&self.registers().mmio(), layout).expect("registers")
    }

    fn receive(&self, byte: u8, errors: u8) {
        self.0.borrow_mut().received.push_back((byte, errors));
    }

    /// What it has to send goes out.
    fn transmit(&self) -> Vec<u8> {
        let mut state = self.0.borrow_mut();
        state.gone = true;
        state.sending.drain(..).collect()
    }

    fn asserted(&self) -> bool {
        self.0.borrow().identification() != 1
    }
}

impl State {
    fn identification(&self) -> u8 {
        match self {
            _ if self.enabled & 1 != 0 && self.phantom => 0b1100,
            _ if self.enabled & 1 != 0 && !self.received.is_empty() => 0b0100,
            _ if self.enabled & 2 != 0 && self.gone => 0b0010,
            _ if self.busy_detected => 0b0111,
            _ => 1,
        }
    }

    fn load(&mut self, number: usize) -> u8 {
        assert!(self.line_control & 0x80 == 0 || number > 1, "the divisor is there");
        match number {
            0 => {
                self.phantom = false;
                self.received.pop_front().map_or(0, |(byte, _)| byte)
            }
            1 => self.enabled,
            2 => {
                let what = self.identification();
                self.gone &= what != 0b0010;
                what | (u8::from(self.fifo) * 0xc0)
            }
            3 => self.line_control,
            4 => self.modem_control,
            5 => {
                let overrun = u8::from(core::mem::take(&mut self.overrun)) * OE;
                let first = self.received.front_mut().map_or(0, |(_, errors)| DR | core::mem::take(errors));
                let room = if self.layout.model == Model::Mini { 8 } else { 1 };
                overrun | first | (u8::from(self.sending.len() < room) * THRE)
            }
            31 => {
                assert!(self.layout.model == Model::DesignWare, "no such register");
                self.busy_detected = false;
                self.busy.into()
            }
            _ => panic!("a read of register {number}"),
        }
    }

    fn store(&mut self, number: usize, value: u8) {
        assert!(self.line_control & 0x80 == 0 || number > 1, "the divisor is there");
        match number {
            0 => {
                let room = if self.layout.model == Model::Mini {
                    8
                } else if self.fifo {
                    16
                } else {
                    1
                };
                assert!(self.sending.len() < room, "a byte written to a full FIFO is lost");
                self.sending.push_back(value);
                self.gone = false;
            }
            1 => {
                let is_mini = self.layout.model == Model::Mini;
                assert!(value == 0 || (value & 0xc == 0xc) == is_mini, "no interrupt comes, or too many: {value:#x}");
                self.enabled = value & 3;
            }
            2 => {
                let was = core::mem::replace(&mut self.fifo, value & 1 != 0 && self.has_fifo);
                if was != self.fifo || value & 2 != 0 {
                    self.received.clear();
                }
                if was != self.fifo || value & 4 != 0 {
                    self.sending.clear();
                }
                self.busy &= self.stays_busy || value & 6 != 6;
            }
            3 if self.layout.model == Model::DesignWare && self.busy => self.busy_detected = true,
            3 => self.line_control = value,
            4 => self.modem_control = value,
            _ => panic!("a write to register {number}"),
        }
    }
}

const LAYOUTS: [Layout; 3] = [Layout::PC, Layout::DESIGNWARE, Layout::MINI];

#[test]
fn a_line_in_use_keeps_its_frame_and_one_that_was_never_set_gets_8n1() {
    for layout in LAYOUTS {
        for (found, kept) in [(0x00, 0x03), (0x1a, 0x1a), (0x83, 0x03), (0x80, 0x03), (0x5b, 0x1b)] {
            let chip = Chip::with(layout, |state| state.line_control = found);
            chip.open();
            let state = chip.0.borrow();
            assert_eq!((state.line_control, state.modem_control, state.enabled), (kept, 0x0b, 1), "{found:#x}");
            assert!(state.fifo);
        }
    }
}

#[test]
fn what_was_typed_before_is_kept() {
    for (has_fifo, fifo) in [(true, true), (true, false), (false, false)] {
        let chip =
            Chip::with(Layout::PC, |state| (state.has_fifo, state.fifo, state.line_control) = (has_fifo, fifo, 3));
        chip.receive(b'l', 0);
        let mut uart = chip.open();
        assert_eq!((uart.receive(), uart.receive()), (Some(Received::Byte(b'l')), None));
    }
}

#[test]
fn bytes_go_out_while_there_is_room() {
    for (layout, has_fifo, depth) in [(Layout::PC, true, 16), (Layout::DESIGNWARE, true, 16), (Layout::PC, false, 1)] {
        let chip = Chip::with(layout, |state| state.has_fifo = has_fifo);
        let mut uart = chip.open();
        let text: Vec<u8> = (0..100).collect();
        let mut out = Vec::new();
        uart.interrupt_for_room(true);
        while out.len() < text.len() {
            let sent = text[out.len()..].iter().take_while(|&&byte| uart.send(byte)).count();
            assert_eq!(sent, depth.min(text.len() - out.len()));
            assert!(!chip.asserted(), "nothing is gone yet");
            out.extend(chip.transmit());
            assert!(chip.asserted(), "all are gone");
            uart.acknowledge();
        }
        assert_eq!(out, text);
        uart.interrupt_for_room(false);
        chip.transmit();
        assert!(!chip.asserted());
    }
}

#[test]
fn a_mini_uart_takes_eight_bytes_and_says_when_it_takes_another() {
    let chip = Chip::new(Layout::MINI);
    let mut uart = chip.open();
    let text: Vec<u8> = (0..20).collect();
    let sent = text.iter().take_while(|&&byte| uart.send(byte)).count();
    assert_eq!((sent, chip.transmit()), (8, text[..8].to_vec()));
    let node = Node::fake("").with_text("compatible", "brcm,bcm2835-aux-uart");
    assert_eq!(Layout::of(&node), Ok(Layout::MINI));
}

#[test]
fn bytes_come_in_and_the_interrupt_goes() {
    for layout in LAYOUTS {
        let chip = Chip::new(layout);
        let mut uart = chip.open();
        b"ls".iter().for_each(|&byte| chip.receive(byte, 0));
        assert!(chip.asserted());
        uart.acknowledge();
        let got = core::iter::from_fn(|| uart.receive()).collect::<Vec<_>>();
        assert_eq!(got, [Received::Byte(b'l'), Received::Byte(b's')]);
        assert!(!chip.asserted());
    }
}

#[test]
fn broken_bytes_are_told_apart() {
    let chip = Chip::new(Layout::PC);
    let mut uart = chip.open();
    [PE, FE, BI | FE].into_iter().for_each(|errors| chip.receive(0, errors));
    chip.receive(65, 0);
    chip.receive(66, 0);
    let mut next = || uart.receive();
    assert_eq!(
        [next(), next(), next(), next()],
        [Some(Received::Broken), Some(Received::Broken), Some(Received::Broken), Some(Received::Byte(65)),]
    );
    chip.0.borrow_mut().overrun = true;
    assert_eq!((next(), next()), (Some(Received::Overrun(66)), None));
}

#[test]
fn an_error_that_was_seen_while_sending_is_not_forgotten() {
    let chip = Chip::new(Layout::PC);
    let mut uart = chip.open();
    chip.receive(0, FE);
    assert!(uart.send(b'x'));
    assert_eq!((uart.receive(), uart.receive()), (Some(Received::Broken), None));
}

#[test]
fn a_designware_that_is_busy_is_made_idle_first() {
    let chip = Chip::with(Layout::DESIGNWARE, |state| (state.line_control, state.busy) = (0x83, true));
    let mut uart = chip.open();
    assert_eq!(chip.0.borrow().line_control, 3);
    assert!(chip.asserted(), "a setting came while it was busy");
    uart.acknowledge();
    assert!(!chip.asserted());
}

#[test]
fn a_designware_that_is_always_busy_does_not_hold_us() {
    let chip =
        Chip::with(Layout::DESIGNWARE, |state| (state.line_control, state.busy, state.stays_busy) = (0, true, true));
    let mut uart = chip.open();
    uart.acknowledge();
    assert!(!chip.asserted());
}

#[test]
fn an_interrupt_for_bytes_that_are_not_there_is_taken_back() {
    let chip = Chip::new(Layout::DESIGNWARE);
    let mut uart = chip.open();
    chip.0.borrow_mut().phantom = true;
    assert!(chip.asserted());
    uart.acknowledge();
    assert_eq!((uart.receive(), chip.asserted()), (None, false));
    // One that waits too long and is there is not taken away.
    chip.receive(65, 0);
    chip.0.borrow_mut().phantom = true;
    uart.acknowledge();
    assert_eq!(uart.receive(), Some(Received::Byte(65)));
}

#[test]
fn a_block_that_is_too_short_is_refused() {
    let new = |layout: Layout, bytes| {
        Ns16550::new(&Chip::new(layout).registers().mmio().part(0, bytes).expect("a part"), layout)
    };
    assert!(new(Layout::PC, 8).is_ok() && new(Layout::PC, 5).is_err());
    assert!(new(Layout::DESIGNWARE, 0x80).is_ok() && new(Layout::DESIGNWARE, 0x7c).is_err());
}

#[test]
fn the_node_says_how_the_registers_lie() {
    let pc = Node::fake("").with_text("compatible", "ns16550a");
    assert_eq!(Layout::of(&pc), Ok(Layout::PC));
    let words = pc.with_cells("reg-shift", &[2]).with_cells("reg-io-width", &[4]);
    assert_eq!(Layout::of(&words), Ok(Layout { shift: 2, width: 4, ..Layout::PC }));
    let designware = Node::fake("").with_bytes("compatible", b"rockchip,rk3399-uart\0snps,dw-apb-uart\0");
    assert_eq!(Layout::of(&designware), Ok(Layout::DESIGNWARE));
    let bytes = designware.with_cells("reg-shift", &[0]);
    assert_eq!(Layout::of(&bytes), Ok(Layout { shift: 0, ..Layout::DESIGNWARE }));
    assert!(Layout::of(&Node::fake("").with_flag("reg-shift")).is_err());
    let wild = Layout::of(&Node::fake("").with_cells("reg-shift", &[u32::MAX])).expect("a number");
    assert!(Ns16550::new(&Chip::new(Layout::PC).registers().mmio(), wild).is_err());
}
