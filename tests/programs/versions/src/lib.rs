//! The protocol `tally` three times: as it was, with a method that it gained, and with another version number.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

pub mod before;
pub mod next;
pub mod now;
