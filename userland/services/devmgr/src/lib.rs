//! The device manager: which driver of the bundle is for which node of the device tree, and with what.
//!
//! [`plan`] is a pure function over tree and bundle; only what a device says of itself comes from outside ([`Identify`]). The
//! process ([`Manager`]) asks init to start what came out and answers the protocol `devices`.
#![cfg_attr(target_os = "none", no_std)]
#![deny(unsafe_code)]

extern crate alloc;

mod drivers;
mod function;
mod iommu;
mod lines;
mod manager;
mod node;
mod pins;
mod plan;
mod provider;
mod resources;

#[cfg(test)]
mod tests;

pub use drivers::{Driver, drivers};
pub use lines::lines;
pub use manager::Manager;
pub use plan::{Identify, Outcome, Row, plan};
pub use resources::{Block, Description, Identification, Line, Trouble};
