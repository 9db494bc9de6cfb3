//! The protocol `{{protocol}}`.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod protocol;

pub use protocol::*;
