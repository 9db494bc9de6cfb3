//! Functions that a bus finds, against an init that lives in the test.

use std::string::{String, ToString};
use std::vec::Vec;

use bundle::Bundle;
use ipc::broker::{BrokerClient, BrokerServer};
use ipc::devices::{Bar, Devices, Function, Route, State, Status};
use ipc::supervisor::State as Running;
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
    tree.begin("its@8000").texts("compatible", &["arm,gic-v3-its"]).cells("phandle", &[3]).cells("#msi-cells", &[1]);
    tree.cells("reg", &[0, 0x8000_0000, 0, 0x2_0000]).end();
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
    tree.cells("msi-map", &[0, 3, 0x200, 0x40])
        .cells("iommu-map", &[0, 2, 0x100, 0x40])
        .cells("ranges", [io, memory].as_flattened())
        .end();
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
            ["/gic@0", "/its@8000", "/smmu@9000", "/uart@1000", "/pcie@4000", DISK, "/pcie@4000/pci1af4,1@2,0"]
        );
        assert_eq!((rows[5].1, rows[6].1), (State::Running, State::NoDriver));
        let line = |line| manager.resource(5, line).unwrap().map(|it| it.as_str().to_string());
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
        assert_eq!(manager.found(BRIDGE, function(9, &[])), Ok(Some(3)));
        assert!(!init.calls().iter().any(|call| call.starts_with("stream")));
    });
}

#[test]
fn a_function_behind_a_bridge_is_listed_there_and_interrupts_as_it_says() {
    let init = init();
    let mut components = components();
    components[2].dma = true;
    with_drivers(&init, &components, |manager| {
        let bridge = Function { device: 0xc, class: 0x0604_0000, ..function(2, &[]) };
        assert_eq!(manager.found(BRIDGE, bridge), Ok(None));
        assert!(init.calls().is_empty(), "no driver but that of the bus");
        let route = |bridge, pin, shared| Route { bridge, device: 1 << 3, pin, shared };
        // The pin that the board maps is INTA of device 1.
        let disk = |address, pin| Function { address, pin, ..function(0, &[]) };
        assert_eq!(manager.found_behind(BRIDGE, disk(0x10, 4), route(2 << 3, 1, false)), Ok(Some(3)));
        let calls = init.calls();
        assert_eq!(calls[0], "describe /pcie@4000/pci1af4,c@2,0/pci1af4,1042@2,0");
        assert_eq!(calls[1..], ["interrupt 37 false intx", "stream 0x90000000 0x110", "start 3 true"]);
        // What is in front of it nobody told of; and whose requester ID is not its own.
        assert_eq!(manager.found_behind(BRIDGE, disk(0x18, 1), route(3 << 3, 1, false)), Err(Status::BadFunction));
        assert_eq!(manager.found_behind(BRIDGE, disk(0x20, 1), route(2 << 3, 1, true)), Ok(None));
        assert!(init.calls().is_empty());
        let rows: Vec<_> = (0..).map_while(|index| manager.list(index).unwrap()).collect();
        let row = |path: &str| rows.iter().find(|row| row.path.as_str() == path).unwrap();
        let bridge = row("/pcie@4000/pci1af4,c@2,0");
        assert_eq!((bridge.state, bridge.driver.as_str()), (State::Running, "bridge"));
        let shared = row("/pcie@4000/pci1af4,c@2,0/pci1af4,1042@4,0");
        assert_eq!(shared.state, State::Refused);
        assert!(shared.reason.as_str().contains("requester IDs"), "{}", shared.reason.as_str());
        assert_eq!(manager.found_behind(UART, disk(0x10, 4), route(2 << 3, 1, false)), Err(Status::NoBus));
    });
}

