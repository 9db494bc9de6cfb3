//! What init learns.

use std::string::{String, ToString};
use std::vec::Vec;

use super::{phone, qemu};
use crate::{Device, Interrupt, Line, Range, Tree, Trigger};

fn with<'a, T>(bytes: &'a [u8], path: &str, look: impl Fn(&Device<'_, 'a>) -> T) -> Option<T> {
    let tree = Tree::parse(bytes).unwrap();
    let mut devices = tree.devices();
    while let Some(device) = devices.next() {
        if device.path().to_string() == path {
            return Some(look(&device));
        }
    }
    None
}

fn registers(device: &Device<'_, '_>) -> Vec<(u64, u64)> {
    device.registers().map(|range| range.unwrap()).map(|Range { base, size }| (base, size)).collect()
}

/// An interrupt, with the path of a controller that is not the GIC.
#[derive(Debug, PartialEq)]
enum Found {
    Gic(Line),
    Other(Option<String>),
}

fn interrupts(device: &Device<'_, '_>) -> Vec<Found> {
    let found = device.interrupts().map(|interrupt| match interrupt.unwrap() {
        Interrupt::Line(line) => Found::Gic(line),
        Interrupt::Other { controller, .. } => Found::Other(controller.map(|at| {
            let mut walk = device.tree.walk();
            walk.seek(at).unwrap().path().to_string()
        })),
    });
    found.collect()
}

fn line(intid: u32, trigger: Trigger) -> Found {
    Found::Gic(Line { intid, trigger })
}

fn gpio() -> Found {
    Found::Other(Some("/soc/gpio@3000".into()))
}

#[test]
fn devices_of_virt() {
    let bytes = qemu("virt-gic3-smp8-8g.dtb");
    let uart = with(bytes, "/pl011@9000000", |device| {
        (registers(device), interrupts(device), device.compatible().collect::<Vec<_>>())
    });
    let expected = (
        Vec::from([(0x900_0000, 0x1000)]),
        Vec::from([line(33, Trigger::Level)]),
        Vec::from(["arm,pl011", "arm,primecell"]),
    );
    assert_eq!(uart, Some(expected));
    for slot in 0..32u32 {
        let base = 0xa00_0000 + 0x200 * u64::from(slot);
        let path = std::format!("/virtio_mmio@{base:x}");
        let virtio = with(bytes, &path, |device| (registers(device), interrupts(device)));
        assert_eq!(virtio, Some((Vec::from([(base, 0x200)]), Vec::from([line(48 + slot, Trigger::Edge)]))));
    }
}

#[test]
fn every_device_of_virt_is_read_without_an_error() {
    for (name, bytes) in super::QEMU {
        let tree = Tree::parse(bytes).unwrap();
        let (mut devices, mut count) = (tree.devices(), 0);
        while let Some(device) = devices.next() {
            assert!(device.registers().all(|it| it.is_ok()), "{name} {}", device.path());
            assert!(device.interrupts().all(|it| it.is_ok()), "{name} {}", device.path());
            count += 1;
        }
        assert!(count > 25, "{name}: {count}");
    }
}

#[test]
fn registers_go_through_two_buses() {
    let bytes = phone();
    let serial = with(&bytes, "/soc/bus@100/serial@40", |device| {
        assert_eq!(device.register_names().collect::<Vec<_>>(), ["core", "dma"]);
        registers(device)
    });
    assert_eq!(serial, Some(Vec::from([(0x2000_0040, 0x40), (0x1010_0080, 0x80)])));
    let errors = with(&bytes, "/soc/bus@100/outside@2000", |device| {
        device.registers().map(|range| range.unwrap_err().to_string()).collect::<Vec<_>>()
    });
    let [first, second] = errors.unwrap().try_into().unwrap();
    assert!(first.starts_with("/soc/bus@100/outside@2000: reg: address 0xfff is in no range"), "{first}");
    assert!(second.contains("0x100000ff0"), "{second}");
}

#[test]
fn a_device_on_i2c_has_no_registers() {
    let bytes = phone();
    let touch = with(&bytes, "/soc/i2c@4000/touch@38", |device| (registers(device), interrupts(device)));
    assert_eq!(touch, Some((Vec::new(), Vec::from([gpio()]))));
}

#[test]
fn interrupts_of_many_parents() {
    let bytes = phone();
    let serial = with(&bytes, "/soc/bus@100/serial@40", interrupts).unwrap();
    let expected = [line(65, Trigger::Level), gpio(), Found::Other(None), line(25, Trigger::Edge)];
    assert_eq!(serial, expected);
    let key = with(&bytes, "/soc/gpio@3000/key", interrupts).unwrap();
    assert_eq!(key, [gpio(), gpio()], "the tree parent takes them");
    assert_eq!(with(&bytes, "/soc/gpio@3000", interrupts).unwrap(), [line(240, Trigger::Level)]);
}

#[test]
fn what_is_disabled_or_within_is_left_out() {
    let bytes = phone();
    let tree = Tree::parse(&bytes).unwrap();
    let (mut devices, mut paths) = (tree.devices(), Vec::<String>::new());
    while let Some(device) = devices.next() {
        paths.push(device.path().to_string());
    }
    assert!(!paths.iter().any(|path| path.contains("off@5000")), "{paths:?}");
    assert_eq!(paths.first().map(String::as_str), Some("/"));
    assert_eq!(paths.len(), 12);
}
