//! The interface of the kernel, case by case: an identifier, a sentence, the refusals that are seen, and what is done.
//!
//! `docs/conformance.md` lists them; tests of this crate compare it, and the errors that the operations' documentation
//! names, with the cases.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod case;
mod cases;
#[cfg(test)]
mod coverage;
#[cfg(test)]
mod page;

pub use case::{Case, run};
pub use cases::all;
