//! A FAT32 or FAT16 volume, read-only.
//!
//! Every number of the volume is checked when the volume is mounted or where it is used; chains of clusters that close
//! into a ring, leave the volume or end too early are `Corrupt`.

mod boot;
mod chain;
mod directory;
mod name;
mod volume;

pub use directory::{Directory, Entry};
pub use volume::{File, Node, Volume};
