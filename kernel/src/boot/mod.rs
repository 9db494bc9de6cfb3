//! From the device tree to the first thread: what is free, and what init is given.

pub mod first;
pub mod memory;
pub mod obstacle;
pub mod picture;

pub use first::{Handover, InitError, start_init};
pub use memory::{MemoryError, Plan, is_picture, is_release_address, kept_text, plan};
pub use obstacle::{Obstacle, obstacles};
pub use picture::{NoPicture, picture};
