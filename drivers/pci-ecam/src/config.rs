//! Configuration space (PCI Express Base Specification 5.0, 7.2.2): a page for each function.

use core::fmt;

use kit::Node;
use kit::mmio::{Mmio, ReadWrite, Readable, WriteOnly, Writeable};

/// Registers of a type 0 and type 1 header (PCI Local Bus Specification 3.0, 6.1).
pub const ID: u16 = 0x00;
/// Command, and status in the upper half, whose bits a one clears.
pub const COMMAND: u16 = 0x04;
/// Header type in bits 16 to 22; bit 23: the device has several functions.
pub const HEADER: u16 = 0x0c;
/// Interrupt line and pin.
pub const INTERRUPT: u16 = 0x3c;
/// The first byte behind all registers.
pub const REGISTERS: u16 = 0x1000;

/// Bits of the command register: the function answers to addresses of I/O ports; to addresses of memory; it reads and writes memory; it raises no INTx.
pub const IO: u32 = 1 << 0;
/// As above.
pub const MEMORY: u32 = 1 << 1;
/// As above.
pub const MASTER: u32 = 1 << 2;
/// As above.
pub const INTX_DISABLE: u32 = 1 << 10;

/// A bit of the status: the function wants to raise INTx, whether that is disabled or not.
pub const RAISES_INTX: u32 = 1 << 19;

/// Sets these bits of the command register to `value`; those of [`IO`], [`MEMORY`], [`MASTER`] and [`INTX_DISABLE`] that are not
/// among them stay, and all others are off.
pub fn set_command(ecam: &Ecam, at: Address, bits: u32, value: u32) {
    let others = ecam.read(at, COMMAND) & (IO | MEMORY | MASTER | INTX_DISABLE) & !bits;
    ecam.write(at, COMMAND, others | value & bits);
}

/// Where a function is: its requester ID, of bus, device and function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(pub u16);

impl Address {
    /// From its parts: bus, device below 32, function below 8.
    pub const fn new(bus: u8, device: u8, function: u8) -> Self {
        Self((bus as u16) << 8 | (device as u16 & 31) << 3 | function as u16 & 7)
    }

    /// Its bus.
    pub const fn bus(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Its device.
    pub const fn device(self) -> u16 {
        self.0 >> 3 & 31
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:02x}.{}", self.0 >> 8, self.0 >> 3 & 31, self.0 & 7)
    }
}

/// The first and last bus behind a host bridge: of `bus-range`, or all.
pub fn bus_range(node: &Node) -> (u8, u8) {
    let cells = node.cells("bus-range").unwrap_or_default();
    let bus = |index: usize| cells.get(index).and_then(|&bus| u8::try_from(bus).ok());
    (bus(0).unwrap_or(0), bus(1).unwrap_or(u8::MAX))
}

/// The configuration space of all functions behind a bridge, from its first bus on.
#[derive(Debug)]
pub struct Ecam {
    mmio: Mmio,
    first: u8,
    last: u8,
}

/// Bytes of it for each bus.
const BUS: usize = 1 << 20;

impl Ecam {
    /// Behind these registers; first and last bus are those of the node's `bus-range`, as far as the registers reach.
    pub fn new(mmio: Mmio, (first, last): (u8, u8)) -> Self {
        let most = (mmio.bytes() / BUS).clamp(1, 256) - 1;
        let last = last.min(u8::try_from(usize::from(first) + most).unwrap_or(u8::MAX));
        Self { mmio, first, last }
    }

    /// The first bus.
    pub const fn first(&self) -> u8 {
        self.first
    }

    /// The last bus.
    pub const fn last(&self) -> u8 {
        self.last
    }

    /// 32 bits at `register`, a multiple of 4. All ones where there is nothing.
    pub fn read(&self, at: Address, register: u16) -> u32 {
        self.place(at, register).map_or(u32::MAX, |place| place.get())
    }

    /// Writes 32 bits.
    pub fn write(&self, at: Address, register: u16, value: u32) {
        if let Some(place) = self.place(at, register) {
            place.set(value);
        }
    }

    /// 16 bits at `register`, a multiple of 2.
    pub fn read_half(&self, at: Address, register: u16) -> u16 {
        (self.read(at, register) >> ((register & 2) * 8)) as u16
    }

    /// Writes 16 bits, and leaves the other half of the word alone.
    pub fn write_half(&self, at: Address, register: u16, value: u16) {
        let place =
            self.offset(at, register & 0xffe).and_then(|offset| self.mmio.register::<WriteOnly<u16>>(offset).ok());
        if let Some(place) = place {
            place.set(value);
        }
    }

    fn place(&self, at: Address, register: u16) -> Option<ReadWrite<u32>> {
        self.mmio.register(self.offset(at, register & 0xffc)?).ok()
    }

    fn offset(&self, at: Address, register: u16) -> Option<usize> {
        let function = usize::from(at.0).checked_sub(usize::from(self.first) << 8)?;
        Some((function << 12) + usize::from(register))
    }
}
