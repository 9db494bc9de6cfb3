//! The supervisor: when a component that died is started again, and when it is given up.
//!
//! [`Schedule`] is a pure function over the deaths that init tells of and the time; the process asks, waits and answers.
#![cfg_attr(target_os = "none", no_std)]
#![deny(unsafe_code)]

extern crate alloc;

mod backoff;
mod schedule;

pub use backoff::{Failures, Policy, QUIET};
pub use schedule::{Act, Death, Schedule};
