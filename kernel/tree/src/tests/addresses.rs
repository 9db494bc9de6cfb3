//! Cells and ranges at their edges.

use std::vec::Vec;

use tree_writer::Builder;

use crate::{Fault, Range, Tree, TreeError};

/// The registers of `/bus/device` with one-cell addresses on a bus with these `ranges`.
fn through(ranges: &[u32], reg: &[u32]) -> Vec<Result<Range, TreeError>> {
    let mut tree = Builder::new();
    tree.cells("#address-cells", &[2]).cells("#size-cells", &[2]);
    tree.begin("bus").cells("#address-cells", &[1]).cells("#size-cells", &[1]).cells("ranges", ranges);
    tree.begin("device").texts("compatible", &["a,b"]).cells("reg", reg).end().end();
    let bytes = tree.finish();
    let tree = Tree::parse(&bytes).unwrap();
    let mut devices = tree.devices();
    devices.next().unwrap().registers().collect()
}

#[test]
fn empty_ranges_change_nothing() {
    assert_eq!(through(&[], &[0x1000, 0x10]), [Ok(Range { base: 0x1000, size: 0x10 })]);
}

#[test]
fn a_range_ends_where_it_ends() {
    let ranges = [0x1000, 8, 0, 0x1000];
    let inside = Range { base: 0x8_0000_0ff0, size: 0x10 };
    assert_eq!(through(&ranges, &[0x1ff0, 0x10]), [Ok(inside)]);
    let faults = |reg: &[u32]| through(&ranges, reg).into_iter().map(|it| it.unwrap_err().fault).collect::<Vec<_>>();
    assert_eq!(faults(&[0x1ff0, 0x11]), [Fault::Unmapped(0x1ff0)]);
    assert_eq!(faults(&[0x2000, 0]), [Fault::Unmapped(0x2000)]);
    assert_eq!(faults(&[0xfff, 1]), [Fault::Unmapped(0xfff)]);
}

#[test]
fn nothing_overflows() {
    let faults = |ranges: &[u32], reg: &[u32]| through(ranges, reg).remove(0).unwrap_err().fault;
    let top = [0, 0xffff_ffff, 0xffff_f000, 0xffff_ffff];
    assert!(matches!(faults(&top, &[0x1000, 0x10]), Fault::Overflow { .. }));
    assert!(matches!(faults(&top, &[0xff0, 0x10]), Fault::Overflow { .. }), "the end itself is not an address");
    assert_eq!(through(&top, &[0xff0, 0xf]), [Ok(Range { base: 0xffff_ffff_ffff_fff0, size: 0xf })]);
}

#[test]
fn lengths_must_fit() {
    let fault = |ranges: &[u32], reg: &[u32]| through(ranges, reg).pop().unwrap().unwrap_err();
    let odd = fault(&[], &[1, 2, 3]);
    assert_eq!((odd.property.as_str(), odd.node.as_str()), ("reg", "/bus/device"));
    let odd = fault(&[1, 2, 3], &[1, 2]);
    assert_eq!((odd.property.as_str(), odd.node.as_str()), ("ranges", "/bus"));
}

#[test]
fn work_is_bounded() {
    let many: Vec<u32> = (0..2000).collect();
    assert_eq!(through(&[], &many).pop().unwrap().unwrap_err().fault, Fault::TooMany(256));
    assert_eq!(through(&many, &[1, 1]).pop().unwrap().unwrap_err().fault, Fault::TooMany(256));
}
