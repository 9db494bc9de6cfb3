//! What the kernel learns.

use std::vec::Vec;

use tree_writer::Builder;

use super::{phone, qemu};
use crate::interrupt::{Controllers, Source};
use crate::{
    Conduit, EnableMethod, Intc, Interrupt, Line, MAX_MESSAGE_CONTROLLERS, Machine, MessageController, MessageKind,
    Range, Smmu, Status, Tree, Trigger,
};

fn machine(bytes: &[u8]) -> Machine<'_> {
    Tree::parse(bytes).unwrap().machine().unwrap()
}

fn range(base: u64, size: u64) -> Range {
    Range::new(base, size).unwrap()
}

fn ppi(index: u32) -> Option<Line> {
    Some(Line { intid: 16 + index, trigger: Trigger::Level })
}

#[test]
fn virt_with_gicv2() {
    let machine = machine(qemu("virt-gic2.dtb"));
    assert_eq!(machine.memory.as_slice(), [range(0x4000_0000, 512 << 20)]);
    assert!(machine.reserved.is_empty());
    assert_eq!(machine.bootargs, None);
    assert_eq!(machine.initrd, None);
    assert_eq!(machine.rng_seed.map(<[u8]>::len), Some(32));
    assert_eq!(machine.kaslr_seed.map(<[u8]>::len), Some(8));
    assert_eq!(machine.psci, Some(Conduit::Hvc));
    let gic = Intc::V2 { distributor: range(0x800_0000, 0x1_0000), cpu: range(0x801_0000, 0x1_0000) };
    assert_eq!(machine.intc, Some(gic));
    let kind = MessageKind::Frame { first: None, count: None };
    assert_eq!(machine.messages.as_slice(), [MessageController { registers: range(0x802_0000, 0x1000), kind }]);
    let timer = machine.timer.unwrap();
    assert_eq!((timer.secure, timer.physical, timer.virt, timer.hypervisor), (ppi(13), ppi(14), ppi(11), ppi(10)));
    assert_eq!(timer.frequency, None);
    assert_eq!(machine.cpus.len(), 1);
}

