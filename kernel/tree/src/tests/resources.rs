//! What a driver of a phone's device must be given, and what the device needs of others.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::{QEMU, qemu};
use tree_writer::Builder;

use crate::{Dependency, Device, Fault, Interrupt, Line, Phandle, Phandles, Range, Tree, TreeError, Window};

/// A tree with everything that one device can refer to.
pub(crate) fn board() -> Vec<u8> {
    let mut tree = Builder::new();
    tree.cells("#address-cells", &[2]).cells("#size-cells", &[2]).cells("interrupt-parent", &[1]);
    tree.texts("compatible", &["maker,board"]);
    tree.begin("interrupt-controller@8000000").texts("compatible", &["arm,gic-v3"]).cells("phandle", &[1]);
    tree.flag("interrupt-controller").cells("#interrupt-cells", &[3]).cells("#address-cells", &[2]);
    tree.cells("reg", &[0, 0x800_0000, 0, 0x1000, 0, 0x80a_0000, 0, 0x2_0000]).end();
    tree.begin("reserved-memory").cells("#address-cells", &[2]).cells("#size-cells", &[1]).flag("ranges");
    tree.begin("frame@9c000000").cells("phandle", &[20]).cells("reg", &[0, 0x9c00_0000, 0x240_0000]).end();
    tree.begin("modem@86000000").cells("phandle", &[21]).flag("no-map");
    tree.cells("reg", &[0, 0x8600_0000, 0x1000, 1, 0, 0x2000]).end();
    tree.begin("pool").cells("phandle", &[22]).cells("size", &[0x10_0000]).end();
    tree.end();
    tree.begin("regulator").texts("compatible", &["regulator-fixed"]).cells("phandle", &[5]).end();
    tree.begin("soc").texts("compatible", &["simple-bus"]).cells("#address-cells", &[1]).cells("#size-cells", &[1]);
    tree.cells("ranges", &[0, 0, 0x1000_0000, 0x1000_0000]);
    tree.cells("dma-ranges", &[0xc000_0000, 0, 0, 0x3f00_0000, 0, 1, 0, 0x1000]);
    tree.begin("clock@1000").texts("compatible", &["maker,clocks"]).cells("phandle", &[2]).cells("reg", &[0x1000, 8]);
    tree.cells("#clock-cells", &[1]).cells("#reset-cells", &[2]).cells("#power-domain-cells", &[0]).end();
    tree.begin("crystal").texts("compatible", &["fixed-clock"]).cells("phandle", &[3]).cells("#clock-cells", &[0]);
    tree.end();
    tree.begin("pins@2000").texts("compatible", &["maker,pins"]).cells("phandle", &[4]).cells("reg", &[0x2000, 8]);
    tree.flag("interrupt-controller").cells("#interrupt-cells", &[2]).cells("#gpio-cells", &[2]);
    tree.cells("interrupts", &[0, 9, 4]).begin("on").cells("phandle", &[6]).end().begin("off").cells("phandle", &[7]);
    tree.end().end();
    tree.begin("dma@3000").texts("compatible", &["maker,dma"]).cells("phandle", &[8]).cells("reg", &[0x3000, 8]);
    tree.cells("#dma-cells", &[1]).cells("#phy-cells", &[0]).cells("#iommu-cells", &[1]).cells("#mbox-cells", &[3]);
    tree.end();
    // Passes interrupts on, 8 and 9 to the GIC, 10 to the pins; which device asks does not count.
    tree.begin("combiner").cells("phandle", &[9]).cells("#interrupt-cells", &[1]).cells("#address-cells", &[1]);
    tree.cells("interrupt-map-mask", &[0, 0xff]);
    tree.cells(
        "interrupt-map",
        &[0, 8, 1, 0, 0, 0, 100, 4, 0, 9, 1, 0, 0, 0, 101, 1, 0x77, 10, 4, 3, 1, 0, 11, 9, 0x77, 8, 0, 14, 9, 0, 14],
    );
    tree.end();
    tree.begin("all@4000").texts("compatible", &["maker,all"]).cells("reg", &[0x4000, 0x100, 0x5000, 0x10]);
    tree.texts("reg-names", &["core", "wrap"]).texts("interrupt-names", &["wake", "done", "pin", "again"]);
    tree.cells("interrupts-extended", &[9, 0x108, 9, 9, 9, 10, 9, 11, 9, 12]);
    tree.cells("memory-region", &[20, 21, 22]).texts("memory-region-names", &["screen", "modem"]);
    tree.cells("clocks", &[2, 7, 0, 3, 2, 8]).texts("clock-names", &["core", "gone", "ref", "bus"]);
    tree.cells("resets", &[2, 1, 2]).texts("reset-names", &["all"]).cells("power-domains", &[2]);
    tree.cells("vdd-supply", &[5]).cells("pinctrl-0", &[6]).cells("pinctrl-1", &[7, 6]);
    tree.texts("pinctrl-names", &["default", "sleep"]).cells("enable-gpios", &[4, 3, 0, 4, 4, 1]);
    tree.cells("gpios", &[4, 9, 0]).cells("led-gpio", &[4, 1, 1]).cells("gpio-ranges", &[1]).cells("dmas", &[8, 33]);
    tree.texts("dma-names", &["rx"]).cells("phys", &[8]).texts("phy-names", &["usb"]).cells("iommus", &[8, 0x40]);
    tree.cells("mboxes", &[8, 1, 2, 3]).end();
    tree.begin("broken@6000").texts("compatible", &["maker,broken"]).cells("reg", &[0x6000, 0x100]);
    tree.cells("clocks", &[2, 7, 99, 2, 8]).cells("resets", &[3, 1]).cells("vdd-supply", &[5, 5]);
    tree.cells("memory-region", &[2]).cells("interrupts-extended", &[9, 13]).end();
    tree.begin("round@6800").texts("compatible", &["maker,round"]).cells("interrupts-extended", &[9, 14]).end();
    tree.begin("i2c@7000").texts("compatible", &["maker,i2c"]).cells("reg", &[0x7000, 0x100]);
    tree.cells("#address-cells", &[1]).cells("#size-cells", &[0]);
    tree.begin("touch@38").texts("compatible", &["chip,touch"]).cells("reg", &[0x38]).end();
    tree.begin("pmic@8").texts("compatible", &["chip,pmic"]).cells("reg", &[8]);
    tree.begin("key").texts("compatible", &["chip,key"]).end().end().end().end();
    tree.begin("__symbols__").texts("gcc", &["/soc/clock@1000"]).texts("tlmm", &["/soc/pins@2000"]).end();
    tree.finish()
}

