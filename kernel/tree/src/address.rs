//! Addresses: cells, ranges, and the way up to what the CPU sees.

use crate::walk::Level;
use crate::{Fault, Tree, TreeError};

/// Most entries of one `reg` or `ranges`: of 577 trees none has more than 74, and the product of both bounds the work.
pub(crate) const MAX_ENTRIES: usize = 256;

/// A range of addresses. `base + size` never overflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First address.
    pub base: u64,
    /// Length in bytes.
    pub size: u64,
}

impl Range {
    /// The range, unless it runs over 64 bits.
    pub fn new(base: u64, size: u64) -> Option<Self> {
        base.checked_add(size).map(|_| Self { base, size })
    }

    /// The first address behind it.
    pub fn end(&self) -> u64 {
        self.base.saturating_add(self.size)
    }
}

/// How many cells (32-bit words) an address and a length take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cells {
    pub address: u32,
    pub size: u32,
}

impl Cells {
    /// What counts where a node does not say.
    pub const DEFAULT: Self = Self { address: 2, size: 1 };

    /// Addresses of one or two cells are numbers; three are PCI's, none is a bus that only counts.
    fn numeric(self) -> bool {
        matches!(self.address, 1 | 2)
    }

    fn sized(self) -> bool {
        matches!(self.size, 1 | 2)
    }

    /// Splits the entries `(address, size)` off a value.
    ///
    /// # Errors
    /// When these cells are no numbers, or the length is not a multiple of an entry's.
    pub fn pairs(self, value: &[u8]) -> Result<impl Iterator<Item = (u64, u64)>, Fault> {
        if !self.numeric() || !self.sized() {
            return Err(Fault::Cells(if self.numeric() { self.size } else { self.address }));
        }
        let (address, entry) = (bytes(self.address), bytes(self.address) + bytes(self.size));
        if !value.len().is_multiple_of(entry) {
            return Err(Fault::Length { have: value.len(), need: entry });
        }
        Ok(value.chunks_exact(entry).map(move |entry| {
            let (base, size) = entry.split_at_checked(address).unwrap_or((entry, &[]));
            (number(base), number(size))
        }))
    }
}

impl Cells {
    /// The first entry `(address, size)` of a value as a range, and what is behind it.
    ///
    /// # Errors
    /// When these cells are no numbers, the value is shorter than an entry, or the range runs over 64 bits.
    pub fn take(self, value: &[u8]) -> Result<(Range, &[u8]), Fault> {
        let entry = bytes(self.address) + bytes(self.size);
        let (first, rest) = value.split_at_checked(entry).unwrap_or((value, &[]));
        let pair = self.pairs(first)?.next();
        let (base, size) = pair.ok_or(Fault::Length { have: value.len(), need: entry })?;
        Range::new(base, size).map(|range| (range, rest)).ok_or(Fault::Overflow { base, size })
    }
}

/// The big-endian number in a value; of a longer one its last eight bytes.
pub(crate) fn number(value: &[u8]) -> u64 {
    match *value {
        [a, b, c, d] => u64::from(u32::from_be_bytes([a, b, c, d])),
        _ => value.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
    }
}

/// One or two cells stand for few bytes; anything else was refused before.
pub(crate) fn bytes(cells: u32) -> usize {
    cells as usize * 4
}

/// The registers of a node, in the order of `reg`, as ranges of CPU physical addresses. Yields nothing for a node that
/// is not memory-mapped: without `reg`, or on a bus without `ranges`, such as I2C or PCI.
#[derive(Debug, Clone)]
pub struct Registers<'w, 'a> {
    tree: &'w Tree<'a>,
    /// The node's offset in the structure block.
    at: usize,
    around: &'w [Level<'a>],
    rest: &'a [u8],
}

