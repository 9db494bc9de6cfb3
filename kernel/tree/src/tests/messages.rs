//! Where messages of devices go.

use std::string::ToString;
use std::vec::Vec;

use super::qemu;
use tree_writer::Builder;

use crate::{Device, MessageKind, MessageRoute, Tree, TreeError};

fn on<T>(bytes: &[u8], path: &str, read: impl FnOnce(&Device<'_, '_>) -> T) -> T {
    let tree = Tree::parse(bytes).unwrap();
    let mut devices = tree.devices();
    loop {
        let device = devices.next().expect("the device is there");
        if device.path().to_string() == path {
            return read(&device);
        }
    }
}

/// Device and controller's registers.
fn said(route: Result<Option<MessageRoute>, TreeError>) -> Option<(u32, u64)> {
    route.unwrap().map(|route| (route.device, route.controller.registers.base))
}

#[test]
fn functions_behind_the_bridge_of_virt() {
    for (name, base) in [("virt-gic2.dtb", 0x802_0000), ("virt-gic3-smp8-8g.dtb", 0x808_0000)] {
        for requester in [0, 0x18, 0xffff] {
            let route = on(qemu(name), "/pcie@10000000", |bus| bus.function_messages(requester));
            assert_eq!(said(route), Some((requester.into(), base)), "{name}");
        }
    }
    let uart = on(qemu("virt-gic2.dtb"), "/pl011@9000000", |uart| uart.messages());
    assert_eq!(said(uart), None);
}

/// An ITS, a frame, and a bridge that says this.
fn bridge(map: &[u32], mask: Option<u32>, parent: &[u32]) -> Vec<u8> {
    let mut tree = Builder::new();
    tree.cells("#address-cells", &[1]).cells("#size-cells", &[1]);
    tree.begin("its@1000").texts("compatible", &["arm,gic-v3-its"]).cells("reg", &[0x1000, 0x2_0000]);
    tree.cells("phandle", &[1]).cells("#msi-cells", &[1]).end();
    tree.begin("v2m@2000").texts("compatible", &["arm,gic-v2m-frame"]).cells("reg", &[0x2000, 0x1000]);
    tree.cells("phandle", &[2]).cells("arm,msi-base-spi", &[64]).cells("arm,msi-num-spis", &[8]).end();
    tree.begin("its@3000").texts("compatible", &["arm,gic-v3-its"]).cells("reg", &[0x3000, 0x2_0000]);
    tree.cells("phandle", &[4]).texts("status", &["disabled"]).end();
    tree.begin("clock").texts("compatible", &["clock"]).cells("phandle", &[3]).end();
    tree.begin("pcie").texts("compatible", &["pci-host-ecam-generic"]);
    if !map.is_empty() {
        tree.cells("msi-map", map);
    }
    if let Some(mask) = mask {
        tree.cells("msi-map-mask", &[mask]);
    }
    if !parent.is_empty() {
        tree.cells("msi-parent", parent);
    }
    tree.end().finish()
}

fn function(bytes: &[u8], requester: u16) -> Result<Option<MessageRoute>, TreeError> {
    on(bytes, "/pcie", |bus| bus.function_messages(requester))
}

#[test]
fn a_map_has_parts() {
    let board = bridge(&[0x100, 2, 0, 0x100, 0, 1, 0x4_0000, 0x80], None, &[2]);
    assert_eq!(said(function(&board, 0x7f)), Some((0x4_007f, 0x1000)));
    assert_eq!(said(function(&board, 0x80)), None);
    assert_eq!(said(function(&board, 0x1ff)), Some((0xff, 0x2000)));
    let kind = function(&board, 0x100).unwrap().unwrap().controller.kind;
    assert_eq!(kind, MessageKind::Frame { first: Some(64), count: Some(8) });
    // Of all functions of a device, one.
    let board = bridge(&[0, 1, 0, 0x1_0000], Some(0xfff8), &[]);
    assert_eq!(said(function(&board, 0x1f)), Some((0x18, 0x1000)));
}

#[test]
fn without_a_map_there_may_be_a_parent() {
    let board = bridge(&[], None, &[1, 7]);
    assert_eq!(said(function(&board, 0x18)), Some((0x18, 0x1000)));
    assert_eq!(said(on(&board, "/pcie", |device| device.messages())), Some((7, 0x1000)));
    let board = bridge(&[], None, &[2]);
    assert_eq!(said(on(&board, "/pcie", |device| device.messages())), Some((0, 0x2000)));
    assert_eq!(said(function(&bridge(&[], None, &[]), 0x18)), None);
}

#[test]
fn what_is_broken_is_named() {
    let error = |map: &[u32]| function(&bridge(map, None, &[]), 0).unwrap_err().to_string();
    for phandle in [3, 4, 5] {
        let text = error(&[0, phandle, 0, 1]);
        assert!(text.starts_with(&std::format!("/pcie: msi-map: no such phandle: {phandle:#x}")), "{text}");
    }
    assert!(error(&[0, 1, 0]).starts_with("/pcie: msi-map: "));
    let text = on(&bridge(&[], None, &[9]), "/pcie", |device| device.messages()).unwrap_err().to_string();
    assert!(text.starts_with("/pcie: msi-parent: no such phandle: 0x9"), "{text}");
}
