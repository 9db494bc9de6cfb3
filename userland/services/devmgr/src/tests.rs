//! Plans for written trees and for those of QEMU.

mod bus;
mod manager;
mod pins;

use std::collections::HashMap;
use std::string::{String, ToString};
use std::vec::Vec;

use bundle::write::{self, Drive, Manifest, Program, Segment};
use bundle::{Bundle, Restart};
use tree::{Range, Tree};
use tree_writer::Builder;

use crate::resources::{Block, Description, Identification, Line, Trouble};
use crate::{Identify, Outcome, Row, drivers, plan};

/// A component that drives something.
struct Written {
    name: &'static str,
    drives: &'static [(&'static str, Option<u32>)],
    needs: &'static [&'static str],
    provides: &'static [&'static str],
    uses: &'static [&'static str],
    dma: bool,
}

fn written(name: &'static str, drives: &'static [(&'static str, Option<u32>)]) -> Written {
    Written { name, drives, needs: &[], provides: &[], uses: &[], dma: false }
}

fn bundle(components: &[Written]) -> Vec<u8> {
    let program = || Program {
        entry: 0x20_0000,
        segments: Vec::from([Segment {
            address: 0x20_0000,
            bytes: Vec::from([0; 16]),
            pages: 1,
            perms: rt::Perms::READ | rt::Perms::EXECUTE,
        }]),
    };
    let components = components.iter().map(|component| write::Component {
        name: component.name.into(),
        program: program(),
        manifest: Manifest {
            provides: component.provides.iter().map(|&it| it.into()).collect(),
            uses: component.uses.iter().map(|&it| it.into()).collect(),
            drives: component.drives.iter().map(|&(name, id)| Drive { compatible: name.into(), id }).collect(),
            memory: 0,
            stack: 16384,
            table: 64,
            priority: 100,
            restart: Restart::Once,
            budget: None,
            dma: component.dma,
            fpu: false,
            needs: component.needs.iter().map(|&need| need.into()).collect(),
            requests: Vec::new(),
        },
        grants: Vec::new(),
        core: 0,
    });
    write::bundle(&components.collect::<Vec<_>>()).unwrap()
}

/// What devices say, by the address of their registers.
#[derive(Default)]
struct Devices {
    says: HashMap<u64, u32>,
    broken: Option<u64>,
    asked: Vec<(u64, Identification)>,
}

impl Identify for Devices {
    fn identify(&mut self, registers: Range, how: Identification) -> Result<Option<u32>, String> {
        self.asked.push((registers.base, how));
        if self.broken == Some(registers.base) {
            Err("on purpose".into())
        } else {
            Ok(self.says.get(&registers.base).copied())
        }
    }
}

fn rows(tree: &[u8], components: &[Written], devices: &mut Devices) -> Vec<Row> {
    let bytes = bundle(components);
    let bundle = Bundle::parse(&bytes).unwrap();
    plan(&Tree::parse(tree).unwrap(), &drivers(&bundle, |_| true), |_| false, devices).unwrap()
}

fn outcome<'r>(rows: &'r [Row], path: &str) -> &'r Outcome {
    &rows.iter().find(|row| row.path == path).unwrap_or_else(|| panic!("no {path} in {rows:#?}")).outcome
}

fn started(rows: &[Row]) -> Vec<(&str, u32)> {
    let started = rows.iter().filter_map(|row| match &row.outcome {
        Outcome::Start { driver, .. } => Some((row.path.as_str(), *driver)),
        _ => None,
    });
    started.collect()
}

const VIRT: &[u8] = include_bytes!("../../../../kernel/tree/tests/data/virt-gic3-smp8-8g.dtb");

