//! Where Linux looks for the console's text.

use std::string::ToString;
use std::vec::Vec;

use tree_writer::Builder;

use crate::{Range, Tree};

fn range(base: u64, size: u64) -> Range {
    Range::new(base, size).unwrap()
}

fn tree(size: u32, parts: &[(&str, u32)]) -> Vec<u8> {
    let mut tree = Builder::new();
    tree.begin("reserved-memory").cells("#address-cells", &[2]).cells("#size-cells", &[1]).flag("ranges");
    tree.begin("ramoops@90000000").texts("compatible", &["ramoops"]).cells("reg", &[0, 0x9000_0000, size]);
    parts.iter().for_each(|(name, value)| _ = tree.cells(name, &[*value]));
    tree.end().end();
    tree.finish()
}

fn console(size: u32, parts: &[(&str, u32)]) -> Option<(u64, u64)> {
    let bytes = tree(size, parts);
    let ramoops = Tree::parse(&bytes).unwrap().ramoops().unwrap().unwrap();
    assert_eq!(ramoops.region, range(0x9000_0000, size.into()));
    ramoops.console.map(|range| (range.base - 0x9000_0000, range.size))
}

#[test]
fn it_lies_behind_the_records() {
    let parts =
        [("record-size", 0x2_0000), ("console-size", 0x4_0000), ("ftrace-size", 0x4_0000), ("pmsg-size", 0x2_0000)];
    assert_eq!(console(0x10_0000, &parts), Some((0x6_0000, 0x4_0000)));
    // No records: what they could have lies behind everything.
    assert_eq!(console(0x10_0000, &[("console-size", 0x4_0000)]), Some((0, 0x4_0000)));
    // Rounded down; and 0x5_0000 of room are two records of 0x2_8000.
    let parts = [("record-size", 0x2_1000), ("console-size", 0x4_1000), ("pmsg-size", 0x7_0000)];
    assert_eq!(console(0xd_0000, &parts), Some((0x5_0000, 0x4_0000)));
}

#[test]
fn there_may_be_none() {
    assert_eq!(console(0x10_0000, &[("record-size", 0x1000)]), None);
    let checked = tree(0x10_0000, &[("console-size", 0x1000), ("ecc-size", 16)]);
    let ramoops = Tree::parse(&checked).unwrap().ramoops().unwrap().unwrap();
    assert_eq!((ramoops.console.map(|range| range.size), ramoops.code), (Some(0x1000), 16));
    assert_eq!(Tree::parse(&Builder::new().finish()).unwrap().ramoops().unwrap(), None);
}

#[test]
fn parts_that_do_not_fit_are_named() {
    for (parts, name) in [
        (&[("console-size", 0x20_0000)][..], "console-size"),
        (&[("console-size", 0x8000_0000), ("pmsg-size", 0x8000_0000)], "console-size"),
        (&[("console-size", 0x8_0000), ("record-size", 0x10_0000)], "record-size"),
    ] {
        let bytes = tree(0x10_0000, parts);
        let error = Tree::parse(&bytes).unwrap().ramoops().unwrap_err().to_string();
        assert!(error.starts_with("/reserved-memory/ramoops@90000000: ") && error.contains(name), "{error}");
    }
}
