//! What a bus master reaches: `dma-ranges`.

use crate::address::{Cells, MAX_ENTRIES, Misfit, bytes, number, translate};
use crate::walk::Level;
use crate::{Fault, Range, Tree, TreeError};

/// A stretch of memory that a device reaches, and under which addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First address as the device has it; of three cells (PCI) the last two.
    pub bus: u64,
    /// The same memory as the CPU has it.
    pub cpu: Range,
}

/// The stretches of memory that a device reaches, from the nearest `dma-ranges` around it that is not empty. Yields nothing
/// where there is none: the device then uses the addresses of the CPU. Ends after an error.
#[derive(Debug, Clone)]
pub struct Windows<'w, 'a> {
    tree: &'w Tree<'a>,
    /// The buses from the root to the one whose windows these are.
    around: &'w [Level<'a>],
    rest: &'a [u8],
}

impl<'w, 'a> Windows<'w, 'a> {
    pub(crate) fn new(tree: &'w Tree<'a>, around: &'w [Level<'a>]) -> Self {
        let says = |bus: &Level<'a>| bus.dma_ranges.is_some_and(|ranges| !ranges.is_empty());
        let nearest = around.iter().rposition(says).filter(|&at| at > 0).unwrap_or(0);
        let around = around.get(..=nearest).unwrap_or(&[]);
        let rest = around.last().filter(|_| nearest > 0).and_then(|bus| bus.dma_ranges).unwrap_or(&[]);
        Self { tree, around, rest }
    }

    fn take(&mut self) -> Result<Window, Misfit> {
        let value = core::mem::take(&mut self.rest);
        let [.., outer, bus] = self.around else { return Err(self.misfit(Fault::Missing)) };
        let (inner, above) = (bus.cells, outer.cells);
        let entry = entry(inner, above).map_err(|fault| self.misfit(fault))?;
        let (first, second) = (bytes(inner.address), bytes(above.address));
        if value.len() / entry > MAX_ENTRIES {
            return Err(self.misfit(Fault::TooMany(MAX_ENTRIES)));
        }
        let short = self.misfit(Fault::Length { have: value.len(), need: entry });
        let (window, rest) = value.split_at_checked(entry).ok_or(short)?;
        let (from, behind) = window.split_at_checked(first).unwrap_or_default();
        let (to, size) = behind.split_at_checked(second).unwrap_or_default();
        let (bus, base, size) = (number(from), number(to), number(size));
        let local = Range::new(base, size).ok_or(self.misfit(Fault::Overflow { base, size }))?;
        let outside = self.around.split_last().map_or(&[][..], |(_, outside)| outside);
        let cpu = translate(local, outside, "dma-ranges", |level| level.dma_ranges)?;
        self.rest = rest;
        Ok(Window { bus, cpu: cpu.ok_or(self.misfit(Fault::Unmapped(base)))? })
    }

    fn misfit(&self, fault: Fault) -> Misfit {
        Misfit { at: self.around.last().map_or(0, |bus| bus.at), property: "dma-ranges", fault }
    }
}

/// Bytes of an entry: an address of the bus in one or two cells or the three of PCI, one of the bus outside, a size.
fn entry(inner: Cells, outer: Cells) -> Result<usize, Fault> {
    if !(1..=3).contains(&inner.address) {
        return Err(Fault::Cells(inner.address));
    }
    // The other two are numbers as in any other table.
    Cells { address: outer.address, size: inner.size }.pairs(&[]).map(drop)?;
    Ok(bytes(inner.address) + bytes(outer.address) + bytes(inner.size))
}

impl Iterator for Windows<'_, '_> {
    type Item = Result<Window, TreeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        Some(self.take().map_err(|misfit| misfit.error(self.tree)))
    }
}
