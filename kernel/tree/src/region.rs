//! Reserved memory that a device uses: `memory-region`.

use crate::address::{Cells, MAX_ENTRIES};
use crate::{Fault, Node, Phandles, Range, Strings, Tree, TreeError, phandle};

/// A piece of reserved memory that is a device's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region<'a> {
    /// Its name in `memory-region-names`.
    pub name: Option<&'a str>,
    /// Offset in the structure block of the node that reserves it.
    pub at: usize,
    /// Where it is, as the CPU has it; `None` where the node asks for memory anywhere.
    pub range: Option<Range>,
    /// It may not be mapped where nothing uses it: the CPU could read ahead into it.
    pub no_map: bool,
}

/// The pieces of reserved memory of a device, in the order of `memory-region`; a node with several ranges yields each.
/// Ends after an error.
#[derive(Debug, Clone)]
pub struct Regions<'w, 'a> {
    tree: &'w Tree<'a>,
    /// The node's offset in the structure block.
    at: usize,
    phandles: Phandles<'w>,
    names: Strings<'a>,
    rest: &'a [u8],
    /// The node whose ranges come next: what all of them have, and what is left of its `reg`.
    open: Option<(Region<'a>, Cells, &'a [u8])>,
}

impl<'w, 'a> Regions<'w, 'a> {
    pub(crate) fn new(node: &Node<'w, 'a>, phandles: Phandles<'w>) -> Self {
        let names = Strings::new(node.property("memory-region-names").unwrap_or(&[]));
        let rest = node.property("memory-region").unwrap_or(&[]);
        Self { tree: node.tree, at: node.offset(), phandles, names, rest, open: None }
    }

    /// Goes to the next node.
    fn enter(&mut self) -> Result<Region<'a>, TreeError> {
        let error = |fault| self.tree.error(self.at, "memory-region", fault);
        let value = core::mem::take(&mut self.rest);
        if value.len() / 4 > MAX_ENTRIES {
            return Err(error(Fault::TooMany(MAX_ENTRIES)));
        }
        let (number, rest) = phandle::split(value).map_err(error)?;
        let at = self.phandles.find(number).ok_or_else(|| error(Fault::Phandle(number)))?;
        let cells = self.phandles.reserved(at).ok_or_else(|| error(Fault::NotReserved(number)))?;
        let no_map = self.tree.property_at(at, "no-map").is_some();
        let region = Region { name: self.names.next(), at, range: None, no_map };
        self.rest = rest;
        match self.tree.property_at(at, "reg").filter(|reg| !reg.is_empty()) {
            Some(reg) => self.range(region, cells, reg),
            None => Ok(region),
        }
    }

    /// The next range of a node.
    fn range(&mut self, region: Region<'a>, cells: Cells, reg: &'a [u8]) -> Result<Region<'a>, TreeError> {
        // The smallest range has two cells.
        let taken = if reg.len() / 8 > MAX_ENTRIES { Err(Fault::TooMany(MAX_ENTRIES)) } else { cells.take(reg) };
        let taken = taken.map_err(|fault| self.tree.error(region.at, "reg", fault));
        let (range, rest) = taken.inspect_err(|_| self.rest = &[])?;
        self.open = Some((region, cells, rest)).filter(|_| !rest.is_empty());
        Ok(Region { range: Some(range), ..region })
    }
}

impl<'a> Iterator for Regions<'_, 'a> {
    type Item = Result<Region<'a>, TreeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((region, cells, reg)) = self.open.take() {
            return Some(self.range(region, cells, reg));
        }
        if self.rest.is_empty() { None } else { Some(self.enter()) }
    }
}
