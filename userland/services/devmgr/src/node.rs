//! What a node says, for its driver.

use alloc::vec;
use alloc::vec::Vec;

use tree::Tree;

/// Most bytes of it: init keeps it, and the driver pays for its pages.
pub const MOST: usize = ipc::broker::MAX_NODE;

/// The property that a pin control is given beside its own: the phandles of the states in it that devices with a driver have by default.
pub const STATES: &str = "tutti,default-states";

/// The node at this offset as a tree of its own, of which it is the root: its properties and the nodes in it. `None`: it is
/// larger than a driver is given. Of a pin control it has, as [`STATES`], which of the states in it are wanted.
pub fn alone(tree: &Tree<'_>, offset: usize, states: Option<&[u32]>) -> Option<Vec<u8>> {
    let mut room = vec![0; MOST];
    let states: Option<Vec<u8>> = states.map(|states| states.iter().flat_map(|state| state.to_be_bytes()).collect());
    let more = states.as_ref().map(|states| (STATES, states.as_slice()));
    let bytes = tree.walk().seek(offset)?.excerpt(more, &mut room)?.len();
    room.truncate(bytes);
    Some(room)
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};

    use tree::Node;
    use tree_writer::Builder;

    use super::*;

    /// A line for each node and property from `path` on.
    fn said(bytes: &[u8], path: &str) -> Vec<String> {
        let tree = Tree::parse(bytes).unwrap();
        let mut walk = tree.walk();
        let node = walk.find(path).unwrap();
        let (outer, mut lines) = (node.depth(), vec![String::from("0 ")]);
        let line = |node: &Node<'_, '_>| std::format!("{} {}", node.depth() - outer, node.name());
        let said = |lines: &mut Vec<String>, node: &Node<'_, '_>| {
            lines.extend(node.properties().map(|it| std::format!("{} {:?}", it.name, it.value)));
        };
        said(&mut lines, &node);
        while let Some(node) = walk.next().filter(|node| node.depth() > outer) {
            lines.push(line(&node));
            said(&mut lines, &node);
        }
        lines
    }

    fn tree() -> Builder {
        let mut tree = Builder::new();
        tree.cells("#address-cells", &[1]).begin("soc").flag("ranges").begin("before@1").flag("no").end();
        tree.begin("keys").texts("compatible", &["gpio-keys"]).flag("autorepeat");
        tree.begin("one").cells("gpios", &[1, 2, 3]).begin("deep").flag("a").end().begin("deeper").end().end();
        tree.begin("two").texts("label", &["Power"]).end().end();
        tree.begin("after@2").flag("no").end().end();
        tree
    }

    fn offset(bytes: &[u8], path: &str) -> usize {
        Tree::parse(bytes).unwrap().walk().find(path).unwrap().offset()
    }

    #[test]
    fn a_node_alone_says_what_it_says_among_others() {
        let whole = tree().finish();
        for path in ["/", "/soc", "/soc/keys", "/soc/keys/one", "/soc/after@2"] {
            let alone = alone(&Tree::parse(&whole).unwrap(), offset(&whole, path), None).unwrap();
            assert_eq!(said(&alone, "/"), said(&whole, path), "{path}");
        }
        let keys = alone(&Tree::parse(&whole).unwrap(), offset(&whole, "/soc/keys"), None).unwrap();
        assert!(said(&keys, "/").contains(&"1 two".to_string()) && !said(&keys, "/").contains(&"no []".to_string()));
    }

    #[test]
    fn what_is_too_large_is_not_given() {
        for (bytes, given) in [(MOST - 400, true), (MOST, false), (3 * MOST, false)] {
            let whole = tree().begin("large").begin("inside").bytes("x", &vec![7; bytes]).end().end().finish();
            let alone = alone(&Tree::parse(&whole).unwrap(), offset(&whole, "/large"), None);
            assert_eq!(alone.is_some(), given, "{bytes}");
        }
    }
}
