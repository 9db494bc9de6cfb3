//! What every driver stands on: typed registers over raw pointers, memory that devices reach, interrupts, and what devices of
//! a class have in common ([`class`]), and what the device tree says ([`node`], [`region`]). The server's loop, tasks and events are those of every component (`ipc`, `rt::task`).
//!
//! A driver is a library of device logic that forbids `unsafe` and a short `main`. Everything it touches comes from here
//! and has a fake for host tests: registers and interrupt lines in `fake`, memory that devices reach in `dma::fake`, and a
//! device at the other end of a virtqueue in `virtio::fake`.
//!
//! What drivers offer to others has a small trait here, which clients of the protocols implement: [`pin`], [`time`],
//! [`bytes`], [`entropy`], [`sectors`]; that of pictures is [`ipc::surface`]. Beside each is an adaptor to the
//! ecosystem's trait, behind a feature, so that existing crates run on them unchanged.
//!
//! This crate is one of the rooms where `unsafe` lives: nothing else under `drivers/` has any.
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

pub mod bytes;
pub mod class;
#[allow(unsafe_code)]
pub mod dma;
pub mod entropy;
mod error;
#[cfg(not(target_os = "none"))]
pub mod fake;
mod handout;
mod irq;
#[allow(unsafe_code)]
pub mod mmio;
mod name;
pub mod node;
pub mod pci;
pub mod pin;
pub mod region;
pub mod sectors;
pub mod time;
#[cfg(feature = "virtio")]
#[allow(unsafe_code)]
pub mod virtio;

pub use error::{Cause, Error, Failed};
pub use handout::Handout;
pub use ipc::{Shared, serve};
pub use irq::{Interrupt, Message};
pub use node::{Node, PciSpace, PciWindow, Range, pci_windows};
pub use rt::task::{Event, sleep, spawn};
pub use tock_registers;

/// What an entry function returns: how the server ended, or why it could not begin.
pub type Result<T = rt::SyscallError, E = Error> = core::result::Result<T, E>;

/// Calls `serve` whenever the line fires.
pub fn on_interrupt(interrupt: Interrupt, mut serve: impl FnMut() + 'static) {
    spawn(async move {
        loop {
            interrupt.wait().await;
            serve();
        }
    });
}
