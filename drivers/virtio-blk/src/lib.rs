//! virtio block devices: the device logic, and the block protocol in front of it.
//!
//! Data moves between the device and the memory that the client shared; it is neither copied nor looked at here.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod disk;
mod service;

pub use disk::{Direction, Disk, SetupError};
pub use service::Service;
