//! Memory: physical addresses, typed references to kernel objects, the regions of the machine.

mod asids;
pub mod raw;
pub mod regions;

pub use asids::Asids;
pub use raw::{Direct, Mem, Object, Phys, Ref};
