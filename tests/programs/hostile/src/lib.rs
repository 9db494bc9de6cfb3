//! Two clients of one disk. One behaves, counts what it gets, and looks at every byte. The other behaves as well for a second,
//! and misbehaves for the next: the clock tells both what the other does.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod disk;
pub mod random;
pub mod schedule;
pub mod worker;
