//! What is on the 54 pins of the BCM2835, BCM2836 and BCM2837: a function and a pull of each ("BCM2835 ARM Peripherals", 6.1).
//!
//! States are as in Linux's bindings, `pinctrl/brcm,bcm2835-gpio.txt`. The BCM2711 has other registers for pulls, and is another
//! device.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

mod state;

use core::fmt;

use kit::Node;
use kit::class::pins::Control;
use kit::mmio::*;
use kit::time::Block;

pub use state::{Function, Pin, Pull, Wrong};

/// How many pins there are.
pub const PINS: usize = 54;
/// Pins of a function select register, of three bits each.
const EACH: usize = 10;
/// How long a pull has to stay before and after it is clocked in: the manual has 150 cycles, of a clock that it does not name. This is
/// as many of one of 10 MHz.
const SETUP: u64 = 15_000;

kit::registers! {
    /// The registers in use.
    struct Registers {
        /// GPFSEL0 to 5.
        0x00 => function: [ReadWrite<u32>; 6],
        /// GPPUD: the pull that is to be.
        0x94 => pull: WriteOnly<u32>,
        /// GPPUDCLK0 and 1: pins that take it.
        0x98 => take: [WriteOnly<u32>; 2],
    }
}

/// Why a state is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// What the state says.
    Wrong(Wrong),
    /// Another state that was set wants this pin otherwise.
    Taken(u8),
}

/// The pins.
#[derive(Debug)]
pub struct Pins<C> {
    registers: Registers,
    clock: C,
    /// What the states that were set want.
    taken: [Option<Pin>; PINS],
}

impl<C: Block> Pins<C> {
    /// Takes over the pins, which stay as they are.
    ///
    /// # Errors
    /// The register block is too short.
    pub fn new(mmio: &Mmio, clock: C) -> Result<Self, kit::Error> {
        Ok(Self { registers: Registers::new(mmio)?, clock, taken: [None; PINS] })
    }

    fn function(&self, number: usize) -> u32 {
        self.registers.function[number / EACH].get() >> (3 * (number % EACH)) & 7
    }

    fn select(&self, number: usize, function: Function) {
        let (register, shift) = (&self.registers.function[number / EACH], 3 * (number % EACH));
        register.set(register.get() & !(7 << shift) | (function.0) << shift);
    }

    /// A pin is an input on its way from one function to another, as in Linux' driver: both could drive it for a moment.
    fn connect(&self, number: usize, function: Function) {
        let found = self.function(number);
        if found == function.0 {
            return;
        }
        if found != Function::INPUT.0 && function != Function::INPUT {
            self.select(number, Function::INPUT);
        }
        self.select(number, function);
    }

    /// Has these pins take a pull. (6.1, "GPIO Pull-up/down Clock Registers")
    fn pull(&mut self, pull: Pull, pins: [u32; 2]) {
        self.registers.pull.set(pull as u32);
        self.pause();
        for (register, pins) in self.registers.take.iter().zip(pins) {
            register.set(pins);
        }
        self.pause();
        self.registers.pull.set(Pull::None as u32);
        self.registers.take.iter().for_each(|register| register.set(0));
    }

    fn pause(&mut self) {
        self.clock.wait_until(self.clock.now().saturating_add(SETUP));
    }
}

impl<C: Block> Control for Pins<C> {
    type Error = Refused;

    fn set(&mut self, state: &Node) -> Result<(), Refused> {
        let pins = state::pins(state)?;
        for pin in &pins {
            let other = self.taken[pin.number()];
            if other.is_some_and(|other| !other.agrees(pin)) {
                return Err(Refused::Taken(pin.number));
            }
        }
        for wanted in [Pull::None, Pull::Down, Pull::Up] {
            let mut group = [0; 2];
            for pin in pins.iter().filter(|pin| pin.pull == Some(wanted)) {
                group[pin.number() / 32] |= 1 << (pin.number() % 32);
            }
            if group != [0; 2] {
                self.pull(wanted, group);
            }
        }
        for pin in &pins {
            if let Some(function) = pin.function {
                self.connect(pin.number(), function);
            }
            let before = self.taken[pin.number()].unwrap_or(*pin);
            let (function, pull) = (before.function.or(pin.function), before.pull.or(pin.pull));
            self.taken[pin.number()] = Some(Pin { number: pin.number, function, pull });
        }
        Ok(())
    }
}

impl From<Wrong> for Refused {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(wrong) => wrong.fmt(f),
            Self::Taken(pin) => write!(f, "brcm,pins: another state that is set wants pin {pin} otherwise"),
        }
    }
}

impl core::error::Error for Refused {}

#[cfg(test)]
mod tests;
