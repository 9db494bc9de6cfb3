//! What a bus master reaches, and how it sees it.

use rt::{Cap, DmaSpace, Env};

use crate::Node;
use crate::error::Error;

/// Whether a bus master sees the caches of the cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coherence {
    /// It does: its node, or one around it, says `dma-coherent`.
    Coherent,
    /// It does not: what it reads is cleaned before, what it wrote is invalidated before it is read.
    NotCoherent,
}

/// What a bus master reaches: where [`Memory`](super::Memory) is attached.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    cap: Option<Cap<DmaSpace>>,
    coherence: Coherence,
}

impl Space {
    /// The space of this component's device: `dma` of the manifest. Whether the device sees the caches is what the device tree
    /// says.
    ///
    /// # Errors
    /// The component was not given it: its manifest does not say `dma = true`; or it drives nothing.
    pub fn open(env: &Env) -> Result<Self, Error> {
        Self::of(env, &Node::open(env)?)
    }

    /// The same, of a driver that has opened its device's node, which it can do once.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of(env: &Env, node: &Node) -> Result<Self, Error> {
        let coherent = node.has("dma-coherent");
        let coherence = if coherent { Coherence::Coherent } else { Coherence::NotCoherent };
        Ok(Self::new(env.cap("dma")?, coherence))
    }

    /// The space behind this capability.
    pub const fn new(cap: Cap<DmaSpace>, coherence: Coherence) -> Self {
        Self { cap: Some(cap), coherence }
    }

    /// The space of a device that is no bus master: its driver copies, and memory is attached to nothing. It has no bus address.
    pub const fn none() -> Self {
        Self { cap: None, coherence: Coherence::Coherent }
    }

    /// The capability, if a bus master is there.
    pub const fn cap(&self) -> Option<Cap<DmaSpace>> {
        self.cap
    }

    /// How the bus master sees memory.
    pub const fn coherence(&self) -> Coherence {
        self.coherence
    }
}
