//! A host bridge of PCI Express whose configuration space is mapped (ECAM): finds the functions of its first bus, gives their
//! registers a place, and tells devmgr, which starts their drivers.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod config;
mod report;
mod scan;
#[cfg(test)]
mod tests;
mod windows;

pub use config::{Address, Ecam, first_bus};
pub use report::tell;
pub use scan::{Fault, allow_interrupt, scan};
pub use windows::{Place, Windows};