fn on<T>(bytes: &[u8], path: &str, look: impl Fn(&Device<'_, '_>, &Phandles<'_>) -> T) -> T {
    let tree = Tree::parse(bytes).unwrap();
    let mut room = std::vec![Phandle::default(); Phandles::count(&tree)];
    let phandles = Phandles::of(&tree, &mut room).unwrap();
    let mut devices = tree.devices();
    while let Some(device) = devices.next() {
        if device.path().to_string() == path {
            return look(&device, &phandles);
        }
    }
    panic!("no {path}");
}

fn path_of(bytes: &[u8], at: usize) -> String {
    let tree = Tree::parse(bytes).unwrap();
    let mut walk = tree.walk();
    walk.seek(at).unwrap().path().to_string()
}

fn lines(errors: &[TreeError]) -> Vec<String> {
    errors.iter().map(|error| error.to_string().split(" (at byte").next().unwrap_or_default().to_string()).collect()
}

/// An interrupt in words.
fn words(bytes: &[u8], interrupt: Interrupt<'_>) -> String {
    match interrupt {
        Interrupt::Line(Line { intid, trigger }) => format!("{intid} {trigger:?}"),
        Interrupt::Other { controller, arguments } => {
            let path = controller.map_or("nobody".into(), |at| path_of(bytes, at));
            format!("{path} {:?}", arguments.iter().collect::<Vec<_>>())
        }
    }
}

#[test]
fn interrupts_go_through_maps() {
    let board = board();
    let (interrupts, names) = on(&board, "/soc/all@4000", |device, _| {
        let interrupts: Vec<_> = device.interrupts().map(|it| it.map(|it| words(&board, it))).collect();
        (interrupts, device.interrupt_names().map(String::from).collect::<Vec<_>>())
    });
    assert_eq!(names, ["wake", "done", "pin", "again"]);
    let [wake, done, pin, again, none] = interrupts.try_into().unwrap();
    assert_eq!(wake.unwrap(), "132 Level", "the mask leaves the upper bits out");
    assert_eq!(done.unwrap(), "133 Edge");
    assert_eq!(pin.unwrap(), "/soc/pins@2000 [3, 1]");
    assert_eq!(again.unwrap(), "132 Level", "through the map twice");
    assert_eq!(none.unwrap_err().fault, Fault::Unrouted);
    let round = on(&board, "/soc/round@6800", |device, _| device.interrupts().next().unwrap().unwrap_err());
    assert_eq!(round.fault, Fault::TooMany(8), "a map that sends to itself");
}

#[test]
fn the_pins_of_pci_are_told_apart_by_device() {
    // The bridge of QEMU's virt: no node stands behind it, so one is asked for by hand.
    for (name, bytes) in QEMU.iter().filter(|(name, _)| name.starts_with("virt")) {
        for (device, pin, line) in [(0, 1, 35), (0, 4, 38), (1, 1, 36), (3, 2, 35), (35, 2, 35)] {
            let tree = Tree::parse(bytes).unwrap();
            let mut walk = tree.walk();
            let bridge = walk.find("/pcie").unwrap();
            let map = crate::interrupt_map::Map::of(&bridge).unwrap();
            let controllers = crate::interrupt::Controllers::<'_, 16>::of(&tree);
            let cells = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
            let address = cells(&[device << 11, 0, 0]);
            let routed = map.route(controllers.list(), &address, &cells(&[pin])).unwrap();
            assert_eq!(routed.entry, cells(&[0, line - 32, 4]), "{name}: device {device}, pin {pin}");
        }
    }
}

#[test]
fn reserved_memory_of_a_device() {
    let board = board();
    let regions = on(&board, "/soc/all@4000", |device, phandles| {
        let regions = device.memory_regions(phandles).map(|it| it.unwrap());
        let regions = regions.map(|it| (it.name.map(String::from), path_of(&board, it.at), it.range, it.no_map));
        regions.collect::<Vec<_>>()
    });
    let range = |base, size| Range::new(base, size);
    let (frame, modem) = ("/reserved-memory/frame@9c000000", "/reserved-memory/modem@86000000");
    let expected = [
        (Some("screen".into()), frame.into(), range(0x9c00_0000, 0x240_0000), false),
        (Some("modem".into()), modem.into(), range(0x8600_0000, 0x1000), true),
        (Some("modem".into()), modem.into(), range(0x1_0000_0000, 0x2000), true),
        (None, "/reserved-memory/pool".into(), None, false),
    ];
    assert_eq!(regions, expected);
    let error = on(&board, "/soc/broken@6000", |device, phandles| {
        device.memory_regions(phandles).next().unwrap().unwrap_err().to_string()
    });
    let line = "/soc/broken@6000: memory-region: phandle 0x2 is not within /reserved-memory";
    assert!(error.starts_with(line), "{error}");
}

#[test]
fn what_a_bus_master_reaches() {
    let board = board();
    let windows =
        on(&board, "/soc/all@4000", |device, _| device.dma_windows().map(|it| it.unwrap()).collect::<Vec<_>>());
    let window = |bus, base, size| Window { bus, cpu: Range::new(base, size).unwrap() };
    assert_eq!(windows, [window(0xc000_0000, 0, 0x3f00_0000), window(0, 0x1_0000_0000, 0x1000)]);
    assert_eq!(on(&board, "/regulator", |device, _| device.dma_windows().count()), 0);
    let touch = on(&board, "/soc/i2c@7000/touch@38", |device, _| device.dma_windows().count());
    assert_eq!(touch, 2, "the nearest that says something");
}

/// Windows through two tables.
#[test]
fn windows_are_carried_outside() {
    let mut tree = Builder::new();
    tree.cells("#address-cells", &[2]).cells("#size-cells", &[2]);
    tree.begin("soc").cells("#address-cells", &[1]).cells("#size-cells", &[1]);
    tree.cells("dma-ranges", &[0x8000_0000, 1, 0x4000_0000, 0x4000_0000]);
    tree.begin("pcie").cells("#address-cells", &[3]).cells("#size-cells", &[2]);
    let entry = |base, size| [0x0200_0000, 2, 0, base, 0, size];
    tree.cells("dma-ranges", &[entry(0x9000_0000, 0x100), entry(0x7000_0000, 1)].concat());
    tree.begin("wifi@0").texts("compatible", &["a,wifi"]).end().end().end();
    let tree = tree.finish();
    let windows = on(&tree, "/soc/pcie/wifi@0", |device, _| device.dma_windows().collect::<Vec<_>>());
    let cpu = Range::new(0x1_5000_0000, 0x100).unwrap();
    assert_eq!(windows.first(), Some(&Ok(Window { bus: 0x2_0000_0000, cpu })));
    assert_eq!(
        lines(&[windows[1].unwrap_err()]),
        ["/soc/pcie: dma-ranges: address 0x70000000 is in no range of the parents"]
    );
    assert_eq!(windows.len(), 2);
}

#[test]
fn what_a_device_needs_of_others() {
    let board = board();
    let references = on(&board, "/soc/all@4000", |device, phandles| {
        let references = device.references(phandles).map(|it| it.unwrap());
        let references = references.map(|it| {
            let arguments = it.arguments.iter().collect::<Vec<_>>();
            format!("{} {:?} {} {arguments:?}", it.dependency.word(), it.name, path_of(&board, it.provider))
        });
        references.collect::<Vec<_>>()
    });
    let expected = [
        "clocks Some(\"core\") /soc/clock@1000 [7]",
        "clocks Some(\"ref\") /soc/crystal []",
        "clocks Some(\"bus\") /soc/clock@1000 [8]",
        "resets Some(\"all\") /soc/clock@1000 [1, 2]",
        "power-domains None /soc/clock@1000 []",
        "supplies Some(\"vdd\") /regulator []",
        "pins Some(\"default\") /soc/pins@2000/on []",
        "pins Some(\"sleep\") /soc/pins@2000/off []",
        "pins Some(\"sleep\") /soc/pins@2000/on []",
        "gpios Some(\"enable\") /soc/pins@2000 [3, 0]",
        "gpios Some(\"enable\") /soc/pins@2000 [4, 1]",
        "gpios None /soc/pins@2000 [9, 0]",
        "gpios Some(\"led\") /soc/pins@2000 [1, 1]",
        "dmas Some(\"rx\") /soc/dma@3000 [33]",
        "phys Some(\"usb\") /soc/dma@3000 []",
        "iommus None /soc/dma@3000 [64]",
        "mailboxes None /soc/dma@3000 [1, 2, 3]",
    ];
    assert_eq!(references, expected);
}

#[test]
fn a_reference_that_is_broken_leaves_the_others() {
    let board = board();
    let errors = on(&board, "/soc/broken@6000", |device, phandles| {
        device.references(phandles).filter_map(Result::err).collect::<Vec<_>>()
    });
    let expected = ["/soc/broken@6000: clocks: no such phandle: 0x63", "/soc/crystal: #reset-cells: missing"];
    assert_eq!(lines(&errors), expected);
    let sound = on(&board, "/soc/broken@6000", |device, phandles| {
        device.references(phandles).filter_map(Result::ok).map(|it| it.dependency).collect::<Vec<_>>()
    });
    assert_eq!(sound, [Dependency::Clocks, Dependency::Supplies, Dependency::Supplies]);
}

#[test]
fn words_of_manifests() {
    for dependency in Dependency::ALL {
        assert_eq!(Dependency::from_word(dependency.word()), Some(dependency));
    }
    assert_eq!(Dependency::from_word("clock"), None);
}

#[test]
fn who_is_on_a_bus_of_another() {
    let board = board();
    let bus = |path| {
        let bus =
            on(&board, path, |device, _| device.bus().map(|bus| (bus.at, bus.address.iter().collect::<Vec<_>>())));
        bus.map(|(at, address)| (path_of(&board, at), address))
    };
    assert_eq!(bus("/soc/i2c@7000/touch@38"), Some(("/soc/i2c@7000".into(), Vec::from([0x38]))));
    assert_eq!(bus("/soc/i2c@7000/pmic@8/key"), Some(("/soc/i2c@7000/pmic@8".into(), Vec::new())));
    assert_eq!((bus("/soc/all@4000"), bus("/regulator"), bus("/soc")), (None, None, None));
}

#[test]
fn labels_and_places() {
    let board = board();
    let tree = Tree::parse(&board).unwrap();
    assert_eq!((tree.label("/soc/clock@1000"), tree.label("/soc/crystal")), (Some("gcc"), None));
    let mut walk = tree.walk();
    let mut offsets = Vec::new();
    while let Some(node) = walk.next() {
        offsets.push((node.offset(), node.path().to_string()));
    }
    for (offset, path) in &offsets {
        assert_eq!(walk.seek(*offset).map(|node| node.path().to_string()), Some(path.clone()));
        assert!(walk.seek(offset + 1).is_none());
        assert_eq!(walk.find(path).map(|node| node.offset()), Some(*offset));
    }
    assert!(walk.seek(usize::MAX).is_none());
    assert_eq!(Tree::parse(qemu("virt-gic2.dtb")).unwrap().label("/pl011@9000000"), None);
}

#[test]
fn too_little_room_is_said() {
    let board = board();
    let tree = Tree::parse(&board).unwrap();
    let mut room = [Phandle::default(); 3];
    assert_eq!(Phandles::of(&tree, &mut room).unwrap_err().fault, Fault::TooMany(3));
}

#[test]
fn lists_without_end_are_refused() {
    let mut tree = Builder::new();
    tree.cells("#address-cells", &[1]).cells("#size-cells", &[1]);
    tree.begin("gic@1000").texts("compatible", &["arm,gic-v3"]).cells("phandle", &[1]);
    tree.flag("interrupt-controller").cells("#interrupt-cells", &[3]).end();
    tree.begin("reserved-memory").cells("#address-cells", &[1]).cells("#size-cells", &[1]).flag("ranges");
    let many: Vec<u32> = (0..100_000).collect();
    tree.begin("many").texts("status", &["disabled"]).cells("phandle", &[2]).cells("reg", &many).end().end();
    tree.begin("device").texts("compatible", &["maker,device"]).cells("interrupt-parent", &[1]);
    tree.cells("interrupts", &many).cells("memory-region", &[2]).end();
    let bytes = tree.finish();
    let (interrupts, regions) = on(&bytes, "/device", |device, phandles| {
        let interrupts: Vec<_> = device.interrupts().map(|it| it.map(drop).map_err(|error| error.fault)).collect();
        let regions = device.memory_regions(phandles).map(|it| it.map(drop).map_err(|error| error.fault));
        (interrupts, regions.collect::<Vec<_>>())
    });
    assert_eq!((interrupts.len(), regions.len()), (1, 1));
    assert_eq!((&interrupts[0], &regions[0]), (&Err(Fault::TooMany(1024)), &Err(Fault::TooMany(256))));
}
