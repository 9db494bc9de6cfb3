//! Clients of one disk. `polite` behaves, counts what it gets, and looks at every byte. `neighbour` behaves as well for a second,
//! and misbehaves for the next: the clock tells both what the other does.
//!
//! `revoker` lends memory and takes it away in the middle of transfers, `mayfly` dies in the middle of them, and `watcher` must not
//! notice.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod component;
pub mod disk;
pub mod ground;
pub mod random;
pub mod reads;
pub mod schedule;
pub mod worker;
