//! Host tests of the kernel: the real objects and operations over the fake machine.

mod bed;
mod check;
pub mod cores;
mod model;
mod random;
mod sequences;
mod shrink;
mod step;
mod tests;

pub use bed::{Bed, Message, Outcome};
