//! What every object with memory of its own begins with.

use abi::Kind;

use super::Grave;

/// Counts the capabilities of an object; the last one takes the object with it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// What it is.
    pub kind: Kind,
    /// Capabilities that name it, those held by objects included.
    pub capabilities: u32,
    /// The next object that waits to be taken apart.
    pub next_grave: Option<Grave>,
}

impl Header {
    /// A header without capabilities yet.
    pub const fn new(kind: Kind) -> Self {
        Self { kind, capabilities: 0, next_grave: None }
    }
}
