//! The bundle: components and their manifests in one file, which the boot loader hands over as the initial ramdisk.
//!
//! ```text
//! header      64 bytes: magic, format, sizes, CRC-32 of the header and the table
//! table       one record a component: name, entry, load records, where its manifest and its grants lie, CRC-32
//! manifests   tag-length-value; what the component says (manifest) apart from what the board says (grants)
//! segments    each at a multiple of 4 KiB, padded with zeros to whole pages
//! ```
//!
//! Everything is little-endian; offsets count from the start of the file. Load records are computed when the bundle is
//! made: nothing on the target parses an ELF file. The reader allocates nothing and believes nothing: [`Bundle::parse`]
//! and [`Bundle::components`] check every number before it is used. The writer (feature `std`) is the build tool's.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod bytes;
mod component;
mod error;
mod format;
mod manifest;
mod reader;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "std"))]
pub mod write;

pub use abi::InitSegment;
pub use component::{Component, MAX_ADDRESS, MIN_ADDRESS};
pub use error::{BundleError, Name, Problem};
pub use format::{FORMAT_MAJOR, FORMAT_MINOR, MAGIC, MAX_SEGMENTS, NAME_BYTES};
pub use manifest::{DEFAULT_PRIORITY, DEFAULT_STACK, DEFAULT_TABLE, Drive, MAX_TEXT, Manifest, Restart};
pub use reader::Bundle;
