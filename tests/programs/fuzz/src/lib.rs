//! Random system calls from all cores at once: players, threads in address spaces of their own, make the calls of random
//! lists; a supervisor writes the lists, wakes who waits, destroys and rebuilds players while they run, and looks whether
//! all memory comes back. A bystander in another process must not notice.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod plan;
mod player;
mod random;
mod supervisor;
mod system;
pub mod witness;

pub use supervisor::run;
