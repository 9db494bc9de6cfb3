//! A host bridge of PCI Express whose configuration space is mapped (ECAM): finds the functions of its buses, gives their
//! registers a place, and tells devmgr, which starts their drivers. For these it serves what is theirs of the configuration space.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod bridge;
mod bus;
mod buses;
mod capability;
mod config;
mod hotplug;
mod layout;
mod lines;
mod report;
mod scan;
mod slot;
mod storm;
#[cfg(test)]
mod tests;
mod windows;

pub use bus::Bus;
pub use config::{Address, Ecam, bus_range};
pub use lines::listen;
pub use report::keep_told;
pub use scan::{Fault, Scan, scan};
pub use windows::{Place, Windows};