#[test]
fn a_bus_master_gets_the_messages_that_it_can_send() {
    let init = init();
    let mut components = components();
    components[2].dma = true;
    let messages = |init: &Init| init.calls().into_iter().find(|call| call.starts_with("messages"));
    with_drivers(&init, &components, |manager| {
        let found = Function { messages: 4, ..function(1, &[]) };
        assert_eq!(manager.found(BRIDGE, found), Ok(Some(3)));
        assert_eq!(messages(&init).unwrap(), "messages 0x80000000 0x208 4");
        let lines = (0..).map_while(|line| manager.resource(5, line).unwrap());
        let lines: Vec<String> = lines.map(|line| line.as_str().to_string()).collect();
        assert!(lines.contains(&"messages 4, device 0x208 of the ITS at 0x80000000".into()), "{lines:?}");
        // No more than a driver is given.
        manager.found(BRIDGE, Function { messages: 255, ..function(5, &[]) }).unwrap();
        assert_eq!(messages(&init).unwrap(), "messages 0x80000000 0x228 8");
        // Behind no controller.
        manager.found(BRIDGE, Function { messages: 1, ..function(9, &[]) }).unwrap();
        assert_eq!(messages(&init), None);
    });
    // What masters no bus sends none.
    with(&init, |manager| {
        manager.found(BRIDGE, Function { messages: 4, ..function(1, &[]) }).unwrap();
        assert_eq!(messages(&init), None);
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
            &[(0, 0x2001_0000, 0x1000)],
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
        // Ports that the CPU has as memory.
        assert_eq!(manager.found(BRIDGE, function(5, &[(0, 0x2000_1000, 8)])), Ok(Some(3)));
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
        assert_eq!(rows(manager).len(), 6);
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

/// What init is told of drivers without a device, and of services without a server.
fn told(init: &Init) -> Vec<String> {
    let of_these = |call: &String| ["refuse", "run", "settle"].iter().any(|word| call.starts_with(word));
    init.calls().into_iter().filter(of_these).collect()
}

/// Starts a manager and does something with it; what was told while it started comes first.
fn from_the_start(drivers: &[Written], does: impl FnOnce(&Init, &mut Manager<'_, Loopback<BrokerServer<Init>>>)) {
    let names: Vec<&str> = drivers.iter().map(|it| it.name).collect();
    let (init, board, bytes) = (Init::with(&names), board(), bundle(drivers));
    let (tree, bundle) = (Tree::parse(&board).unwrap(), Bundle::parse(&bytes).unwrap());
    let broker = BrokerClient(Loopback::new(BrokerServer(init.clone())));
    does(&init, &mut Manager::new(tree, &bundle, broker).unwrap());
}

#[test]
fn drivers_of_functions_wait_for_the_bus_and_no_others_do() {
    let others = [written("nothing", &[("no,such", None)]), written("nvme", &[("pciclass,010802", None)])];
    let drivers: Vec<Written> = components().into_iter().chain(others).collect();
    from_the_start(&drivers, |init, manager| {
        assert_eq!(told(init), ["refuse 4: no device for it", "run"]);
        assert_eq!(manager.found(BRIDGE, function(1, &[])), Ok(Some(3)));
        assert_eq!(manager.scanned(UART), Err(Status::NoBus));
        assert!(told(init).is_empty());
        assert_eq!(manager.scanned(BRIDGE), Ok(()));
        assert_eq!(told(init), ["refuse 5: no device for it", "settle"]);
        assert_eq!((manager.scanned(BRIDGE), manager.settle()), (Ok(()), Ok(())), "the bridge's driver came back");
        assert!(told(init).is_empty());
        let late = Function { class: 0x0108_0200, device: 1, pin: 0, ..function(2, &[]) };
        assert_eq!(manager.found(BRIDGE, late), Ok(Some(5)), "what comes late is driven");
    });
}

#[test]
fn a_bus_that_says_nothing_is_not_waited_for_for_ever() {
    from_the_start(&components(), |init, manager| {
        assert_eq!(told(init), ["run"]);
        assert_eq!(manager.settle(), Ok(()));
        assert_eq!(told(init), ["refuse 3: no device for it", "settle"]);
        assert_eq!((manager.scanned(BRIDGE), manager.settle()), (Ok(()), Ok(())));
        assert!(told(init).is_empty());
    });
    let [_, uart, disk] = components();
    from_the_start(&[uart, disk], |init, _| {
        assert_eq!(told(init), ["run", "refuse 2: no device for it", "settle"], "no bus");
    });
}

#[test]
fn a_function_masters_the_bus_if_its_drivers_manifest_says_so() {
    let [bridge, uart, disk] = components();
    let nic = Written { dma: true, ..written("nic", &[("pci1af4,1041", None)]) };
    from_the_start(&[bridge, uart, disk, nic], |init, manager| {
        assert_eq!(manager.may_master(BRIDGE, 4), Ok(false), "it has no function yet");
        assert_eq!(manager.found(BRIDGE, function(1, &[])), Ok(Some(3)));
        assert_eq!(manager.found(BRIDGE, Function { device: 0x1041, pin: 0, ..function(2, &[]) }), Ok(Some(4)));
        let may = [1, 2, 3, 4, 5].map(|component| manager.may_master(BRIDGE, component));
        assert_eq!(may, [Ok(false), Ok(false), Ok(false), Ok(true), Ok(false)]);
        assert_eq!(manager.may_master(UART, 4), Err(Status::NoBus));
        let running = |manager: &mut Manager<'_, _>| [2, 3, 4].map(|component| manager.is_running(BRIDGE, component));
        assert_eq!(running(manager), [Ok(false), Ok(true), Ok(true)], "the UART is no function");
        init.set_state(4, Running::Restarting);
        assert_eq!(running(manager), [Ok(false), Ok(true), Ok(false)]);
        assert_eq!((manager.may_master(BRIDGE, 4), manager.is_running(UART, 3)), (Ok(true), Err(Status::NoBus)));
    });
}

#[test]
fn names_of_functions_are_told_from_others() {
    let is_name = crate::function::is_name;
    assert!(["pci1af4,1042", "pci8086,10d3.8086.0", "pciclass,010802"].into_iter().all(is_name));
    assert!(
        !["pci-host-ecam-generic", "virtio,mmio", "pci", "pci,1", "pcispace,1", "pci12345,1"].into_iter().any(is_name)
    );
}

#[test]
fn a_bus_asks_about_its_own_lines_and_no_others() {
    let init = init();
    with(&init, |manager| {
        // The board maps INTA of device 1, and of each fourth.
        assert_eq!((manager.line(BRIDGE, 1 << 3, 1), manager.line(BRIDGE, 5 << 3, 1)), (Ok(Some(0)), Ok(Some(0))));
        assert_eq!((manager.line(BRIDGE, 1 << 3, 2), manager.line(BRIDGE, 2 << 3, 1)), (Ok(None), Ok(None)));
        assert_eq!((manager.line(BRIDGE, 1 << 3, 0), manager.line(BRIDGE, 0xffff, 0xff)), (Ok(None), Ok(None)));
        assert_eq!(manager.line(UART, 1 << 3, 1), Err(Status::NoBus));
        assert_eq!((manager.stuck(BRIDGE, 1), manager.stuck(UART, 0)), (Err(Status::NoNode), Err(Status::NoBus)));
        assert!(init.calls().is_empty());
        assert_eq!((manager.stuck(BRIDGE, 0), init.calls()), (Ok(1), vec!["unblock 1 37".into()]));
    });
    // It is given them.
    from_the_start(&components(), |init, _| {
        let calls = init.calls();
        assert!(calls.contains(&"interrupt 37 false intx0".into()), "{calls:?}");
    });
}

#[test]
fn what_is_gone_has_no_driver_and_comes_again() {
    let init = init();
    with(&init, |manager| {
        let bridge = Function { device: 0xc, class: 0x0604_0000, ..function(2, &[]) };
        let route = Route { bridge: 2 << 3, device: 1 << 3, pin: 1, shared: false };
        let disk = Function { address: 0x100, ..function(0, &[(0, 0x1000_0000, 0x100)]) };
        let before = rows(manager);
        for _ in 0..3 {
            assert_eq!(manager.found(BRIDGE, bridge), Ok(None));
            assert_eq!(manager.found_behind(BRIDGE, disk, route), Ok(Some(3)));
            init.calls();
            assert_eq!(manager.gone(UART, 0x100), Err(Status::NoBus));
            assert_eq!((manager.gone(BRIDGE, 0x108), init.calls()), (Err(Status::NoNode), vec![]));
            assert_eq!((manager.gone(BRIDGE, 0x100), init.calls()), (Ok(()), vec!["remove 3".into()]));
            assert_eq!(manager.gone(BRIDGE, 0x100), Err(Status::NoNode));
            assert_eq!(rows(manager).len(), before.len() + 1);
            // A bridge goes with what is behind it.
            assert_eq!(manager.found_behind(BRIDGE, disk, route), Ok(Some(3)));
            init.calls();
            assert_eq!((manager.gone(BRIDGE, 2 << 3), init.calls()), (Ok(()), vec!["remove 3".into()]));
            assert_eq!(rows(manager), before);
        }
    });
}
