//! A framebuffer as phones' trees have it.

use std::string::ToString;
use std::vec::Vec;

use tree_writer::Builder;

use crate::{Framebuffer, Range, Tree};

fn tree(reg: bool, region: Option<u32>, without: &str) -> Vec<u8> {
    let mut tree = Builder::new();
    tree.cells("#address-cells", &[2]).cells("#size-cells", &[2]);
    tree.begin("reserved-memory").cells("#address-cells", &[2]).cells("#size-cells", &[2]).flag("ranges");
    tree.begin("memory@90000000").cells("reg", &[0, 0x9000_0000, 0, 0x200_0000]).cells("phandle", &[7]).end().end();
    tree.begin("chosen").cells("#address-cells", &[2]).cells("#size-cells", &[2]).flag("ranges");
    tree.begin("framebuffer@9d400000").texts("compatible", &["simple-framebuffer"]);
    if reg {
        tree.cells("reg", &[0, 0x9d40_0000, 0, 0xa6_1d00]);
    }
    region.iter().for_each(|&phandle| _ = tree.cells("memory-region", &[phandle]));
    for (name, value) in [("width", 1080), ("height", 2520), ("stride", 4320)] {
        if name != without {
            tree.cells(name, &[value]);
        }
    }
    if without != "format" {
        tree.texts("format", &["a8r8g8b8"]);
    }
    tree.end().end();
    tree.finish()
}

#[test]
fn it_is_where_the_node_says() {
    let name = "framebuffer@9d400000";
    let memory = Range::new(0x9d40_0000, 0xa6_1d00).unwrap();
    let wanted = Framebuffer { name, memory, sides: [1080, 2520, 4320], format: "a8r8g8b8" };
    let found = |bytes: &[u8]| Tree::parse(bytes).unwrap().framebuffer().unwrap().map(|it| (it.memory, it.sides));
    let bytes = tree(true, None, "");
    assert_eq!(Tree::parse(&bytes).unwrap().framebuffer(), Ok(Some(wanted)));
    let reserved = Range::new(0x9000_0000, 0x200_0000).unwrap();
    for reg in [false, true] {
        assert_eq!(found(&tree(reg, Some(7), "")), Some((reserved, wanted.sides)));
    }
    assert_eq!(found(&Builder::new().finish()), None);
}

#[test]
fn what_is_missing_is_named() {
    for (bytes, name) in [
        (tree(true, None, "width"), "width"),
        (tree(true, None, "height"), "height"),
        (tree(true, None, "stride"), "stride"),
        (tree(true, None, "format"), "format"),
        (tree(false, None, ""), "reg"),
        (tree(true, Some(8), ""), "memory-region"),
    ] {
        let error = Tree::parse(&bytes).unwrap().framebuffer().unwrap_err().to_string();
        assert!(error.contains("framebuffer@9d400000") && error.contains(name), "{error}");
    }
}
