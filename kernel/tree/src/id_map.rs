//! Where the functions behind a host bridge go on to: `iommu-map` and `msi-map` (Linux, Documentation/devicetree/bindings/pci/
//! pci-iommu.txt and pci-msi.txt): entries of first ID, phandle, first ID there, count; compared are the bits of the mask.

use crate::address::number;
use crate::{Fault, Node, TreeError};

/// Entries that are looked at.
const MAX_ENTRIES: usize = 1024;

/// Which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdMap {
    /// `iommu-map`
    Iommu,
    /// `msi-map`
    Msi,
}

impl IdMap {
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Iommu => ("iommu-map", "iommu-map-mask"),
            Self::Msi => ("msi-map", "msi-map-mask"),
        }
    }
}

impl Node<'_, '_> {
    /// Phandle of the node that a function of this bus goes on to, and its ID there; none where the table does not have it.
    /// `id` is the function's requester ID.
    ///
    /// # Errors
    /// The table is malformed.
    pub fn mapped_id(&self, map: IdMap, id: u32) -> Result<Option<(u32, u32)>, TreeError> {
        let (name, mask) = map.names();
        let Some(table) = self.property(name) else { return Ok(None) };
        let mask = self.property(mask).filter(|mask| mask.len() == 4).map_or(u32::MAX, |mask| number(mask) as u32);
        if !table.len().is_multiple_of(16) {
            return Err(self.error(name, Fault::Length { have: table.len(), need: table.len().next_multiple_of(16) }));
        }
        for entry in table.chunks_exact(16).take(MAX_ENTRIES) {
            let cell = |at: usize| entry.get(4 * at..4 * at + 4).map_or(0, |cell| number(cell) as u32);
            let (first, phandle, there, count) = (cell(0), cell(1), cell(2), cell(3));
            let offset = (id & mask).checked_sub(first).filter(|&offset| offset < count);
            if let Some(offset) = offset {
                let id = there.checked_add(offset).ok_or_else(|| self.error(name, Fault::Value(there.into())))?;
                return Ok(Some((phandle, id)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tree;
    use std::vec::Vec;
    use tree_writer::Builder;

    #[test]
    fn ids_are_mapped_by_range() {
        let bus = |map: &[u32], mask: Option<u32>| -> Vec<u8> {
            let mut tree = Builder::new();
            tree.begin("pcie").cells("iommu-map", map);
            if let Some(mask) = mask {
                tree.cells("iommu-map-mask", &[mask]);
            }
            tree.end().finish()
        };
        let ask = |bytes: &[u8], id| {
            let tree = Tree::parse(bytes).unwrap();
            let mut walk = tree.walk();
            walk.find("/pcie").unwrap().mapped_id(IdMap::Iommu, id).map_err(|error| std::format!("{error}"))
        };
        let two = bus(&[0, 7, 0x100, 0x10, 0x20, 8, 0, 0x10], None);
        assert_eq!(ask(&two, 3), Ok(Some((7, 0x103))));
        assert_eq!(ask(&two, 0x2f), Ok(Some((8, 0xf))));
        assert_eq!((ask(&two, 0x10), ask(&two, 0x30)), (Ok(None), Ok(None)));
        // All functions of a device are one.
        assert_eq!(ask(&bus(&[0, 7, 0, 0x1_0000], Some(0xfff8)), 0x1d), Ok(Some((7, 0x18))));
        assert!(ask(&bus(&[0, 7, 0], None), 0).is_err());
        assert!(ask(&bus(&[0, 7, u32::MAX, 2], None), 1).is_err());
        assert_eq!(ask(&bus(&[], None), 0), Ok(None));
    }
}
