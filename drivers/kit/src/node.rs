//! What the device tree says of a driver's device: the properties of its node, and the nodes in it.
//!
//! ```
//! # use tutti_kit as kit;
//! use kit::Node;
//!
//! # fn main() -> Result<(), kit::Error> {
//! // In a driver: `Node::open(env)?`.
//! let key = Node::fake("power").with_cells("gpios", &[1, 3, 0]).with_cells("linux,code", &[116]);
//! let node = Node::fake("gpio-keys").with_flag("autorepeat").with_child(key);
//! assert!(node.has("autorepeat"));
//! for key in node.children() {
//!     assert_eq!((key.name(), key.number("linux,code")?), ("power", 116));
//!     assert_eq!(key.cells("gpios")?, [1, 3, 0]);
//! }
//! # Ok(())
//! # }
//! ```

use alloc::string::String;
use alloc::vec::Vec;

use rt::Env;
use tree::{Tree, Walk};

pub use tree::{PciSpace, PciWindow, Range, pci_windows};

use crate::error::{Cause, Error};

/// A node of the device tree: its properties, and the nodes in it. Numbers that refer to other nodes are as the tree has them; what
/// they lead to, the driver has by other names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    name: String,
    properties: Vec<(String, Vec<u8>)>,
    children: Vec<Node>,
}

impl Node {
    /// The node of this driver's device. Its name is empty: the driver is not told where it stands.
    ///
    /// # Errors
    /// The component drives nothing.
    pub fn open(env: &Env) -> Result<Self, Error> {
        Self::parse(env.node()?)
    }

    /// The root of a tree, as a node.
    fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let tree = Tree::parse(bytes).map_err(|_| Error::new("node", Cause::Malformed))?;
        let mut open = Vec::new();
        let mut walk = tree.walk();
        while let Some((depth, node)) = next(&mut walk) {
            close(&mut open, depth);
            open.push(node);
        }
        close(&mut open, 1);
        open.pop().ok_or(Error::new("node", Cause::Malformed))
    }

    /// Its name, with what follows the `@`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The nodes in it.
    pub fn children(&self) -> &[Node] {
        &self.children
    }

    /// The value of a property.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.properties.iter().find(|property| property.0 == name).map(|property| property.1.as_slice())
    }

    /// Whether there is such a property, whatever its value.
    pub fn has(&self, name: &str) -> bool {
        self.bytes(name).is_some()
    }

    /// A number of one cell.
    ///
    /// # Errors
    /// There is no such property, or it has another length.
    pub fn number(&self, name: &'static str) -> Result<u32, Error> {
        match self.cells(name)?[..] {
            [number] => Ok(number),
            _ => Err(Error::of_node("node: ", name, Cause::Malformed)),
        }
    }

    /// Cells.
    ///
    /// # Errors
    /// There is no such property, or its length is not that of cells.
    pub fn cells(&self, name: &'static str) -> Result<Vec<u32>, Error> {
        let (cells, rest) = self.wanted(name)?.as_chunks();
        match rest {
            [] => Ok(cells.iter().map(|&cell| u32::from_be_bytes(cell)).collect()),
            _ => Err(Error::of_node("node: ", name, Cause::Malformed)),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// There is no such property, or it is no text, or several.
    pub fn text(&self, name: &'static str) -> Result<&str, Error> {
        let text = self.wanted(name)?.strip_suffix(&[0]).and_then(|text| core::str::from_utf8(text).ok());
        text.filter(|text| !text.contains('\0')).ok_or(Error::of_node("node: ", name, Cause::Malformed))
    }

    fn wanted(&self, name: &'static str) -> Result<&[u8], Error> {
        self.bytes(name).ok_or(Error::of_node("node: ", name, Cause::Unsaid))
    }
}

/// The next node of a walk, without what is in it.
fn next(walk: &mut Walk<'_>) -> Option<(usize, Node)> {
    let node = walk.next()?;
    let properties = node.properties().map(|property| (property.name.into(), property.value.into()));
    Some((node.depth(), Node { name: node.name().into(), properties: properties.collect(), children: Vec::new() }))
}

/// Puts nodes into those around them, until only `depth` are open.
fn close(open: &mut Vec<Node>, depth: usize) {
    while open.len() > depth.max(1)
        && let Some(node) = open.pop()
        && let Some(parent) = open.last_mut()
    {
        parent.children.push(node);
    }
}

/// Nodes for tests.
#[cfg(not(target_os = "none"))]
impl Node {
    /// A node without anything.
    pub fn fake(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// With a property of bytes.
    #[must_use]
    pub fn with_bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.properties.push((name.into(), value.into()));
        self
    }

    /// With a property without a value.
    #[must_use]
    pub fn with_flag(self, name: &str) -> Self {
        self.with_bytes(name, &[])
    }

    /// With a property of cells.
    #[must_use]
    pub fn with_cells(self, name: &str, cells: &[u32]) -> Self {
        let value: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        self.with_bytes(name, &value)
    }

    /// With a property of text.
    #[must_use]
    pub fn with_text(self, name: &str, text: &str) -> Self {
        self.with_bytes(name, &[text.as_bytes(), &[0]].concat())
    }

    /// With a node in it.
    #[must_use]
    pub fn with_child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tree_writer::Builder;

    #[test]
    fn a_tree_is_a_node() {
        let mut tree = Builder::new();
        tree.texts("format", &["r5g6b5"]).cells("width", &[640]);
        tree.begin("a@1").flag("on").begin("b").cells("gpios", &[1, 2]).end().end().begin("c").end();
        let b = Node::fake("b").with_cells("gpios", &[1, 2]);
        let expected = Node::fake("")
            .with_text("format", "r5g6b5")
            .with_cells("width", &[640])
            .with_child(Node::fake("a@1").with_flag("on").with_child(b))
            .with_child(Node::fake("c"));
        assert_eq!(Node::parse(&tree.finish()), Ok(expected));
        assert_eq!(Node::parse(&Builder::new().finish()), Ok(Node::default()));
        assert!(Node::parse(&[]).is_err() && Node::parse(&tree.finish()[..80]).is_err());
    }

    #[test]
    fn what_is_said_otherwise_is_refused_by_name() {
        let node = Node::fake("")
            .with_cells("two", &[1, 2])
            .with_bytes("odd", &[1, 2, 3])
            .with_bytes("open", b"text")
            .with_bytes("texts", b"one\0two\0")
            .with_bytes("noise", &[0xff, 0])
            .with_text("empty", "");
        assert_eq!(node.text("empty"), Ok(""));
        let words = |error: Error| error.to_string();
        assert_eq!(node.number("two").map_err(words), Err("node: two: the device tree says it in another way".into()));
        assert_eq!(node.number("width").map_err(words), Err("node: width: the device tree does not say".into()));
        assert!(node.cells("odd").is_err() && node.number("empty").is_err());
        assert!(["open", "texts", "noise", "none"].iter().all(|name| node.text(name).is_err()));
    }
}
