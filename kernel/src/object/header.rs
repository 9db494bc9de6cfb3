//! What every object with memory of its own begins with.

use abi::Kind;

use super::Grave;

/// Counts the capabilities of an object; the last one takes the object with it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// What it is.
    pub kind: Kind,
    /// Zero, and not left to the compiler: where slot 0 of a table would be, the fast path looks for its bits here.
    pub none: [u8; 3],
    /// Capabilities that name it, those held by objects included.
    pub capabilities: u32,
    /// The next object that waits to be taken apart.
    pub next_grave: Option<Grave>,
}

impl Header {
    /// A header without capabilities yet.
    pub const fn new(kind: Kind) -> Self {
        Self { kind, none: [0; 3], capabilities: 0, next_grave: None }
    }
}
