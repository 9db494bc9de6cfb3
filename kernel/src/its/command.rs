//! Commands of an ITS (ARM IHI 0069, 5.3): four words each.

use crate::mm::Phys;

/// Bytes of a command.
pub const BYTES: u64 = 32;

/// The word that says that what is named is there.
const VALID: u64 = 1 << 63;

/// What an ITS is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A device has a table for `1 << bits` events, or none any more. MAPD.
    Device {
        /// The device.
        device: u32,
        /// Its table.
        table: Option<(Phys, u32)>,
    },
    /// A collection of interrupts goes to a core. MAPC.
    Collection {
        /// The collection.
        collection: u16,
        /// The core, as the ITS names it.
        target: u64,
    },
    /// An event of a device is an interrupt of a collection. MAPTI.
    Event {
        /// The device.
        device: u32,
        /// The event.
        event: u32,
        /// The interrupt's number.
        intid: u32,
        /// The collection.
        collection: u16,
    },
    /// An event of a device is nothing any more, nor is its interrupt pending. DISCARD.
    Discard {
        /// The device.
        device: u32,
        /// The event.
        event: u32,
    },
    /// The interrupt of an event goes with another collection. MOVI.
    Move {
        /// The device.
        device: u32,
        /// The event.
        event: u32,
        /// The collection.
        collection: u16,
    },
    /// The configuration of an event's interrupt was changed. INV.
    Changed {
        /// The device.
        device: u32,
        /// The event.
        event: u32,
    },
    /// What the ITS was told before is done, as far as a core is concerned. SYNC.
    Sync {
        /// The core, as the ITS names it.
        target: u64,
    },
}

impl Command {
    /// As the ITS reads it.
    pub const fn words(self) -> [u64; 4] {
        const fn device(device: u32) -> u64 {
            (device as u64) << 32
        }
        match self {
            Self::Device { device: id, table: Some((table, bits)) } => {
                [0x08 | device(id), bits as u64 - 1, VALID | table.0, 0]
            }
            Self::Device { device: id, table: None } => [0x08 | device(id), 0, 0, 0],
            Self::Collection { collection, target } => [0x09, 0, VALID | target | collection as u64, 0],
            Self::Event { device: id, event, intid, collection } => {
                [0x0a | device(id), (intid as u64) << 32 | event as u64, collection as u64, 0]
            }
            Self::Discard { device: id, event } => [0x0f | device(id), event as u64, 0, 0],
            Self::Move { device: id, event, collection } => [0x01 | device(id), event as u64, collection as u64, 0],
            Self::Changed { device: id, event } => [0x0c | device(id), event as u64, 0, 0],
            Self::Sync { target } => [0x05, 0, target, 0],
        }
    }
}