#[test]
fn one_process_for_each_device_of_virt() {
    let components = [
        written("pl011", &[("arm,pl011", None)]),
        written("blk", &[("virtio,mmio", Some(2))]),
        written("net", &[("virtio,mmio", Some(1))]),
    ];
    let says = [(0xa00_0000, 2), (0xa00_0e00, 2), (0xa00_1e00, 1), (0xa00_2e00, 16), (0xa00_3e00, 0)];
    let mut devices = Devices { says: says.into(), ..Devices::default() };
    let rows = rows(VIRT, &components, &mut devices);
    let expected =
        [("/virtio_mmio@a000000", 2), ("/virtio_mmio@a000e00", 2), ("/virtio_mmio@a001e00", 3), ("/pl011@9000000", 1)];
    assert_eq!(started(&rows), expected);
    assert_eq!(outcome(&rows, "/virtio_mmio@a002e00"), &Outcome::NoDriver(Some(16)));
    assert_eq!(outcome(&rows, "/virtio_mmio@a003e00"), &Outcome::NoDriver(Some(0)));
    assert_eq!(outcome(&rows, "/virtio_mmio@a003c00"), &Outcome::NoDriver(None));
    assert_eq!(outcome(&rows, "/pl031@9010000"), &Outcome::NoDriver(None));
    assert_eq!(outcome(&rows, "/intc@8000000"), &Outcome::Kernel);
    assert_eq!(outcome(&rows, "/cpus/cpu@7"), &Outcome::Kernel);
    assert_eq!(devices.asked.len(), 32, "each slot is asked once");
    let Outcome::Start { description, .. } = outcome(&rows, "/pl011@9000000") else { panic!() };
    let registers = Vec::from([Block { range: Range::new(0x900_0000, 0x1000).unwrap(), name: String::new() }]);
    let lines = Vec::from([Line { intid: 33, edge: false, name: String::new() }]);
    assert_eq!(*description, Description { registers, lines, ..Description::default() });
}

#[test]
fn the_most_specific_name_that_a_driver_has_counts() {
    let names = |components: &[Written]| {
        let mut tree = Builder::new();
        tree.begin("uart@0").texts("compatible", &["maker,uart-v2", "maker,uart", "ns16550"]).end();
        started(&rows(&tree.finish(), components, &mut Devices::default())).first().map(|&(_, driver)| driver)
    };
    let generic = || written("generic", &[("ns16550", None)]);
    assert_eq!(names(&[generic(), written("maker", &[("maker,uart", None)])]), Some(2));
    assert_eq!(names(&[generic(), written("twice", &[("ns16550", None)])]), Some(1), "the first of the bundle");
    assert_eq!(names(&[written("other", &[("other,uart", None)])]), None);
}

#[test]
fn a_primecell_says_what_it_is() {
    let mut tree = Builder::new();
    tree.cells("#address-cells", &[1]).cells("#size-cells", &[1]);
    for at in [0x1000, 0x2000] {
        tree.begin(&std::format!("cell@{at:x}")).texts("compatible", &["arm,primecell"]).cells("reg", &[at, 0x1000]);
        tree.end();
    }
    tree.begin("told@3000").texts("compatible", &["arm,primecell"]).cells("reg", &[0x3000, 0x1000]);
    tree.cells("arm,primecell-periphid", &[0x0014_1805]).end();
    let mut devices = Devices { says: [(0x1000, 0x0034_1805), (0x2000, 0x0004_1061)].into(), ..Devices::default() };
    let components = [written("cell", &[("arm,primecell", Some(0x0004_1805))])];
    let rows = rows(&tree.finish(), &components, &mut devices);
    assert_eq!(started(&rows), [("/cell@1000", 1), ("/told@3000", 1)]);
    assert_eq!(outcome(&rows, "/cell@2000"), &Outcome::NoDriver(Some(0x0004_1061)));
    assert_eq!(devices.asked.len(), 2);
}

#[test]
fn registers_that_cannot_be_read_are_named() {
    let mut devices = Devices { broken: Some(0xa00_0200), ..Devices::default() };
    let rows = rows(VIRT, &[written("blk", &[("virtio,mmio", Some(2))])], &mut devices);
    let refused = Outcome::Not { driver: 1, trouble: Trouble::Refused("on purpose".into()) };
    assert_eq!(outcome(&rows, "/virtio_mmio@a000200"), &refused);
}

