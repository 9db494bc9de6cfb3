//! How the firmware is called.

use crate::{Fault, Node, TreeError};

/// The instruction that calls the firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduit {
    /// `hvc #0`
    Hvc,
    /// `smc #0`
    Smc,
}

pub(super) fn conduit(node: &Node<'_, '_>) -> Result<Conduit, TreeError> {
    match node.text("method")? {
        Some("hvc") => Ok(Conduit::Hvc),
        Some("smc") => Ok(Conduit::Smc),
        Some(_) => Err(node.error("method", Fault::Text)),
        None => Err(node.error("method", Fault::Missing)),
    }
}
