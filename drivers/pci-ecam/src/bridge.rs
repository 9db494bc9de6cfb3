//! Bridges to other buses: which buses lie behind, what addresses they pass on, and what becomes of pins and requester IDs on the
//! way (PCI-to-PCI Bridge Architecture Specification 1.2, 3.2).

use alloc::vec::Vec;

use ipc::devices::{Function, Route};

use crate::capability::{Port, port};
use crate::config::{Address, Ecam, HEADER};
use crate::slot::Slot;

/// Registers of a type 1 header.
const BUSES: u16 = 0x18;
/// Base and limit of I/O ports, and a status in the upper half whose bits a one clears.
const IO: u16 = 0x1c;
const MEMORY_WINDOW: u16 = 0x20;
const PREFETCHABLE_WINDOW: u16 = 0x24;
const PREFETCHABLE_BASE_HIGH: u16 = 0x28;
const PREFETCHABLE_LIMIT_HIGH: u16 = 0x2c;
const IO_HIGH: u16 = 0x30;
/// Interrupt line and pin, and in the upper half bridge control.
const CONTROL: u16 = 0x3c;

/// A base above its limit: nothing is passed on.
const NO_IO: u32 = 0x00f0;
const NO_IO_HIGH: u32 = 0xffff;
const NO_MEMORY: u32 = 0xfff0;
/// Of bridge control: ISA and VGA addresses are passed on, and the secondary bus is held in reset.
const NOT_WANTED: u32 = 0b101_1100 << 16;

/// What a window's ends are multiples of.
pub const GRAIN: u64 = 1 << 20;

/// A bridge whose secondary bus has a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// Where it is itself.
    pub at: Address,
    /// The bus right behind it.
    pub secondary: u8,
    /// The last bus behind it.
    pub subordinate: u8,
    /// What of PCI Express it is; none if it is conventional.
    pub port: Option<Port>,
    /// Its prefetchable window has 64 bits.
    pub wide: bool,
    /// Devices behind it come and go.
    pub slot: Option<Slot>,
}

/// Whether a function is a bridge: a header of type 1.
pub fn is_bridge(ecam: &Ecam, at: Address) -> bool {
    ecam.read(at, HEADER) >> 16 & 0x7f == 1
}

impl Bridge {
    /// With the numbers that it has, whatever they are.
    pub fn of(ecam: &Ecam, at: Address) -> Self {
        let [_, secondary, subordinate, _] = ecam.read(at, BUSES).to_le_bytes();
        let wide = ecam.read(at, PREFETCHABLE_WINDOW) & 0xf == 1;
        let port = port(ecam, at);
        // A slot has one link.
        let slot = port.filter(|port| port.is_link()).and_then(|_| Slot::of(ecam, at));
        Self { at, secondary, subordinate, port, wide, slot }
    }

    /// Whether its numbers make sense on its bus, of which those up to `last` are behind what leads there.
    pub fn is_consistent(&self, ecam: &Ecam, last: u8) -> bool {
        let primary = ecam.read(self.at, BUSES) as u8;
        let ascend = self.at.bus() < self.secondary && self.secondary <= self.subordinate && self.subordinate <= last;
        primary == self.at.bus() && ascend
    }

    /// Whether a bus is behind it.
    pub fn leads_to(&self, bus: u8) -> bool {
        (self.secondary..=self.subordinate).contains(&bus)
    }

    /// Whether there is one device behind it, with number 0: a link of PCI Express has two ends.
    pub fn is_link(&self) -> bool {
        self.port.is_some_and(Port::is_link)
    }

    /// Sets its numbers; whether it took them.
    pub fn set_buses(&self, ecam: &Ecam) -> bool {
        let numbers = u32::from_le_bytes([self.at.bus(), self.secondary, self.subordinate, 0]);
        let timer = ecam.read(self.at, BUSES) & 0xff00_0000;
        ecam.write(self.at, BUSES, timer | numbers);
        ecam.read(self.at, BUSES) & 0x00ff_ffff == numbers
    }

