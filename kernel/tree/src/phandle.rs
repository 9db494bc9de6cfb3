//! Nodes by the numbers with which others refer to them.

use crate::address::{Cells, number};
use crate::{Fault, Tree, TreeError};

/// Room for one node with a phandle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Phandle {
    number: u32,
    at: u32,
}

/// The nodes that have a phandle, found once for all references of a tree. The room for them is the caller's.
#[derive(Debug, Clone, Copy)]
pub struct Phandles<'s> {
    list: &'s [Phandle],
    reserved: Option<ReservedMemory>,
}

/// The node whose children are reserved memory: where it begins and ends, and how they write addresses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReservedMemory {
    start: usize,
    end: usize,
    cells: Cells,
}

impl<'s> Phandles<'s> {
    /// How much room the nodes of a tree take.
    pub fn count(tree: &Tree<'_>) -> usize {
        let (mut walk, mut count) = (tree.walk(), 0);
        while let Some(node) = walk.next() {
            count += usize::from(node.phandle().is_some());
        }
        count
    }

    /// Finds all nodes with a phandle. Of two with the same number the first counts.
    ///
    /// # Errors
    /// When there is too little `room`.
    pub fn of(tree: &Tree<'_>, room: &'s mut [Phandle]) -> Result<Self, TreeError> {
        let most = room.len();
        let (mut walk, mut count) = (tree.walk(), 0);
        let mut reserved: Option<ReservedMemory> = None;
        while let Some(node) = walk.next() {
            if node.depth() == 1 {
                match &mut reserved {
                    Some(reserved) => reserved.end = reserved.end.min(node.offset()),
                    None if node.is_named("reserved-memory") => {
                        let (start, cells) = (node.offset(), node.own.cells);
                        reserved = Some(ReservedMemory { start, end: usize::MAX, cells });
                    }
                    None => {}
                }
            }
            let Some(number) = node.phandle() else { continue };
            let slot = room.get_mut(count).ok_or_else(|| node.error("phandle", Fault::TooMany(most)))?;
            // A tree has at most 16 MiB.
            *slot = Phandle { number, at: node.offset() as u32 };
            count += 1;
        }
        let list = room.get_mut(..count).unwrap_or_default();
        list.sort_unstable();
        Ok(Self { list, reserved })
    }

    /// Offset in the structure block of the node with this phandle.
    pub fn find(&self, phandle: u32) -> Option<usize> {
        let first = self.list.partition_point(|node| node.number < phandle);
        self.list.get(first).filter(|node| node.number == phandle).map(|node| node.at as usize)
    }

    /// How addresses of the node at this offset are written, if it is within `/reserved-memory`.
    pub(crate) fn reserved(&self, at: usize) -> Option<Cells> {
        self.reserved.filter(|it| it.start < at && at < it.end).map(|it| it.cells)
    }
}

/// The first phandle of a value and what is behind it.
pub(crate) fn split(value: &[u8]) -> Result<(u32, &[u8]), Fault> {
    let short = Fault::Length { have: value.len(), need: 4 };
    value.split_at_checked(4).map(|(phandle, rest)| (number(phandle) as u32, rest)).ok_or(short)
}
