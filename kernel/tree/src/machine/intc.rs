//! The interrupt controller.

use arrayvec::ArrayVec;

use crate::interrupt::Driven;
use crate::{Fault, Node, Range, TreeError};

/// Most register blocks of a GIC: QEMU's largest machine has two blocks of redistributors, real ones have up to eight.
const MAX_BLOCKS: usize = 16;

/// What takes interrupts for the cores.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one, and no heap to put it on")]
pub enum Intc {
    /// GICv2, or one that is programmed alike.
    V2 {
        /// Registers of the distributor.
        distributor: Range,
        /// Registers of the CPU interface.
        cpu: Range,
    },
    /// GICv3 or later.
    V3 {
        /// Registers of the distributor.
        distributor: Range,
        /// Registers of the redistributors.
        redistributors: ArrayVec<Range, MAX_BLOCKS>,
        /// Bytes from one redistributor to the next, where the tree says so.
        stride: Option<u64>,
    },
    /// The BCM2836's.
    Bcm2836 {
        /// Registers of the one that each core has its part of.
        cores: Range,
        /// Registers of that for devices, where there is one.
        devices: Option<Range>,
    },
}

impl Intc {
    /// A GIC.
    pub(super) fn gic(node: &Node<'_, '_>, driven: Driven) -> Result<Self, TreeError> {
        let mut blocks = node.registers();
        let mut block = || blocks.next().unwrap_or_else(|| Err(node.error("reg", Fault::Missing)));
        let distributor = block()?;
        if driven == Driven::GicV2 {
            return Ok(Self::V2 { distributor, cpu: block()? });
        }
        let mut redistributors = ArrayVec::new();
        let regions = node.number("#redistributor-regions")?.unwrap_or(1);
        for _ in 0..regions {
            let pushed = redistributors.try_push(block()?);
            pushed.map_err(|_| node.error("#redistributor-regions", Fault::TooMany(MAX_BLOCKS)))?;
        }
        Ok(Self::V3 { distributor, redistributors, stride: node.number("redistributor-stride")? })
    }
}
