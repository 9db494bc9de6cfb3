//! Functions that a bus finds, against an init that lives in the test.

use std::string::{String, ToString};
use std::vec::Vec;

use bundle::Bundle;
use ipc::broker::{BrokerClient, BrokerServer};
use ipc::devices::{Bar, Devices, Function, State, Status};
use ipc::{Client, Loopback};
use rt::Badge;
use tree::Tree;
use tree_writer::Builder;

use super::manager::Init;
use super::{Written, bundle, written};
use crate::Manager;

/// A host bridge with 1 MiB of memory at 0x1000_0000 and a pin's map, and a UART beside it.
fn board() -> Vec<u8> {
    let mut tree = Builder::new();
    tree.cells("#address-cells", &[2]).cells("#size-cells", &[2]).cells("interrupt-parent", &[1]);
    tree.begin("gic@0").texts("compatible", &["arm,gic-v3"]).flag("interrupt-controller");
    tree.cells("phandle", &[1]).cells("#interrupt-cells", &[3]).cells("#address-cells", &[0]).end();
    tree.begin("smmu@9000").texts("compatible", &["arm,smmu-v3"]).cells("phandle", &[2]).cells("#iommu-cells", &[1]);
    tree.cells("reg", &[0, 0x9000_0000, 0, 0x2_0000]).end();
    tree.begin("uart@1000").texts("compatible", &["maker,uart"]).cells("reg", &[0, 0x1000, 0, 0x100]).end();
    tree.begin("pcie@4000")
        .texts("compatible", &["pci-host-ecam-generic"])
        .texts("device_type", &["pci"])
        .cells("reg", &[0, 0x4000_0000, 0, 0x10_0000]);
    tree.cells("#address-cells", &[3]).cells("#size-cells", &[2]).cells("#interrupt-cells", &[1]).flag("dma-coherent");
    tree.cells("interrupt-map-mask", &[0x1800, 0, 0, 7]).cells("interrupt-map", &[0x800, 0, 0, 1, 1, 0, 5, 4]);
    let io = [0x100_0000, 0, 0, 0, 0x2000_0000, 0, 0x1_0000];
    let memory = [0x200_0000, 0, 0x1000_0000, 0, 0x1000_0000, 0, 0x10_0000];
    tree.cells("iommu-map", &[0, 2, 0x100, 0x40]).cells("ranges", [io, memory].as_flattened()).end();
    tree.finish()
}

fn function(device: u16, bars: &[(usize, u64, u64)]) -> Function {
    let mut function = Function {
        vendor: 0x1af4,
        device: 0x1042,
        class: 0x0100_0001,
        address: device << 3,
        pin: 1,
        ..Function::default()
    };
    bars.iter().for_each(|&(index, base, size)| function.bars[index] = Bar { base, size });
    function
}

const BRIDGE: Client = Badge::new(1, 1, 0);
const UART: Client = Badge::new(2, 1, 0);
const DISK: &str = "/pcie@4000/pci1af4,1042@1,0";

/// The drivers of these tests.
fn components() -> [Written; 3] {
    [
        written("bridge", &[("pci-host-ecam-generic", None)]),
        written("uart", &[("maker,uart", None)]),
        written("disk", &[("pci1af4,1042", None)]),
    ]
}

