//! Slots of ports of PCI Express from which devices can be taken while the machine runs (Base Specification 5.0, 6.7 and 7.5.3.9 to
//! 7.5.3.11).

use crate::capability::express;
use crate::config::{Address, Ecam};

/// Registers of the capability of PCI Express.
const LINK: u16 = 0x10;
const CAPABILITIES: u16 = 0x14;
const CONTROL: u16 = 0x18;
const STATUS: u16 = 0x1a;

/// A bit of the capability's first register: there is a slot.
const IMPLEMENTED: u32 = 1 << 24;
/// A bit of the link's status: it is active.
const ACTIVE: u32 = 1 << 29;
/// Bits of what a slot can do: it has a power controller; devices come and go.
const HAS_POWER: u32 = 1 << 1;
const HOT_PLUG: u32 = 1 << 6;

/// Bits of slot control: interrupts for the button, for a device that came or went, and at all; how the power indicator shines, and
/// off; the power is off.
const BUTTON_ENABLE: u16 = 1 << 0;
const PRESENCE_ENABLE: u16 = 1 << 3;
const INTERRUPT_ENABLE: u16 = 1 << 5;
const INDICATOR: u16 = 0b11 << 8;
const INDICATOR_ON: u16 = 0b01 << 8;
const INDICATOR_OFF: u16 = 0b11 << 8;
const POWER_OFF: u16 = 1 << 10;

/// Bits of slot status that a one clears: the button was pressed; a power fault; the latch moved; a device came or went; a command is
/// completed; the link's state changed.
const BUTTON: u16 = 1 << 0;
const PRESENCE: u16 = 1 << 3;
const EVENTS: u16 = 0b1_0001_1111;
/// A bit of slot status: there is a device.
const PRESENT: u16 = 1 << 6;

/// How often the status is read at most: a port that sends messages sends the next when there was a moment without any event.
const LOOKS: u32 = 4;

/// A slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The port that it is of.
    port: Address,
    /// Where the port's capability of PCI Express is.
    at: u16,
    has_power: bool,
}

/// What is to be done about a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// What is behind it goes, or is gone.
    Leaves,
    /// A device came, or is to be used.
    Comes,
}

impl Slot {
    /// The slot of a port, if devices come and go there.
    pub fn of(ecam: &Ecam, port: Address) -> Option<Self> {
        let at = express(ecam, port)?;
        let can = ecam.read(port, at + CAPABILITIES);
        let is_slot = ecam.read(port, at) & IMPLEMENTED != 0 && can & HOT_PLUG != 0 && at < 0xe0;
        is_slot.then_some(Self { port, at, has_power: can & HAS_POWER != 0 })
    }

    /// Interrupts from now on when a device comes, goes or is to go.
    pub fn listen(&self, ecam: &Ecam) {
        self.control(ecam, 0, BUTTON_ENABLE | PRESENCE_ENABLE | INTERRUPT_ENABLE);
    }

    /// What happened since the last time. The port interrupts no more for that.
    pub fn events(&self, ecam: &Ecam) -> u16 {
        let mut all = 0;
        for _ in 0..LOOKS {
            let status = ecam.read_half(self.port, self.at + STATUS);
            // All ones: the port itself is gone.
            let events = if status == u16::MAX { 0 } else { status & EVENTS };
            if events == 0 {
                break;
            }
            ecam.write_half(self.port, self.at + STATUS, events);
            all |= events;
        }
        all & (BUTTON | PRESENCE)
    }

    /// What is to be done after these events. `has_functions`: something behind the slot is known.
    pub fn change(&self, ecam: &Ecam, events: u16, has_functions: bool) -> Change {
        let is_present = ecam.read_half(self.port, self.at + STATUS) & PRESENT != 0;
        let is_on = !self.has_power || ecam.read_half(self.port, self.at + CONTROL) & POWER_OFF == 0;
        let pressed = events & BUTTON != 0;
        match (is_present, is_on) {
            (false, true) if has_functions || self.has_power => Change::Leaves,
            (true, true) if has_functions && pressed => Change::Leaves,
            // Another one, as quickly as that.
            (true, true) if has_functions && events & PRESENCE != 0 => Change::Leaves,
            (true, true) if !has_functions && events & PRESENCE != 0 => Change::Comes,
            (true, false) if events != 0 => Change::Comes,
            _ => Change::None,
        }
    }

    /// Switches the device on or off, and says so with the indicator.
    pub fn power(&self, ecam: &Ecam, on: bool) {
        let (clear, set) =
            if on { (INDICATOR | POWER_OFF, INDICATOR_ON) } else { (INDICATOR, INDICATOR_OFF | POWER_OFF) };
        self.control(ecam, clear, set);
    }

    /// Whether the link to the device is up.
    pub fn is_active(&self, ecam: &Ecam) -> bool {
        ecam.read(self.port, self.at + LINK) & ACTIVE != 0
    }

    fn control(&self, ecam: &Ecam, clear: u16, set: u16) {
        // Half a word: in the other half a one clears what happened meanwhile.
        let control = ecam.read_half(self.port, self.at + CONTROL);
        ecam.write_half(self.port, self.at + CONTROL, control & !clear | set);
    }
}
