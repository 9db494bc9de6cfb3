//! Tests of the reader: trees of real emulated boards, written trees, and mutations of both.

mod addresses;
mod devices;
mod errors;
mod framebuffer;
mod machine;
mod messages;
mod mutation;
mod oracle;
mod ramoops;
mod resources;

use std::vec::Vec;

use tree_writer::Builder;

/// Trees that QEMU 7.2 made, padding cut off: `-machine virt,dumpdtb=…` and `xlnx-versal-virt`.
pub(crate) const QEMU: [(&str, &[u8]); 5] = [
    ("virt-gic2.dtb", include_bytes!("../tests/data/virt-gic2.dtb")),
    ("virt-gic3-smp8-8g.dtb", include_bytes!("../tests/data/virt-gic3-smp8-8g.dtb")),
    ("virt-el2-initrd.dtb", include_bytes!("../tests/data/virt-el2-initrd.dtb")),
    ("virt-smmu-numa.dtb", include_bytes!("../tests/data/virt-smmu-numa.dtb")),
    ("versal.dtb", include_bytes!("../tests/data/versal.dtb")),
];

pub(crate) fn qemu(wanted: &str) -> &'static [u8] {
    QEMU.iter().find(|(name, _)| *name == wanted).map(|(_, bytes)| *bytes).unwrap()
}

/// What QEMU does not do: NOPs, one-cell roots, nested `ranges`, reserved memory, aliases, interrupts of many kinds.
pub(crate) fn phone() -> Vec<u8> {
    let mut tree = Builder::new();
    tree.reserve(0x8000_0000, 0x1_0000).reserve(0x9000_0000, 0);
    tree.cells("#address-cells", &[1]).token(4).cells("#size-cells", &[1]).cells("interrupt-parent", &[1]);
    tree.texts("model", &["A phone"]).texts("compatible", &["maker,phone", "chip,soc"]).token(4);
    tree.begin("aliases").texts("serial0", &["/soc/bus@100/serial@40"]).end();
    tree.begin("chosen").texts("stdout-path", &["serial0:115200n8"]).texts("bootargs", &["log=debug"]);
    tree.cells("linux,initrd-start", &[0, 0x8800_0000]).cells("linux,initrd-end", &[0x8810_0000]);
    tree.bytes("rng-seed", &[7; 32]).cells("kaslr-seed", &[1, 2]).end().token(4);
    tree.begin("memory@80000000").cells("reg", &[0x8000_0000, 0x4000_0000, 0, 0]).end();
    tree.begin("ram").texts("device_type", &["memory"]).cells("reg", &[0xc000_0000, 0x1000_0000]).end();
    tree.begin("secure-memory").texts("device_type", &["memory"]).texts("status", &["disabled"]);
    tree.cells("reg", &[0xe000_0000, 0x100_0000]).end();
    tree.begin("reserved-memory").cells("#address-cells", &[2]).cells("#size-cells", &[2]).flag("ranges");
    tree.begin("modem@86000000").cells("reg", &[0, 0x8600_0000, 0, 0x80_0000]).flag("no-map").end();
    tree.begin("dynamic").cells("size", &[0, 0x10_0000]).end();
    tree.begin("unused@87000000").cells("reg", &[0, 0x8700_0000, 0, 0x1000]).texts("status", &["disabled"]).end();
    tree.begin("frame@9c000000").cells("reg", &[0, 0x9c00_0000, 0, 0x240_0000]).end().end();
    tree.begin("cpus").cells("#address-cells", &[2]).cells("#size-cells", &[0]);
    tree.begin("cpu@0").texts("device_type", &["cpu"]).cells("reg", &[0, 0]).texts("enable-method", &["psci"]).end();
    tree.begin("cpu@100").texts("device_type", &["cpu"]).cells("reg", &[0, 0x100]).texts("status", &["disabled"]);
    tree.texts("enable-method", &["spin-table"]).cells("cpu-release-addr", &[0, 0xd8]).end().end();
    tree.begin("psci").texts("compatible", &["arm,psci-0.2"]).texts("method", &["smc"]).end();
    tree.begin("timer").texts("compatible", &["arm,armv8-timer"]).cells("clock-frequency", &[19_200_000]);
    tree.cells("interrupts", &[1, 2, 0xff08, 1, 3, 0xff08, 1, 4, 0xff08, 1, 1, 0xff08]).end();
    tree.begin("soc").texts("compatible", &["simple-bus"]).cells("#address-cells", &[1]).cells("#size-cells", &[1]);
    tree.cells("ranges", &[0, 0x1000_0000, 0x800_0000, 0x800_0000, 0x2000_0000, 0x100_0000]);
    tree.begin("interrupt-controller@0").texts("compatible", &["qcom,msm-qgic2"]).cells("phandle", &[1]);
    tree.flag("interrupt-controller").cells("#interrupt-cells", &[3]).cells("reg", &[0, 0x1000, 0x2000, 0x1000]).end();
    tree.begin("gpio@3000").texts("compatible", &["maker,gpio"]).cells("phandle", &[2]).cells("reg", &[0x3000, 0x100]);
    tree.flag("interrupt-controller").cells("#interrupt-cells", &[2]).cells("interrupts", &[0, 208, 4]);
    tree.begin("key").texts("compatible", &["a,key"]).cells("interrupts", &[3, 1, 4, 1]).end().end();
    tree.begin("bus@100").texts("compatible", &["simple-bus"]).cells("#address-cells", &[2]).cells("#size-cells", &[1]);
    tree.cells("ranges", &[0, 0, 0x800_0000, 0x1000, 1, 0, 0x10_0000, 0x1000]).token(4).token(4);
    tree.begin("serial@40").texts("compatible", &["maker,uart-v2", "maker,uart"]).texts("reg-names", &["core", "dma"]);
    tree.cells("reg", &[0, 0x40, 0x40, 1, 0x80, 0x80]).token(4).texts("status", &["okay"]);
    tree.cells("interrupts-extended", &[1, 0, 33, 4, 2, 5, 1, 0, 1, 1, 9, 0x301]).end();
    tree.begin("outside@2000").texts("compatible", &["a,b"]).cells("reg", &[0, 0xfff, 2, 1, 0xff0, 0x11]).end().end();
    tree.begin("i2c@4000").texts("compatible", &["maker,i2c"]).cells("reg", &[0x4000, 0x100]);
    tree.cells("#address-cells", &[1]).cells("#size-cells", &[0]).cells("interrupt-parent", &[2]);
    tree.begin("touch@38").texts("compatible", &["chip,touch"]).cells("reg", &[0x38]).cells("interrupts", &[13, 2]);
    tree.end().end();
    tree.begin("off@5000").texts("compatible", &["simple-bus"]).texts("status", &["disabled"]);
    tree.begin("within").texts("compatible", &["never,seen"]).texts("status", &["okay"]).end().end().end();
    tree.finish()
}