#[test]
fn virt_with_gicv3_and_eight_cpus() {
    let machine = machine(qemu("virt-gic3-smp8-8g.dtb"));
    assert_eq!(machine.memory.as_slice(), [range(0x4000_0000, 8 << 30)]);
    assert_eq!(machine.cpus.iter().map(|cpu| cpu.mpidr).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    assert!(machine.cpus.iter().all(|cpu| cpu.method == EnableMethod::Psci && cpu.status == Status::Okay));
    assert_eq!(machine.cpus.first().unwrap().compatible.collect::<Vec<_>>(), ["arm,cortex-a72"]);
    let Some(Intc::V3 { distributor, redistributors, stride: None }) = machine.intc else { panic!() };
    assert_eq!(distributor, range(0x800_0000, 0x1_0000));
    assert_eq!(redistributors.as_slice(), [range(0x80a_0000, 0xf6_0000)]);
    let its = MessageController { registers: range(0x808_0000, 0x2_0000), kind: MessageKind::Its };
    assert_eq!(machine.messages.as_slice(), [its]);
}

#[test]
fn virt_entered_at_el2_with_a_ramdisk() {
    let machine = machine(qemu("virt-el2-initrd.dtb"));
    assert_eq!(machine.bootargs, Some("log=debug quiet"));
    assert_eq!(machine.initrd.map(|initrd| initrd.size), Some(64 << 10));
    assert_eq!(machine.psci, Some(Conduit::Smc));
    assert_eq!(machine.timer.unwrap().virt, ppi(11));
}

#[test]
fn two_memory_nodes() {
    let machine = machine(qemu("virt-smmu-numa.dtb"));
    assert_eq!(machine.memory.as_slice(), [range(0xc000_0000, 2 << 30), range(0x4000_0000, 2 << 30)]);
    let events = Some(Line { intid: 32 + 74, trigger: Trigger::Edge });
    assert_eq!(machine.smmus.as_slice(), [Smmu { registers: range(0x905_0000, 0x2_0000), events }]);
}

#[test]
fn versal() {
    let machine = machine(qemu("versal.dtb"));
    assert_eq!(machine.psci, Some(Conduit::Smc));
    let Some(Intc::V3 { distributor, .. }) = machine.intc else { panic!() };
    assert_eq!(distributor.base, 0xf900_0000);
    assert_eq!(machine.timer.unwrap().virt, ppi(11));
}

#[test]
fn consoles() {
    for (name, base) in [("virt-gic2.dtb", 0x900_0000), ("versal.dtb", 0xff00_0000)] {
        let console = Tree::parse(qemu(name)).unwrap().console().unwrap().unwrap();
        assert_eq!(console.registers, range(base, 0x1000), "{name}");
        assert!({ console.compatible }.any(|compatible| compatible == "arm,pl011"), "{name}");
    }
    let bytes = phone();
    let console = Tree::parse(&bytes).unwrap().console().unwrap().unwrap();
    assert_eq!((console.name, console.options), ("serial@40", Some("115200n8")));
    assert_eq!(console.registers, range(0x2000_0040, 0x40));
    assert_eq!(console.compatible.collect::<Vec<_>>(), ["maker,uart-v2", "maker,uart"]);
}

#[test]
fn a_phone() {
    let bytes = phone();
    let machine = machine(&bytes);
    assert_eq!(machine.memory.as_slice(), [range(0x8000_0000, 1 << 30), range(0xc000_0000, 256 << 20)]);
    let reserved: Vec<_> = machine.reserved.iter().map(|it| (it.name, it.range.base, it.no_map)).collect();
    let expected = [
        ("/memreserve/", 0x8000_0000, false),
        ("modem@86000000", 0x8600_0000, true),
        ("frame@9c000000", 0x9c00_0000, false),
    ];
    assert_eq!(reserved, expected);
    assert_eq!(machine.initrd, Some(range(0x8800_0000, 0x10_0000)));
    assert_eq!(machine.bootargs, Some("log=debug"));
    assert_eq!(machine.rng_seed, Some([7; 32].as_slice()));
    let cpus: Vec<_> = machine.cpus.iter().map(|cpu| (cpu.mpidr, cpu.status, cpu.method)).collect();
    let second = (0x100, Status::Disabled, EnableMethod::SpinTable(0xd8));
    assert_eq!(cpus, [(0, Status::Okay, EnableMethod::Psci), second]);
    let gic = Intc::V2 { distributor: range(0x1000_0000, 0x1000), cpu: range(0x1000_2000, 0x1000) };
    assert_eq!(machine.intc, Some(gic));
    let timer = machine.timer.unwrap();
    assert_eq!((timer.secure, timer.physical, timer.virt, timer.hypervisor), (ppi(2), ppi(3), ppi(4), ppi(1)));
    assert_eq!(timer.frequency, Some(19_200_000));
}

/// A Raspberry Pi 3, or, with a GIC behind the others, what a Raspberry Pi 4 has.
fn pi(gic: bool) -> Vec<u8> {
    let mut tree = Builder::new();
    tree.cells("#address-cells", &[1]).cells("#size-cells", &[1]).cells("interrupt-parent", &[1]);
    tree.begin("intc@200").texts("compatible", &["brcm,bcm2836-armctrl-ic"]).cells("phandle", &[1]);
    tree.cells("#interrupt-cells", &[2]).flag("interrupt-controller").cells("reg", &[0x200, 0x200]);
    tree.cells("interrupt-parent", &[2]).cells("interrupts", &[8, 4]).end();
    tree.begin("local@1000").texts("compatible", &["brcm,bcm2836-l1-intc"]).cells("phandle", &[2]);
    tree.cells("#interrupt-cells", &[2]).flag("interrupt-controller").cells("reg", &[0x1000, 0x100]).end();
    tree.begin("timer").texts("compatible", &["arm,armv7-timer"]).cells("interrupt-parent", &[2]);
    tree.cells("interrupts", &[0, 4, 1, 4, 3, 4, 2, 4]).end();
    tree.begin("wdt@3000").texts("compatible", &["brcm,bcm2835-pm", "brcm,bcm2835-pm-wdt"]);
    tree.cells("reg", &[0x3000, 0x114]).end();
    tree.begin("uart@4000").texts("compatible", &["maker,uart"]).cells("reg", &[0x4000, 0x40]);
    tree.cells("interrupts", &[1, 29, 0, 7, 0, 8, 3, 0]).end();
    if gic {
        tree.begin("gic@2000").texts("compatible", &["arm,gic-400"]).cells("#interrupt-cells", &[3]);
        tree.flag("interrupt-controller").cells("reg", &[0x2000, 0x1000, 0x3000, 0x2000]).end();
    }
    tree.finish()
}

#[test]
fn the_controllers_of_a_bcm2836_and_a_gic_that_takes_their_place() {
    let bytes = pi(false);
    let described = machine(&bytes);
    let expected = Intc::Bcm2836 { cores: range(0x1000, 0x100), devices: Some(range(0x200, 0x200)) };
    assert_eq!(described.intc, Some(expected));
    let lines = described.timer.map(|timer| [timer.secure, timer.physical, timer.virt, timer.hypervisor]);
    let level = |intid| Some(Line { intid, trigger: Trigger::Level });
    assert_eq!(lines, Some([level(16), level(17), level(19), level(18)]));
    assert_eq!(described.power.map(|(registers, _)| registers), Some(range(0x3000, 0x114)));

    let tree = Tree::parse(&bytes).unwrap();
    let controllers = Controllers::<8>::of(&tree);
    let mut walk = tree.walk();
    while let Some(node) = walk.next() {
        if node.is_named("uart") {
            let read: Vec<_> = Source::of(&node).read(&tree, controllers.list()).collect();
            assert_eq!(read[0], Ok(Interrupt::Line(level(93).unwrap())));
            assert_eq!(read[1], Ok(Interrupt::Line(level(39).unwrap())));
            assert!(read.len() == 3 && read[2].is_err(), "{read:?}");
        }
    }

    let bytes = pi(true);
    let described = machine(&bytes);
    assert_eq!(described.intc, Some(Intc::V2 { distributor: range(0x2000, 0x1000), cpu: range(0x3000, 0x2000) }));
    assert_eq!(described.timer.and_then(|timer| timer.virt), None);
    let tree = Tree::parse(&bytes).unwrap();
    let driven = Controllers::<8>::of(&tree).list().iter().filter(|it| it.driven.is_some()).count();
    assert_eq!(driven, 1);
}

#[test]
fn the_board_says_its_name() {
    let bytes = phone();
    let tree = Tree::parse(&bytes).unwrap();
    assert_eq!(tree.model(), Some("A phone"));
    assert_eq!(tree.compatible().collect::<Vec<_>>(), ["maker,phone", "chip,soc"]);
}

#[test]
fn frames_of_messages_whose_lines_the_tree_knows() {
    let mut tree = Builder::new();
    tree.cells("#address-cells", &[1]).cells("#size-cells", &[1]);
    for index in 0..=MAX_MESSAGE_CONTROLLERS as u32 {
        tree.begin(&std::format!("v2m@{index}")).texts("compatible", &["arm,gic-v2m-frame"]);
        tree.cells("reg", &[0x1000 * index, 0x1000]);
        tree.cells("arm,msi-base-spi", &[96 + 32 * index]).cells("arm,msi-num-spis", &[32]).end();
    }
    let bytes = tree.finish();
    let messages = machine(&bytes).messages;
    assert_eq!(messages.len(), MAX_MESSAGE_CONTROLLERS, "the others are left out");
    for (index, frame) in (0..).zip(messages) {
        let kind = MessageKind::Frame { first: Some(96 + 32 * index), count: Some(32) };
        assert_eq!(frame, MessageController { registers: range(0x1000 * u64::from(index), 0x1000), kind });
    }
}
