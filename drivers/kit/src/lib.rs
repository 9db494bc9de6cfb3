//! What every driver stands on: typed registers over raw pointers, memory that devices reach, interrupts, and the loop of
//! a server.
//!
//! A driver is a library of device logic that forbids `unsafe` and a short `main`. Everything it touches comes from here
//! and has a fake for host tests: a register bank behind [`mmio::Mmio::fake`], frames behind [`dma::fake`], and a device
//! at the other end of a virtqueue behind `virtio::fake`.
//!
//! This crate is one of the rooms where `unsafe` lives: nothing else under `drivers/` has any.
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

#[allow(unsafe_code)]
pub mod dma;
mod error;
pub mod irq;
#[allow(unsafe_code)]
pub mod mmio;
pub mod server;
#[cfg(feature = "virtio")]
#[allow(unsafe_code)]
pub mod virtio;

pub use error::{Cause, Error};
pub use tock_registers;
