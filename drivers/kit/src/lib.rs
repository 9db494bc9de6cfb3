//! What every driver stands on: typed registers over raw pointers, memory that devices reach, interrupts, and the loop of
//! a server.
//!
//! A driver is a library of device logic that forbids `unsafe` and a short `main`. Everything it touches comes from here
//! and has a fake for host tests: registers and interrupt lines in `fake`, memory that devices reach in `dma::fake`, and a
//! device at the other end of a virtqueue in `virtio::fake`.
//!
//! This crate is one of the rooms where `unsafe` lives: nothing else under `drivers/` has any.
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

#[allow(unsafe_code)]
pub mod dma;
mod error;
#[cfg(not(target_os = "none"))]
pub mod fake;
pub mod irq;
#[allow(unsafe_code)]
pub mod mmio;
mod name;
pub mod server;
#[cfg(feature = "virtio")]
#[allow(unsafe_code)]
pub mod virtio;

pub use error::{Cause, Error};
pub use tock_registers;
