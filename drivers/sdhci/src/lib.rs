//! SD host controllers (SD Host Controller Simplified Specification 3.00), by ADMA2.
//!
//! The clock is that of the controller's capabilities, and else the one that the boot loader left. Pins stay as the boot loader left
//! them.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

mod adma;
mod clock;
mod command;
mod host;
mod registers;

pub use host::Sdhci;

#[cfg(test)]
mod tests;
