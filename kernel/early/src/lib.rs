//! Where the kernel prints before there are drivers, and when it ends.
//!
//! The kernel maps the registers and calls [`Uart::start`] and [`Uart::send`], or [`Ramoops::put`]; what is left here is safe code that its host tests run
//! on fakes, and the table that `cargo xtask port` looks into: it cannot know a console that the kernel does not.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod port;
mod ramoops;
mod uart;

pub use port::{Layout, Port};
pub use ramoops::Ramoops;
pub use uart::{UARTS, Uart, find};