    /// Leads nowhere until it has numbers.
    pub fn forget_buses(ecam: &Ecam, at: Address) {
        ecam.write(at, BUSES, ecam.read(at, BUSES) & 0xff00_0000);
    }

    /// The window that it passes on now, as first address and bytes; none if it is closed.
    pub fn window(&self, ecam: &Ecam, prefetchable: bool) -> Option<(u64, u64)> {
        let word = ecam.read(self.at, if prefetchable { PREFETCHABLE_WINDOW } else { MEMORY_WINDOW });
        let high = |register| if prefetchable && self.wide { u64::from(ecam.read(self.at, register)) << 32 } else { 0 };
        let base = high(PREFETCHABLE_BASE_HIGH) | u64::from(word & 0xfff0) << 16;
        let limit = high(PREFETCHABLE_LIMIT_HIGH) | u64::from(word & 0xfff0_0000) | (GRAIN - 1);
        (base < limit).then(|| (base, (limit - base).saturating_add(1)))
    }

    /// Passes on these addresses and no others, whole multiples of [`GRAIN`].
    pub fn set_window(&self, ecam: &Ecam, prefetchable: bool, window: Option<(u64, u64)>) {
        if window == self.window(ecam, prefetchable) {
            return;
        }
        let (base, limit) = window.map_or((u64::from(NO_MEMORY) << 16, 0), |(base, size)| (base, base + size - 1));
        let word = (base >> 16) as u32 & 0xfff0 | limit as u32 & 0xfff0_0000;
        if !prefetchable {
            return ecam.write(self.at, MEMORY_WINDOW, word);
        }
        // Closed while its halves are no pair.
        ecam.write(self.at, PREFETCHABLE_WINDOW, NO_MEMORY);
        if self.wide {
            ecam.write(self.at, PREFETCHABLE_LIMIT_HIGH, (limit >> 32) as u32);
            ecam.write(self.at, PREFETCHABLE_BASE_HIGH, (base >> 32) as u32);
        }
        ecam.write(self.at, PREFETCHABLE_WINDOW, word);
    }

    /// Passes on no I/O ports, which nobody has, and what is behind it is not held in reset.
    pub fn set_up(&self, ecam: &Ecam) {
        ecam.write(self.at, IO, NO_IO);
        ecam.write(self.at, IO_HIGH, NO_IO_HIGH);
        let control = ecam.read(self.at, CONTROL);
        if control & NOT_WANTED != 0 {
            ecam.write(self.at, CONTROL, control & !NOT_WANTED);
        }
    }
}

/// All bridges of a host bridge.
#[derive(Clone, Debug, Default)]
pub struct Bridges(pub Vec<Bridge>);

impl Bridges {
    /// The bridge here.
    pub fn at(&self, at: Address) -> Option<&Bridge> {
        self.0.iter().find(|bridge| bridge.at == at)
    }

    /// The bridges on the way from a function to the root bus, the nearest first.
    pub fn above(&self, at: Address) -> impl Iterator<Item = &Bridge> {
        let next = move |bus: u8| self.0.iter().find(|bridge| bridge.secondary == bus);
        // Numbers descend on the way, so that it ends.
        core::iter::successors(next(at.bus()), move |bridge| next(bridge.at.bus()))
    }

    /// How a function is reached; none on the root bus.
    pub fn route(&self, function: &Function) -> Option<Route> {
        let at = Address(function.address);
        let bridge = self.above(at).next()?.at.0;
        let mut route = Route { bridge, device: at.0, pin: function.pin, shared: false };
        for above in self.above(at) {
            // A bridge raises what comes from behind on its own pins, turned by the device's number (9.1).
            if (1..=4).contains(&route.pin) {
                route.pin = ((u16::from(route.pin) - 1 + Address(route.device).device()) % 4 + 1) as u8;
            }
            route.device = above.at.0;
            route.shared |= !above.port.is_some_and(Port::keeps_requester);
        }
        Some(route)
    }
}
