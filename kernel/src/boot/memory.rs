//! The memory map: what is RAM, what of it is free, what no device capability may cover.

use abi::layout::PAGE;
use tree::{Gic, Machine};

use crate::mm::regions::{Range, Regions, TooMany};

/// What boot decided about memory.
#[derive(Debug)]
pub struct Plan {
    /// RAM that the kernel maps.
    pub mapped: Regions,
    /// RAM that nobody uses yet, in whole pages.
    pub free: Regions,
    /// What no device capability may cover: all RAM, and the interrupt controller.
    pub forbidden: Regions,
    /// The bundle.
    pub bundle: Option<Range>,
}

/// Why the memory map cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryError {
    /// No memory node has memory in it.
    NoMemory,
    /// The map has more pieces than the kernel keeps.
    TooMany,
    /// The kernel does not lie in memory that the tree names.
    KernelOutside,
    /// The ramdisk does not lie in memory that the tree names.
    BundleOutside(Range),
}

impl core::fmt::Display for MemoryError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoMemory => write!(f, "device tree: no `memory` node with a `reg` that has memory"),
            Self::TooMany => write!(f, "device tree: memory and reserved-memory have too many pieces"),
            Self::KernelOutside => write!(f, "device tree: the kernel lies outside every `memory` node"),
            Self::BundleOutside(range) => write!(
                f,
                "device tree: /chosen linux,initrd-start..end {:#x}..{:#x} lies outside every `memory` node",
                range.start, range.end
            ),
        }
    }
}

impl From<TooMany> for MemoryError {
    fn from(_: TooMany) -> Self {
        Self::TooMany
    }
}

fn range(range: tree::Range) -> Range {
    Range { start: range.base, end: range.end() }
}

fn contains(regions: &Regions, range: Range) -> bool {
    regions.as_slice().iter().any(|have| have.start <= range.start && range.end <= have.end)
}

/// Decides about memory. `image` is the kernel with init behind it, `tree` the device tree; `reach` is how much RAM from
/// its first gigabyte on the kernel can map.
///
/// # Errors
/// [`MemoryError`].
pub fn plan(machine: &Machine<'_>, image: Range, tree: Range, reach: u64) -> Result<Plan, MemoryError> {
    let mut ram = Regions::new();
    for &memory in &machine.memory {
        ram.add(range(memory))?;
    }
    ram.trim_to_pages();
    let first = ram.as_slice().first().ok_or(MemoryError::NoMemory)?.start;
    let mut forbidden = ram.clone();
    for block in gic_blocks(machine) {
        forbidden.add(block.outer_pages())?;
    }
    let limit = (first & !((1 << 30) - 1)).saturating_add(reach);
    let mut mapped = ram;
    mapped.subtract(Range { start: limit, end: u64::MAX })?;
    let mut free = mapped.clone();
    for reserved in &machine.reserved {
        let taken = range(reserved.range).outer_pages();
        free.subtract(taken)?;
        forbidden.add(taken)?;
        if reserved.no_map {
            mapped.subtract(taken)?;
        }
    }
    if !contains(&mapped, image) {
        return Err(MemoryError::KernelOutside);
    }
    let bundle = machine.initrd.map(range).filter(|bundle| bundle.start < bundle.end);
    if let Some(bundle) = bundle
        && !contains(&mapped, bundle.outer_pages())
    {
        return Err(MemoryError::BundleOutside(bundle));
    }
    for taken in [Some(image), Some(tree), bundle].into_iter().flatten() {
        free.subtract(taken.outer_pages())?;
    }
    // A reference is never 0: no object lies in the first granule of RAM.
    free.subtract(Range { start: first, end: first + PAGE })?;
    free.trim_to_pages();
    Ok(Plan { mapped, free, forbidden, bundle })
}

fn gic_blocks(machine: &Machine<'_>) -> impl Iterator<Item = Range> {
    let (first, second, others) = match &machine.gic {
        Some(Gic::V2 { distributor, cpu }) => (Some(*distributor), Some(*cpu), None),
        Some(Gic::V3 { distributor, redistributors, .. }) => (Some(*distributor), None, Some(redistributors)),
        None => (None, None, None),
    };
    first.into_iter().chain(second).chain(others.into_iter().flatten().copied()).map(range)
}
