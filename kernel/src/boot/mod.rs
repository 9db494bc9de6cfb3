//! From the device tree to the first thread: what is free, and what init is given.

pub mod first;
pub mod memory;
pub mod obstacle;

pub use first::{Handover, InitError, start_init};
pub use memory::{MemoryError, Plan, is_release_address, kept_text, plan};
pub use obstacle::{Obstacle, obstacles};
