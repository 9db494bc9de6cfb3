//! A picture that the firmware has set up and that is shown all the time
//! (Documentation/devicetree/bindings/display/simple-framebuffer.yaml).

use crate::{Fault, Node, Range, Tree, TreeError};

/// What a node `simple-framebuffer` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framebuffer<'a> {
    /// Name of the node.
    pub name: &'a str,
    /// Its memory, as a CPU physical address.
    pub memory: Range,
    /// Pixels of a row, rows, and bytes from one row to the next.
    pub sides: [u32; 3],
    /// How a pixel lies in memory: `a8r8g8b8`.
    pub format: &'a str,
}

impl<'a> Tree<'a> {
    /// The first enabled one.
    ///
    /// # Errors
    /// Something that it needs is missing or malformed.
    pub fn framebuffer(&self) -> Result<Option<Framebuffer<'a>>, TreeError> {
        let mut walk = self.walk();
        while let Some(node) = walk.next() {
            if node.enabled() && node.is_compatible(&["simple-framebuffer"]) {
                return self.picture(&node).map(Some);
            }
        }
        Ok(None)
    }

    fn picture(&self, node: &Node<'_, 'a>) -> Result<Framebuffer<'a>, TreeError> {
        let side = |name| {
            let value = node.number(name)?.ok_or_else(|| node.error(name, Fault::Missing))?;
            u32::try_from(value).map_err(|_| node.error(name, Fault::Value(value)))
        };
        let format = node.text("format")?.ok_or_else(|| node.error("format", Fault::Missing))?;
        // Of the two the memory that is reserved counts, as in Linux.
        let memory = match node.number("memory-region")? {
            Some(number) => {
                self.reserved(number).unwrap_or_else(|| Err(node.error("memory-region", Fault::Value(number))))
            }
            None => node.registers().next().unwrap_or_else(|| Err(node.error("reg", Fault::Missing))),
        }?;
        Ok(Framebuffer { name: node.name(), memory, sides: [side("width")?, side("height")?, side("stride")?], format })
    }

    /// The reserved memory with this phandle.
    fn reserved(&self, phandle: u64) -> Option<Result<Range, TreeError>> {
        let mut walk = self.walk();
        while let Some(node) = walk.next() {
            if node.depth() == 2 && node.is_in("reserved-memory") && node.phandle().map(u64::from) == Some(phandle) {
                return node.registers().next();
            }
        }
        None
    }
}
