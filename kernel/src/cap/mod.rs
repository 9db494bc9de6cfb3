//! Capabilities: what a slot holds, the tables they lie in, and the tree that says what was derived from what.

pub mod grow;
pub mod inspect;
mod slot;
pub mod table;
pub mod tree;

pub(crate) use slot::COHERENT;
pub use slot::{Cap, Flags, Links, Slot};
pub use table::CapTable;