/// A small phone: a clock, pins, a device that needs both, a bus, and a device with an odd view of memory.
fn phone() -> Vec<u8> {
    let mut tree = Builder::new();
    tree.cells("#address-cells", &[1]).cells("#size-cells", &[1]).cells("interrupt-parent", &[1]);
    tree.begin("gic@0").texts("compatible", &["arm,gic-400"]).cells("phandle", &[1]).cells("#interrupt-cells", &[3]);
    tree.flag("interrupt-controller").cells("reg", &[0, 0x1000, 0x2000, 0x1000]).end();
    tree.begin("reserved-memory").cells("#address-cells", &[1]).cells("#size-cells", &[1]).flag("ranges");
    tree.begin("frame@9c000000").cells("phandle", &[9]).cells("reg", &[0x9c00_0000, 0x1000]).end().end();
    tree.begin("gcc@100000").texts("compatible", &["qcom,gcc-sdm845"]).cells("phandle", &[2]);
    tree.cells("#clock-cells", &[1]).cells("reg", &[0x10_0000, 0x1000]).end();
    tree.begin("pins@200000")
        .texts("compatible", &["maker,pins"])
        .cells("phandle", &[3])
        .cells("#interrupt-cells", &[2]);
    tree.flag("interrupt-controller").cells("reg", &[0x20_0000, 0x1000]).begin("on").cells("phandle", &[4]).end().end();
    tree.begin("uart@300000").texts("compatible", &["maker,uart"]).texts("reg-names", &["core"]);
    tree.cells("reg", &[0x30_0000, 0x1000]).cells("clocks", &[2, 5]).cells("pinctrl-0", &[4]);
    tree.cells("interrupts-extended", &[1, 0, 7, 4, 0, 1, 0, 8, 1]).texts("interrupt-names", &["done", "", "wake"]);
    tree.cells("memory-region", &[9]).texts("memory-region-names", &["ring"]).end();
    tree.begin("key@400000").texts("compatible", &["maker,key"]).cells("interrupts-extended", &[3, 5, 1]).end();
    tree.begin("i2c@500000").texts("compatible", &["maker,i2c"]).cells("reg", &[0x50_0000, 0x1000]);
    tree.cells("#address-cells", &[1]).cells("#size-cells", &[0]);
    tree.begin("touch@38").texts("compatible", &["chip,touch"]).cells("reg", &[0x38]).end().end();
    tree.begin("soc")
        .cells("#address-cells", &[1])
        .cells("#size-cells", &[1])
        .cells("ranges", &[0, 0x7000_0000, 0x100_0000]);
    tree.cells("dma-ranges", &[0xc000_0000, 0, 0x3000_0000]);
    tree.begin("dma@1000").texts("compatible", &["maker,dma"]).cells("reg", &[0x1000, 0x100]).end();
    tree.begin("lost@2000").texts("compatible", &["maker,lost"]).cells("reg", &[0x200_0000, 0x100]).end().end();
    tree.begin("__symbols__").texts("gcc", &["/gcc@100000"]).end();
    tree.finish()
}

fn trouble(components: &[Written], path: &str) -> String {
    match outcome(&rows(&phone(), components, &mut Devices::default()), path) {
        Outcome::Not { trouble: Trouble::Waiting(whom), .. } => std::format!("waiting for {whom}"),
        Outcome::Not { trouble: Trouble::Refused(why), .. } => std::format!("refused: {why}"),
        other => std::format!("{other:?}"),
    }
}

#[test]
fn what_a_driver_needs_is_waited_for() {
    let uart = |needs| Written { needs, ..written("uart", &[("maker,uart", None)]) };
    let clock = || written("gcc", &[("qcom,gcc-sdm845", None)]);
    let at = "/uart@300000";
    assert_eq!(trouble(&[uart(&["clocks"])], at), "waiting for &gcc (qcom,gcc-sdm845: no driver)");
    let served = "waiting for &gcc (qcom,gcc-sdm845: its driver does not serve clocks)";
    assert_eq!(trouble(&[uart(&["clocks"]), clock()], at), served);
    assert_eq!(trouble(&[uart(&["pins"])], at), "waiting for /pins@200000/on (maker,pins: no driver)");
    assert!(trouble(&[uart(&["supplies"])], at).starts_with("Start"), "it has none");
}

#[test]
fn interrupts_and_buses_without_a_driver_are_waited_for() {
    let key = || written("key", &[("maker,key", None)]);
    let pins = || written("pins", &[("maker,pins", None)]);
    assert_eq!(trouble(&[key()], "/key@400000"), "waiting for /pins@200000 (maker,pins: no driver)");
    let served = "waiting for /pins@200000 (maker,pins: its driver does not serve interrupts)";
    assert_eq!(trouble(&[key(), pins()], "/key@400000"), served);
    let touch = [written("touch", &[("chip,touch", None)])];
    assert_eq!(trouble(&touch, "/i2c@500000/touch@38"), "waiting for /i2c@500000 (maker,i2c: no driver)");
}