impl<'w, 'a> Registers<'w, 'a> {
    pub(crate) fn new(tree: &'w Tree<'a>, at: usize, around: &'w [Level<'a>], reg: Option<&'a [u8]>) -> Self {
        let rest = reg.filter(|_| mapped(around)).unwrap_or(&[]);
        Self { tree, at, around, rest }
    }

    /// The next entry. Whatever is wrong with it is placed in a node and a property; naming them costs a walk.
    fn take(&mut self, cells: Cells) -> Result<Range, Misfit> {
        let misfit = |fault| Misfit { at: self.at, property: "reg", fault };
        let value = core::mem::take(&mut self.rest);
        if value.len() / (bytes(cells.address) + bytes(cells.size)) > MAX_ENTRIES {
            return Err(misfit(Fault::TooMany(MAX_ENTRIES)));
        }
        let (local, rest) = cells.take(value).map_err(misfit)?;
        self.rest = rest;
        let base = local.base;
        translate(local, self.around, "ranges", |bus| bus.ranges)?.ok_or(misfit(Fault::Unmapped(base)))
    }
}

/// What is wrong, in which property, of the node at which offset.
pub(crate) struct Misfit {
    pub at: usize,
    pub property: &'static str,
    pub fault: Fault,
}

impl Misfit {
    pub fn error(&self, tree: &Tree<'_>) -> TreeError {
        tree.error(self.at, self.property, self.fault)
    }
}

impl Iterator for Registers<'_, '_> {
    type Item = Result<Range, TreeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let cells = self.around.last()?.cells;
        if self.rest.is_empty() {
            return None;
        }
        Some(self.take(cells).map_err(|misfit| misfit.error(self.tree)))
    }
}

/// Whether addresses on the innermost of these buses are addresses of the CPU.
pub(crate) fn mapped(around: &[Level<'_>]) -> bool {
    let Some((root, buses)) = around.split_first() else { return false };
    let inner = buses.last().unwrap_or(root);
    let passes =
        |bus: &Level<'_>| bus.cells.numeric() && bus.ranges.is_some_and(|it| it.is_empty() || bus.cells.sized());
    root.cells.numeric() && inner.cells.sized() && buses.iter().all(passes)
}

/// Carries a range from the innermost bus to the root, by one of a bus's two tables. `None` where no entry of a table covers
/// all of it.
pub(crate) fn translate<'a>(
    local: Range,
    around: &[Level<'a>],
    property: &'static str,
    table: impl Fn(&Level<'a>) -> Option<&'a [u8]>,
) -> Result<Option<Range>, Misfit> {
    let mut range = local;
    for (bus, outer) in around.iter().zip(around.iter().skip(1)).map(|(outer, bus)| (bus, outer)).rev() {
        let Some(ranges) = table(bus).filter(|ranges| !ranges.is_empty()) else { continue };
        let carried = carry(range, ranges, bus.cells, outer.cells);
        match carried.map_err(|fault| Misfit { at: bus.at, property, fault })? {
            Some(outside) => range = outside,
            None => return Ok(None),
        }
    }
    Ok(Some(range))
}

/// Finds the entry `(inner address, outer address, size)` that covers a range, and moves the range outside.
fn carry(range: Range, ranges: &[u8], inner: Cells, outer: Cells) -> Result<Option<Range>, Fault> {
    if !inner.numeric() || !inner.sized() || !outer.numeric() {
        return Err(Fault::Cells(if inner.numeric() && inner.sized() { outer.address } else { inner.address }));
    }
    let (first, second) = (bytes(inner.address), bytes(outer.address));
    let entry = first + second + bytes(inner.size);
    if !ranges.len().is_multiple_of(entry) {
        return Err(Fault::Length { have: ranges.len(), need: entry });
    }
    if ranges.len() / entry > MAX_ENTRIES {
        return Err(Fault::TooMany(MAX_ENTRIES));
    }
    for window in ranges.chunks_exact(entry) {
        let (from, rest) = window.split_at_checked(first).unwrap_or_default();
        let (to, size) = rest.split_at_checked(second).unwrap_or_default();
        let (from, to, size) = (number(from), number(to), number(size));
        let Some(skip) = range.base.checked_sub(from) else { continue };
        let covered = skip < size && range.size <= size - skip;
        if covered {
            let outside = to.checked_add(skip).and_then(|base| Range::new(base, range.size));
            return outside.map(Some).ok_or(Fault::Overflow { base: to, size });
        }
    }
    Ok(None)
}
