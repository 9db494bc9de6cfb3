//! The PL011 UART (ARM DDI 0183): the device logic, and the serial protocol in front of it.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(test)]
mod fake;
mod line;
mod registers;
mod ring;
mod service;

pub use line::Line;
pub use service::Service;
