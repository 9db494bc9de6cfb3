//! A PL011 for the tests: FIFOs of 32, the interrupts in use.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use kit::mmio::{Bank, Mmio};

const FIFO: usize = 32;
const RX: u64 = 0x10;
const TX: u64 = 0x20;
const RT: u64 = 0x40;

#[derive(Default)]
struct State {
    registers: [u64; 0x50 / 4],
    received: VecDeque<u64>,
    sending: VecDeque<u8>,
    raw: u64,
    busy: bool,
    changed_while_on: bool,
    /// The next byte that arrives, as soon as the one before was read and another register is touched.
    next: Option<u64>,
    was_read: bool,
    /// A byte was in the receiver when the FIFO was switched on, which forgets it, or gives it twice.
    lost: bool,
}

impl State {
    /// A register other than those by which one receives is touched.
    fn touch(&mut self, offset: usize) {
        if !matches!(offset, 0x00 | 0x18 | 0x2c) && self.was_read {
            self.received.extend(self.next.take());
        }
        self.was_read |= offset == 0x00;
    }
}

/// The other end of the line, and the chip.
#[derive(Clone, Default)]
pub struct Chip(Rc<RefCell<State>>);

impl Chip {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn mmio(&self) -> Mmio {
        Mmio::fake(Rc::new(self.clone()), 0x1000)
    }

    pub fn peek(&self, offset: usize) -> u64 {
        self.0.borrow().registers[offset / 4]
    }

    pub fn poke(&self, offset: usize, value: u64) {
        self.0.borrow_mut().registers[offset / 4] = value;
    }

    /// Whether the interrupt line is raised.
    pub fn asserted(&self) -> bool {
        let state = self.0.borrow();
        state.raw & state.registers[0x38 / 4] != 0
    }

    /// A byte with error bits arrives.
    pub fn receive(&self, word: u32) {
        let mut state = self.0.borrow_mut();
        state.received.push_back(word.into());
        state.raw |= RT;
        if state.received.len() >= FIFO / 2 {
            state.raw |= RX;
        }
    }

    /// The chip sends up to this many bytes of its FIFO.
    pub fn transmit(&self, count: usize) -> Vec<u8> {
        let mut state = self.0.borrow_mut();
        let count = count.min(state.sending.len());
        let sent = state.sending.drain(..count).collect();
        if state.sending.len() <= FIFO / 8 {
            state.raw |= TX;
        }
        sent
    }

    /// From now on it never stops sending.
    pub fn be_busy(&self) {
        self.0.borrow_mut().busy = true;
    }

    /// Another byte arrives soon after the first was read.
    pub fn receives_soon(&self, byte: u8) {
        self.0.borrow_mut().next = Some(byte.into());
    }

    pub fn has_lost(&self) -> bool {
        self.0.borrow().lost
    }

    pub fn changed_frame_while_on(&self) -> bool {
        self.0.borrow().changed_while_on
    }
}

impl Bank for Chip {
    fn load(&self, offset: usize, bytes: usize) -> u64 {
        assert_eq!(bytes, 4);
        let mut state = self.0.borrow_mut();
        state.touch(offset);
        match offset {
            0x00 => {
                let word = state.received.pop_front().expect("a byte read from an empty FIFO");
                if state.received.len() < FIFO / 2 {
                    state.raw &= !RX;
                }
                if state.received.is_empty() {
                    state.raw &= !RT;
                }
                word
            }
            0x18 => {
                u64::from(state.busy) << 3
                    | u64::from(state.received.is_empty()) << 4
                    | u64::from(state.sending.len() >= FIFO) << 5
            }
            _ => state.registers[offset / 4],
        }
    }

    fn store(&self, offset: usize, bytes: usize, value: u64) {
        assert_eq!(bytes, 4);
        let mut state = self.0.borrow_mut();
        state.touch(offset);
        match offset {
            0x00 => {
                assert!(state.sending.len() < FIFO, "a byte written to a full FIFO is lost");
                state.sending.push_back(value as u8);
                if state.sending.len() > FIFO / 8 {
                    state.raw &= !TX;
                }
            }
            0x44 => state.raw &= !value,
            _ => {
                let switched_on = offset == 0x2c && (value & !state.registers[offset / 4]) & 0x10 != 0;
                state.lost |= switched_on && !state.received.is_empty();
                state.changed_while_on |= offset == 0x2c && state.registers[0x30 / 4] & 1 != 0;
                state.registers[offset / 4] = value;
            }
        }
    }
}
