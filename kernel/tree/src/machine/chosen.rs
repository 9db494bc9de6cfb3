//! What the boot loader says in `/chosen`.

use super::Machine;
use crate::{Fault, Node, Range, Tree, TreeError, strings};

/// Both ends of the initial ramdisk. QEMU writes one cell, U-Boot two.
#[derive(Clone, Copy, Default)]
pub(super) struct Initrd {
    node: usize,
    start: Option<u64>,
    end: Option<u64>,
}

const START: &str = "linux,initrd-start";
const END: &str = "linux,initrd-end";

impl Initrd {
    pub fn range(self, tree: &Tree<'_>) -> Result<Option<Range>, TreeError> {
        let (start, end) = match (self.start, self.end) {
            (None, None) => return Ok(None),
            (Some(start), Some(end)) => (start, end),
            (None, _) => return Err(tree.error(self.node, START, Fault::Missing)),
            (_, None) => return Err(tree.error(self.node, END, Fault::Missing)),
        };
        let size = end.checked_sub(start).ok_or_else(|| tree.error(self.node, END, Fault::Value(end)))?;
        Ok(Range::new(start, size).filter(|range| range.size > 0))
    }
}

impl<'a> Machine<'a> {
    pub(super) fn note_chosen(&mut self, node: &Node<'_, 'a>, initrd: &mut Initrd) -> Result<(), TreeError> {
        initrd.node = node.offset();
        for property in node.properties() {
            let cells = || {
                let length = Fault::Length { have: property.value.len(), need: 4 };
                property.as_usize().map(|value| value as u64).ok_or_else(|| node.error(property.name, length))
            };
            match property.name {
                "bootargs" => {
                    let text = strings::text(property.value);
                    self.bootargs = Some(text.ok_or_else(|| node.error(property.name, Fault::Text))?);
                }
                START => initrd.start = Some(cells()?),
                END => initrd.end = Some(cells()?),
                "rng-seed" => self.rng_seed = Some(property.value),
                "kaslr-seed" => self.kaslr_seed = Some(property.value),
                _ => {}
            }
        }
        Ok(())
    }
}
