//! The file service: finds a FAT volume on a disk and reads it for its clients. Read-only.
//!
//! The FAT reader is our own: `embedded-sdmmc` reads one sector at a time, and `hadris-fat` keeps a file's whole cluster
//! chain in memory or looks up every cluster singly, borrows the volume for each open file, and bounds a damaged chain
//! only by the size of the volume; here a request touches a bounded number of sectors and a file's data goes from the
//! driver's buffer to the client's with one copy.
//!
//! Known limit: one request at a time. While it waits for the disk it serves nobody else.
//!
//! Layers, bottom up: [`BlockRead`] (a disk; [`BlockDevice`] speaks to a driver), `cache` (sectors of tables and
//! folders), [`gpt`] (where volumes may be), [`fat`] (the volume), [`Service`] (clients and their open files).
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod block;
mod cache;
mod device;
mod failure;
pub mod fat;
pub mod gpt;
mod service;

pub use block::{BlockRead, Fetched, MAX_FETCH};
pub use cache::Cache;
pub use device::{BlockDevice, Wait};
pub use failure::Failure;
pub use service::Service;

use ipc::file::Status;

/// What every layer returns: a refusal is already the status the client gets.
pub type Result<T> = core::result::Result<T, Status>;

#[cfg(test)]
mod tests;
