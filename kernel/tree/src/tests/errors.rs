//! Errors are one line that names node and property.

use std::string::{String, ToString};
use std::vec::Vec;

use super::qemu;
use tree_writer::Builder;

use crate::{Fault, HEADER_BYTES, MAX_DEPTH, MAX_TREE_BYTES, Tree};

fn patched(at: usize, word: u32) -> Vec<u8> {
    let mut bytes = qemu("virt-gic2.dtb").to_vec();
    bytes.get_mut(at..at + 4).unwrap().copy_from_slice(&word.to_be_bytes());
    bytes
}

fn parse_fault(bytes: &[u8]) -> Fault {
    Tree::parse(bytes).unwrap_err().fault
}

fn machine_error(build: impl Fn(&mut Builder)) -> String {
    let mut tree = Builder::new();
    tree.cells("#address-cells", &[2]).cells("#size-cells", &[2]);
    build(&mut tree);
    Tree::parse(&tree.finish()).unwrap().machine().unwrap_err().to_string()
}

#[test]
fn headers() {
    let good = qemu("virt-gic2.dtb");
    assert_eq!(Tree::total_size(good.get(..HEADER_BYTES).unwrap()), Ok(good.len()));
    assert_eq!(Tree::total_size(&[]).unwrap_err().fault, Fault::Short { have: 0, need: 40 });
    assert_eq!(Tree::total_size(&[0; 40]).unwrap_err().fault, Fault::Magic(0));
    assert_eq!(parse_fault(&patched(4, MAX_TREE_BYTES as u32 + 1)), Fault::Size(MAX_TREE_BYTES + 1));
    assert_eq!(parse_fault(&patched(4, 39)), Fault::Size(39));
    assert!(matches!(parse_fault(good.get(..good.len() - 1).unwrap()), Fault::Short { .. }));
    assert_eq!(parse_fault(&patched(20, 16)), Fault::Version(16));
    assert_eq!(parse_fault(&patched(24, 18)), Fault::Version(18));
    for (at, name) in [(8, "structure"), (12, "strings"), (16, "reservation")] {
        for wrong in [0, 20, 0x2001, u32::MAX] {
            let fault = parse_fault(&patched(at, wrong));
            assert!(matches!(fault, Fault::Block { name: found, .. } if found == name), "{at} {wrong:#x} {fault}");
        }
    }
    assert!(matches!(parse_fault(&patched(36, u32::MAX)), Fault::Block { name: "structure", .. }));
    assert_eq!(parse_fault(&patched(36, 0)), Fault::Truncated);
}

#[test]
fn every_truncation_is_refused() {
    let good = qemu("virt-gic3-smp8-8g.dtb");
    for length in 0..good.len() {
        let mut short = good.get(..length).unwrap().to_vec();
        assert!(Tree::parse(&short).is_err());
        if let Some(total) = short.get_mut(4..8) {
            total.copy_from_slice(&(length as u32).to_be_bytes());
        }
        assert!(Tree::parse(&short).is_err(), "{length}");
    }
}

#[test]
fn structure() {
    let fault = |build: &dyn Fn(&mut Builder)| {
        let mut tree = Builder::new();
        build(&mut tree);
        Tree::parse(&tree.finish()).unwrap_err()
    };
    let nest = |depth: usize| {
        let mut tree = Builder::new();
        (1..depth).for_each(|_| {
            tree.begin("n");
        });
        (1..depth).for_each(|_| {
            tree.end();
        });
        tree.finish()
    };
    assert!(Tree::parse(&nest(MAX_DEPTH)).is_ok());
    assert_eq!(parse_fault(&nest(MAX_DEPTH + 1)), Fault::Depth);
    assert_eq!(
        fault(&|tree| {
            tree.begin("a/b").end();
        })
        .fault,
        Fault::Name
    );
    assert_eq!(
        fault(&|tree| {
            tree.begin("").end();
        })
        .fault,
        Fault::Name
    );
    assert_eq!(
        fault(&|tree| {
            tree.begin("a\nb").end();
        })
        .node
        .as_str(),
        "/a?b"
    );
    assert_eq!(
        fault(&|tree| {
            tree.begin("a");
        })
        .fault,
        Fault::Token(9)
    );
    assert_eq!(
        fault(&|tree| {
            tree.end();
        })
        .fault,
        Fault::Token(2)
    );
    assert_eq!(
        fault(&|tree| {
            tree.token(7);
        })
        .fault,
        Fault::Token(7)
    );
    assert_eq!(
        fault(&|tree| {
            tree.token(3).token(u32::MAX).token(0);
        })
        .fault,
        Fault::Truncated
    );
    assert_eq!(
        fault(&|tree| {
            tree.token(3).token(0).token(99);
        })
        .fault,
        Fault::NameOffset(99)
    );
    let late = fault(&|tree| {
        tree.begin("a").end().flag("late");
    });
    assert_eq!((late.fault, late.node.as_str()), (Fault::Token(3), "/"));
    let cells = fault(&|tree| {
        tree.begin("soc").begin("a").bytes("#size-cells", &[1]).end().end();
    });
    let line = "/soc/a: #size-cells: 1 bytes where (a multiple of) 4 are needed (at byte 0x50)";
    assert_eq!(cells.to_string(), line);
}

