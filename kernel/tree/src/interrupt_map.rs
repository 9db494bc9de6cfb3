//! Nodes that pass interrupts on: `interrupt-map`, as Devicetree Specification 0.4, section 2.4.3 has it.

use crate::address::number;
use crate::interrupt::{Controller, find};
use crate::walk::InterruptParent;
use crate::{Fault, Node, phandle};

/// Entries of a map that are looked at: of 577 trees none has more than 128.
const MAX_ENTRIES: usize = 1024;
/// Cells of an address in a map: PCI has three.
const MAX_ADDRESS_CELLS: u32 = 4;

/// The table by which a node passes interrupts on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Map<'a> {
    entries: &'a [u8],
    /// The bits of address and interrupt that are compared; all where there is none.
    mask: Option<&'a [u8]>,
    address_cells: u32,
}

/// Where an interrupt goes on to.
pub(crate) struct Routed<'a> {
    /// Phandle of the next controller.
    pub parent: u32,
    /// Address before the interrupt, in that controller's cells.
    pub address: &'a [u8],
    /// The interrupt, in that controller's cells.
    pub entry: &'a [u8],
}

impl<'a> Map<'a> {
    /// The map of a node that has one. What says that it takes interrupts itself does so.
    pub fn of(node: &Node<'_, 'a>) -> Option<Self> {
        let entries = node.known.interrupt_map.filter(|_| node.property("interrupt-controller").is_none())?;
        // Where a node does not say how its children write addresses, those do it as it does.
        let inherited = || node.around.last().map_or(0, |parent| parent.cells.address);
        let address_cells = node.known.address_cells.unwrap_or_else(inherited);
        Some(Self { entries, mask: node.property("interrupt-map-mask"), address_cells })
    }

    /// Finds the entry (address, interrupt, phandle, address, interrupt) for an interrupt of the device at `address`.
    ///
    /// # Errors
    /// When there is none, or the map is malformed before it.
    pub fn route(&self, controllers: &[Controller<'a>], address: &[u8], entry: &[u8]) -> Result<Routed<'a>, Fault> {
        if self.address_cells > MAX_ADDRESS_CELLS {
            return Err(Fault::Cells(self.address_cells));
        }
        let unit = self.address_cells as usize * 4;
        let mut rest = self.entries;
        for _ in 0..MAX_ENTRIES {
            if rest.is_empty() {
                return Err(Fault::Unrouted);
            }
            let (own_address, behind) = split(rest, unit)?;
            let (own_entry, behind) = split(behind, entry.len())?;
            let (parent, behind) = phandle::split(behind)?;
            let next = find(controllers, InterruptParent::Phandle(parent)).ok_or(Fault::Phandle(parent))?;
            if next.address_cells > MAX_ADDRESS_CELLS {
                return Err(Fault::Cells(next.address_cells));
            }
            let (next_address, behind) = split(behind, next.address_cells as usize * 4)?;
            let (next_entry, behind) = split(behind, next.bytes(0)?)?;
            let masked = |skip| self.mask.map(|mask| mask.get(skip..).unwrap_or(&[]));
            if equal(address, own_address, masked(0)) && equal(entry, own_entry, masked(unit)) {
                return Ok(Routed { parent, address: next_address, entry: next_entry });
            }
            rest = behind;
        }
        Err(Fault::TooMany(MAX_ENTRIES))
    }
}

fn split(value: &[u8], bytes: usize) -> Result<(&[u8], &[u8]), Fault> {
    value.split_at_checked(bytes).ok_or(Fault::Length { have: value.len(), need: bytes })
}

/// Whether the cells of `wanted` are those that `have` begins with, in the bits of a mask. Cells that are missing are 0,
/// in a mask all bits.
fn equal(have: &[u8], wanted: &[u8], mask: Option<&[u8]>) -> bool {
    let cell = |value: &[u8], at: usize| value.get(at * 4..at * 4 + 4).map(|cell| number(cell) as u32);
    (0..wanted.len() / 4).all(|at| {
        let bits = mask.and_then(|mask| cell(mask, at)).unwrap_or(u32::MAX);
        (cell(have, at).unwrap_or(0) ^ cell(wanted, at).unwrap_or(0)) & bits == 0
    })
}