/// Does something with a manager that was just started.
fn with(init: &Init, does: impl FnOnce(&mut Manager<'_, Loopback<BrokerServer<Init>>>)) {
    with_drivers(init, &components(), does);
}

fn with_drivers(
    init: &Init,
    components: &[Written],
    does: impl FnOnce(&mut Manager<'_, Loopback<BrokerServer<Init>>>),
) {
    let (board, bytes) = (board(), bundle(components));
    let (tree, bundle) = (Tree::parse(&board).unwrap(), Bundle::parse(&bytes).unwrap());
    let broker = BrokerClient(Loopback::new(BrokerServer(init.clone())));
    let mut manager = Manager::new(tree, &bundle, broker).unwrap();
    init.calls();
    init.node();
    does(&mut manager);
}

fn rows(manager: &mut impl Devices) -> Vec<(String, State)> {
    let rows = (0..).map_while(|index| manager.list(index).unwrap());
    rows.map(|it| (it.path.as_str().to_string(), it.state)).collect()
}

fn init() -> Init {
    Init::with(&["bridge", "uart", "disk"])
}

#[test]
fn a_function_gets_its_driver_and_what_is_its_own() {
    let init = init();
    with(&init, |manager| {
        let disk = function(1, &[(0, 0x1000_0000, 0x100), (4, 0x1000_4000, 0x4000)]);
        assert_eq!(manager.found(BRIDGE, disk), Ok(Some(3)));
        let expected = [
            "describe /pcie@4000/pci1af4,1042@1,0",
            "registers 0x10000000 0x100 bar0",
            "registers 0x10004000 0x4000 bar4",
            "interrupt 37 false intx",
            "start 3 false",
        ];
        assert_eq!(init.calls(), expected);
        assert_eq!(manager.found(BRIDGE, Function { device: 1, ..function(2, &[]) }), Ok(None));
        let rows = rows(manager);
        assert_eq!(
            rows.iter().map(|row| row.0.as_str()).collect::<Vec<_>>(),
            ["/gic@0", "/smmu@9000", "/uart@1000", "/pcie@4000", DISK, "/pcie@4000/pci1af4,1@2,0"]
        );
        assert_eq!((rows[4].1, rows[5].1), (State::Running, State::NoDriver));
        let line = |line| manager.resource(4, line).unwrap().map(|it| it.as_str().to_string());
        let mut line = line;
        assert_eq!(line(1).unwrap(), "registers 0x10000000..0x10000100 (bar0)");
        assert_eq!(line(3).unwrap(), "interrupt 37, level (intx)");
        assert_eq!(line(4).unwrap(), "memory through the IOMMU at 0x90000000, stream 0x108");
        assert_eq!(line(5), None);
    });
    let node = init.node();
    let tree = Tree::parse(&node).unwrap();
    assert_eq!(
        tree.compatible().collect::<Vec<_>>(),
        ["pci1af4,1042.1", "pci1af4,1042", "pciclass,010000", "pciclass,0100"]
    );
    assert!(tree.walk().next().unwrap().is_dma_coherent());
}

#[test]
fn a_bus_master_gets_the_stream_that_the_bridge_passes_it_on_as() {
    let init = init();
    let mut components = components();
    components[2].dma = true;
    with_drivers(&init, &components, |manager| {
        assert_eq!(manager.found(BRIDGE, function(1, &[])), Ok(Some(3)));
        let calls = init.calls();
        assert_eq!(calls[2..], ["stream 0x90000000 0x108", "start 3 true"], "{calls:?}");
        // Behind no IOMMU.
        assert_eq!(manager.found(BRIDGE, function(8, &[])), Ok(Some(3)));
        assert!(!init.calls().iter().any(|call| call.starts_with("stream")));
    });
}

#[test]
fn what_is_not_the_bus_to_give_is_refused() {
    with(&init(), |manager| {
        for other in [UART, Badge::new(7, 1, 0)] {
            assert_eq!(manager.found(other, function(1, &[])), Err(Status::NoBus));
        }
        for bars in [
            &[(0, 0x1000, 0x1000)][..],
            &[(0, 0x2000_0000, 0x1000)],
            &[(0, 0x100f_f000, 0x1001)],
            &[(0, 0x1000_0800, 0x100)],
            &[(0, u64::MAX - 0xfff, 0x1000)],
            &[(0, 0x1000_0000, u64::MAX)],
            &[(0, 0x1000_0000, 0x100), (1, 0x1000_0000, 0x100)],
        ] {
            assert_eq!(manager.found(BRIDGE, function(1, bars)), Err(Status::BadFunction), "{bars:x?}");
        }
        assert_eq!(manager.found(BRIDGE, function(1, &[(0, 0x1000_0000, 0x100)])), Ok(Some(3)));
        assert_eq!(manager.found(BRIDGE, function(2, &[(0, 0x1000_0000, 0x10)])), Err(Status::BadFunction));
        for device in 3..31 {
            for number in 0..8 {
                let _ = manager.found(BRIDGE, Function { address: device << 3 | number, ..function(0, &[]) });
            }
        }
        assert_eq!(manager.found(BRIDGE, function(31, &[])), Err(Status::TooMany));
    });
}

#[test]
fn what_was_found_before_is_not_started_again() {
    let init = init();
    let disk = function(1, &[(0, 0x1000_0000, 0x100)]);
    with(&init, |manager| {
        assert_eq!(manager.found(BRIDGE, disk), Ok(Some(3)));
        assert_eq!(manager.found(BRIDGE, disk), Ok(Some(3)), "the bridge's driver came back");
        assert_eq!(manager.found(BRIDGE, function(1, &[(0, 0x1000_1000, 0x100)])), Err(Status::BadFunction));
        assert_eq!(rows(manager).len(), 5);
    });
    init.add(4, 3, "disk", DISK);
    with(&init, |manager| {
        assert_eq!(manager.found(BRIDGE, disk), Ok(Some(4)), "devmgr came back");
        assert!(init.calls().is_empty());
    });
}

#[test]
fn a_pin_that_leads_nowhere_is_said() {
    with(&init(), |manager| {
        assert_eq!(manager.found(BRIDGE, Function { pin: 3, ..function(1, &[]) }), Ok(None));
        let row = (0..).map_while(|index| manager.list(index).unwrap()).find(|row| row.path.as_str() == DISK).unwrap();
        assert_eq!(row.state, State::Refused);
        assert!(row.reason.as_str().contains("interrupt-map"), "{}", row.reason.as_str());
    });
}
