//! AArch64.
#![allow(unsafe_code)]

mod boot;
mod cache;
mod console;
mod cores;
mod crash;
mod fpu;
mod gic;
mod layout;
mod machine;
mod mmio;
mod mmu;
mod psci;
mod registers;
mod selftest;
mod start;
mod trap;
mod vectors;

pub use cache::{clean_invalidate, sync_instructions, zero};
pub use console::{early_print, set_early};
pub use machine::Machine;
pub use registers::{clear_scratch, copy_words};
