//! Drivers that have their devices reach for memory that is not theirs. Each instance of one tries a single thing; where that is
//! stopped init ends it, and the next instance tries the next. What it gets away with it says.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod arp;
pub mod attempt;
pub mod corrupt;
pub mod random;
pub mod reach;
pub mod request;
pub mod ring;
pub mod victim;

pub use attempt::{Device, run};