#[test]
fn the_machine_names_node_and_property() {
    let memory = machine_error(|tree| {
        tree.begin("memory@0").cells("reg", &[0, 0, 0]).end();
    });
    assert!(memory.starts_with("/memory@0: reg: 12 bytes where"), "{memory}");
    let memory = machine_error(|tree| {
        tree.begin("memory@0").cells("reg", &[!0, !0, 0, 2]).end();
    });
    assert!(memory.starts_with("/memory@0: reg: 0xffffffffffffffff + 0x2 runs over"), "{memory}");
    let chosen = machine_error(|tree| {
        tree.begin("chosen").bytes("bootargs", b"a\0b\0").end();
    });
    assert!(chosen.starts_with("/chosen: bootargs: not a text"), "{chosen}");
    let chosen = machine_error(|tree| {
        tree.begin("chosen").cells("linux,initrd-start", &[1]).end();
    });
    assert!(chosen.starts_with("/chosen: linux,initrd-end: missing"), "{chosen}");
    let cpu = machine_error(|tree| {
        tree.begin("cpus").begin("cpu@0").end().end();
    });
    assert!(cpu.starts_with("/cpus/cpu@0: reg: missing"), "{cpu}");
    let psci = machine_error(|tree| {
        tree.begin("psci").texts("compatible", &["arm,psci-1.0"]).end();
    });
    assert!(psci.starts_with("/psci: method: missing"), "{psci}");
    let reserve = machine_error(|tree| {
        tree.reserve(!0, 2);
    });
    assert!(reserve.starts_with("/memreserve/: 0xffffffffffffffff + 0x2 runs over"), "{reserve}");
    let gic = machine_error(|tree| {
        tree.begin("gic").texts("compatible", &["arm,gic-v3"]).cells("#interrupt-cells", &[3]);
        tree.cells("reg", &[0, 0, 0, 0x1000]).end();
    });
    assert!(gic.starts_with("/gic: reg: missing"), "{gic}");
}

#[test]
fn a_long_path_keeps_its_end() {
    let error = machine_error(|tree| {
        tree.begin("reserved-memory").begin(&"x".repeat(200)).cells("reg", &[1]).end().end();
    });
    assert!(error.len() < 160 && error.contains("xxx: reg: "), "{error}");
}

#[test]
fn a_console_whose_registers_lie_oddly() {
    for (name, value) in [("reg-shift", 4), ("reg-io-width", 3)] {
        let mut tree = Builder::new();
        tree.begin("chosen").texts("stdout-path", &["/uart@0"]).end();
        tree.begin("uart@0").cells("reg", &[0, 0, 0x1000]).cells(name, &[value]).end();
        let error = Tree::parse(&tree.finish()).unwrap().console().unwrap_err().to_string();
        assert!(error.starts_with("/uart@0: ") && error.contains(name), "{error}");
    }
}

#[test]
fn a_console_that_leads_nowhere() {
    for path in ["serial0", "/uart@0", "/chosen", ":", ""] {
        let mut tree = Builder::new();
        tree.begin("chosen").texts("stdout-path", &[path]).end();
        let error = Tree::parse(&tree.finish()).unwrap().console().unwrap_err().to_string();
        assert!(error.starts_with("/chosen: "), "{error}");
    }
}
