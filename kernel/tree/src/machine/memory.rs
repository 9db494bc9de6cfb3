//! Memory, and what of it is taken.

use super::{MAX_MEMORY, MAX_RESERVED, Machine};
use crate::address::Cells;
use crate::{Fault, Node, Range, Status, Tree, TreeError};

/// What [`Reserved::name`] says of an entry of the tree's list, which is no node.
pub const MEMRESERVE: &str = "/memreserve/";

/// Memory that is not free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved<'a> {
    /// Where.
    pub range: Range,
    /// It may not even be mapped: the CPU could read ahead into it.
    pub no_map: bool,
    /// Name of its node; [`MEMRESERVE`] for an entry of that list.
    pub name: &'a str,
}

/// A child of the root that is memory, by type or by name, and is ours: secure memory is `disabled`.
pub(super) fn is_memory(node: &Node<'_, '_>) -> bool {
    let typed = node.known.device_type.is_some_and(|kind| kind == b"memory\0");
    (typed || node.is_named("memory")) && node.enabled()
}

impl<'a> Machine<'a> {
    pub(super) fn note_memory(&mut self, node: &Node<'_, 'a>) -> Result<(), TreeError> {
        ranges(node, |range| self.memory.try_push(range).map_err(|_| Fault::TooMany(MAX_MEMORY)))
    }

    /// A child without `reg` asks for memory anywhere; nobody here gives it any.
    pub(super) fn note_reserved(&mut self, node: &Node<'_, 'a>) -> Result<(), TreeError> {
        if node.status() != Status::Okay {
            return Ok(());
        }
        let no_map = node.property("no-map").is_some();
        ranges(node, |range| self.reserve(Reserved { range, no_map, name: node.name() }))
    }

    pub(super) fn reserve_entries(&mut self, tree: &Tree<'a>) -> Result<(), TreeError> {
        for range in tree.reservations() {
            let entry = Reserved { range: range?, no_map: false, name: MEMRESERVE };
            self.reserve(entry).map_err(|fault| TreeError::outside(0, fault))?;
        }
        Ok(())
    }

    fn reserve(&mut self, reserved: Reserved<'a>) -> Result<(), Fault> {
        self.reserved.try_push(reserved).map_err(|_| Fault::TooMany(MAX_RESERVED))
    }
}

/// The entries of `reg` that are not empty: boot loaders fill in what board files leave empty. They are CPU addresses as
/// they stand; what `ranges` of `reserved-memory` says is not asked, so that leaving it out frees nothing.
fn ranges(node: &Node<'_, '_>, mut keep: impl FnMut(Range) -> Result<(), Fault>) -> Result<(), TreeError> {
    let Some(value) = node.known.reg else { return Ok(()) };
    let cells = node.around.last().map_or(Cells::DEFAULT, |parent| parent.cells);
    let fault = |fault| node.error("reg", fault);
    for (base, size) in cells.pairs(value).map_err(fault)?.filter(|&(_, size)| size > 0) {
        let range = Range::new(base, size).ok_or(Fault::Overflow { base, size });
        range.and_then(&mut keep).map_err(fault)?;
    }
    Ok(())
}
