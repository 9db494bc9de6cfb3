//! The device tree reader that the kernel and init share.
//!
//! A tree comes from a boot loader, so nothing in it is believed: [`Tree::parse`] walks the whole token stream once and
//! refuses what is malformed; everything afterwards reads with checked indices and answers with a [`TreeError`] that
//! names node and property. No memory is allocated and the padding behind the blocks is never touched.
//!
//! - The kernel calls [`Tree::total_size`], [`Tree::parse`], [`Tree::console`] and [`Tree::machine`].
//! - What starts drivers walks [`Tree::devices`]: every enabled node with a `compatible`, its registers as CPU physical
//!   addresses, its interrupts as numbers of the GIC, the memory it reaches and has for its own, and, with [`Phandles`],
//!   what it needs of other devices.
//!
//! The header, the memory reservations and the property values are those of the crate `fdt`; its node accessors unwrap
//! and stop at NOP tokens, so the walk is ours (decision record 0003).

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod address;
mod console;
mod device;
mod dma;
mod error;
mod excerpt;
mod framebuffer;
mod header;
mod id_map;
mod interrupt;
mod interrupt_map;
mod machine;
mod message_map;
mod node;
mod pci;
mod phandle;
mod ramoops;
mod reference;
mod region;
mod salvage;
mod strings;
mod token;
mod tree;
mod validate;
mod walk;

#[cfg(test)]
mod tests;

pub use address::{Range, Registers};
pub use console::Console;
pub use device::{Device, Devices};
pub use dma::{Window, Windows};
pub use error::{Fault, Label, TreeError};
pub use framebuffer::Framebuffer;
pub use header::{HEADER_BYTES, MAX_TREE_BYTES};
pub use id_map::IdMap;
pub use interrupt::{Interrupt, Interrupts, Line, Trigger};
pub use machine::{
    Conduit, Cpu, EnableMethod, Intc, MAX_CPUS, MAX_MESSAGE_CONTROLLERS, MEMRESERVE, Machine, MessageController,
    MessageKind, Reserved, Smmu, Timer,
};
pub use message_map::MessageRoute;
pub use node::{Bus, Node, Path, Status};
pub use pci::{PciSpace, PciWindow, pci_windows};
pub use phandle::{Phandle, Phandles};
pub use ramoops::Ramoops;
pub use reference::{Arguments, Dependency, Reference, References};
pub use region::{Region, Regions};
pub use salvage::salvage_unit_address;
pub use strings::Strings;
pub use tree::Tree;
pub use walk::{MAX_DEPTH, Walk};
