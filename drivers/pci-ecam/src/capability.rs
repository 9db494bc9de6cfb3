//! What a function can do beyond its header (PCI Local Bus Specification 3.0, 6.7), and what of it is its driver's to change.

use alloc::vec::Vec;

use kit::pci::{BadList, Capability};

use crate::config::{Address, Ecam};

/// The first byte behind what the list may use.
const END: u16 = 0x100;

/// Message-signalled interrupts (6.8.1).
const MSI: u8 = 0x05;
/// PCI Express (Base Specification 5.0, 7.5.3).
const EXPRESS: u8 = 0x10;
/// MSI-X (6.8.2).
const MSI_X: u8 = 0x11;

/// Bits of the first register of [`MSI`]: enable and how many messages; it has 64 bits of address; messages can be masked.
const MSI_CONTROL: u32 = 0x71 << 16;
const MSI_ENABLE: u32 = 1 << 16;
const MSI_WIDE: u32 = 1 << 23;
const MSI_MASKS: u32 = 1 << 24;
/// Bits of the first register of [`MSI_X`].
const MSI_X_ENABLE: u32 = 1 << 31;
const MSI_X_MASK: u32 = 1 << 30;
/// Device control and status.
const DEVICE_CONTROL: u16 = 8;
/// Bits of it: reporting of errors, relaxed ordering, extended tags, size of read requests; which errors there were, which a one
/// clears. Not: the size of what is written, on which a whole bus agrees, and a reset.
const EXPRESS_CONTROL: u32 = 0x000f_711f;
/// Enable no snoop, which a reset sets.
const NO_SNOOP: u32 = 1 << 11;
/// Device status: a one clears.
const EXPRESS_STATUS: u32 = 0xffff_0000;

/// What of PCI Express a bridge is (7.5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// A root port.
    Root,
    /// The port of a switch to the root.
    Upstream,
    /// The port of a switch to a device.
    Downstream,
    /// Anything else, such as a bridge to conventional PCI.
    Other,
}

impl Port {
    /// Whether what comes from behind it has the requester ID of the function that sent it.
    pub fn keeps_requester(self) -> bool {
        self != Self::Other
    }
}

/// What of PCI Express a function is; none if it is conventional.
pub fn port(ecam: &Ecam, at: Address) -> Option<Port> {
    let list = capabilities(ecam, at).ok()?;
    let express = list.iter().find(|it| it.id == EXPRESS)?;
    Some(match ecam.read(at, express.at) >> 20 & 0xf {
        4 => Port::Root,
        5 => Port::Upstream,
        6 => Port::Downstream,
        _ => Port::Other,
    })
}

/// The list of a function.
///
/// # Errors
/// [`BadList`].
pub fn capabilities(ecam: &Ecam, at: Address) -> Result<Vec<Capability>, BadList> {
    kit::pci::capabilities(|register| Ok(ecam.read(at, register)))
}

/// How many messages a function can send: of MSI-X, else of MSI; 255 if it is more. None if its list is none.
pub fn messages(ecam: &Ecam, at: Address) -> u8 {
    let list = capabilities(ecam, at).unwrap_or_default();
    let first = |id| list.iter().find(|it| it.id == id).map(|it| ecam.read(at, it.at) >> 16);
    let count = first(MSI_X).map(|control| (control & 0x7ff) + 1);
    let count = count.or_else(|| first(MSI).map(|control| 1 << (control >> 1 & 7).min(5)));
    count.map_or(0, |count| u8::try_from(count).unwrap_or(u8::MAX))
}

/// What becomes of a register when a driver writes to it: the bits of `value` that are its own, the others as they are. `None`:
/// none is.
pub fn merged(ecam: &Ecam, at: Address, register: u16, value: u32) -> Option<u32> {
    let list = capabilities(ecam, at).ok().filter(|_| register < END)?;
    list.iter().find_map(|it| {
        let (own, clears) = bits(it.id, register.checked_sub(it.at)?, ecam.read(at, it.at))?;
        Some(ecam.read(at, register) & !own & !clears | value & own)
    })
}

/// Which bits of the register `offset` bytes into a capability are the driver's, and which a one clears. `first`: what its first
/// register says.
const fn bits(id: u8, offset: u16, first: u32) -> Option<(u32, u32)> {
    let (wide, masks) = (first & MSI_WIDE != 0, first & MSI_MASKS != 0);
    match (id, offset, wide) {
        (MSI, 0, _) => Some((MSI_CONTROL, 0)),
        (MSI, 4, _) => Some((!0b11, 0)),
        (MSI, 8, true) => Some((u32::MAX, 0)),
        (MSI, 8, false) | (MSI, 12, true) => Some((0xffff, 0)),
        (MSI, 12, false) | (MSI, 16, true) if masks => Some((u32::MAX, 0)),
        (MSI_X, 0, _) => Some((MSI_X_ENABLE | MSI_X_MASK, 0)),
        (EXPRESS, DEVICE_CONTROL, _) => Some((EXPRESS_CONTROL, EXPRESS_STATUS)),
        _ => None,
    }
}

/// Its accesses see the caches where the host bridge lets them: memory that its driver was given is zero there, and may still be
/// another's behind them.
pub fn snoop(ecam: &Ecam, at: Address) {
    let list = capabilities(ecam, at).unwrap_or_default();
    for register in list.iter().filter(|it| it.id == EXPRESS).map(|it| it.at + DEVICE_CONTROL) {
        let word = ecam.read(at, register);
        if word & NO_SNOOP != 0 {
            ecam.write(at, register, word & !NO_SNOOP & !EXPRESS_STATUS);
        }
    }
}

/// Messages are off.
pub fn stop_messages(ecam: &Ecam, at: Address) {
    for it in capabilities(ecam, at).unwrap_or_default() {
        let enable = match it.id {
            MSI => MSI_ENABLE,
            MSI_X => MSI_X_ENABLE,
            _ => continue,
        };
        let word = ecam.read(at, it.at);
        if word & enable != 0 {
            ecam.write(at, it.at, word & !enable);
        }
    }
}