#[test]
fn a_driver_gets_what_its_node_has() {
    let rows = rows(&phone(), &[written("uart", &[("maker,uart", None)])], &mut Devices::default());
    let Outcome::Start { description, .. } = outcome(&rows, "/uart@300000") else { panic!() };
    let block = |base, size, name: &str| Block { range: Range::new(base, size).unwrap(), name: name.to_string() };
    let line = |intid, edge, name: &str| Line { intid, edge, name: name.to_string() };
    let expected = Description {
        registers: Vec::from([block(0x30_0000, 0x1000, "core")]),
        lines: Vec::from([line(39, false, "done"), line(0, false, ""), line(40, true, "wake")]),
        memory: Vec::from([block(0x9c00_0000, 0x1000, "ring")]),
        ..Description::default()
    };
    assert_eq!(*description, expected);
}

/// A tree may say more than anybody has memory for, in one property.
#[test]
fn of_what_is_too_much_no_more_is_taken_than_shows_it() {
    let many = 250;
    let long = "n".repeat(100_000);
    let names: Vec<&str> = core::iter::repeat_n(&*long, 3).chain(core::iter::repeat_n("n", many)).collect();
    let mut tree = Builder::new();
    tree.cells("#address-cells", &[1]).cells("#size-cells", &[1]).cells("interrupt-parent", &[1]);
    tree.begin("gic@0").texts("compatible", &["arm,gic-400"]).cells("phandle", &[1]).cells("#interrupt-cells", &[3]);
    tree.flag("interrupt-controller").cells("reg", &[0, 0x1000, 0x2000, 0x1000]).end();
    tree.begin("reserved-memory").cells("#address-cells", &[1]).cells("#size-cells", &[1]).flag("ranges");
    tree.begin("frame@9c000000").cells("phandle", &[9]).cells("reg", &[0x9c00_0000, 0x1000]).end().end();
    tree.begin("uart@300000").texts("compatible", &["maker,uart"]);
    tree.cells("reg", &[0x30_0000, 0x1000].repeat(many)).texts("reg-names", &names);
    tree.cells("interrupts-extended", &[1, 0, 7, 4].repeat(many)).texts("interrupt-names", &names);
    tree.cells("memory-region", &[9].repeat(many)).texts("memory-region-names", &names).end();
    let rows = rows(&tree.finish(), &[written("uart", &[("maker,uart", None)])], &mut Devices::default());
    let Outcome::Start { description, .. } = outcome(&rows, "/uart@300000") else {
        panic!("{:?}", outcome(&rows, "/uart@300000"))
    };
    let Description { registers, lines, memory, .. } = description;
    // One more than init takes: it says so.
    assert_eq!((registers.len(), lines.len(), memory.len()), (17, 17, 17));
    let all = registers.iter().chain(memory).map(|block| &block.name).chain(lines.iter().map(|line| &line.name));
    assert_eq!(all.map(String::len).max(), Some(33));
}

#[test]
fn what_cannot_be_had_is_refused() {
    let dma = [Written { dma: true, ..written("dma", &[("maker,dma", None)]) }];
    let text = "refused: dma-ranges: it finds memory 0x0 at 0xc0000000, which no driver is told yet";
    assert_eq!(trouble(&dma, "/soc/dma@1000"), text);
    let lost = trouble(&[written("lost", &[("maker,lost", None)])], "/soc/lost@2000");
    assert!(lost.starts_with("refused: /soc/lost@2000: reg: address 0x2000000 is in no range"), "{lost}");
}

#[test]
fn what_runs_is_left_alone() {
    let bytes = bundle(&[written("uart", &[("maker,uart", None)])]);
    let (bundle, phone) = (Bundle::parse(&bytes).unwrap(), phone());
    let tree = Tree::parse(&phone).unwrap();
    let all = drivers(&bundle, |_| true);
    let rows = plan(&tree, &all, |path| path == "/uart@300000", &mut Devices::default()).unwrap();
    assert_eq!(outcome(&rows, "/uart@300000"), &Outcome::Driven);
    let rows = plan(&tree, &drivers(&bundle, |_| false), |_| false, &mut Devices::default()).unwrap();
    assert_eq!(outcome(&rows, "/uart@300000"), &Outcome::NoDriver(None));
}
