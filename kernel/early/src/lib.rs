//! Where the kernel prints before there are drivers, and when it ends; and how it ends a machine without firmware.
//!
//! The kernel maps the registers and calls [`Uart::start`] and [`Uart::send`], or [`Ramoops::put`]; what is left here is safe code that its host tests run
//! on fakes, and the table that `cargo xtask port` looks into: it cannot know a console that the kernel does not.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod port;
mod power;
mod ramoops;
mod reed_solomon;
mod screen;
mod uart;

pub use port::{Layout, Port};
pub use power::{POWERS, Power, find_power};
pub use ramoops::{Extent, Ramoops};
pub use screen::{Picture, Screen};
pub use uart::{UARTS, Uart, find};
