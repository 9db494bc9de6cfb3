//! What others read in the same trees: the tool `fdtget` and the crate `fdt`.

use std::process::Command;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, println};

use super::QEMU;
use crate::Tree;

/// Every property: path, name, value.
fn properties(bytes: &[u8]) -> Vec<(String, String, Vec<u8>)> {
    let tree = Tree::parse(bytes).unwrap();
    let (mut walk, mut all) = (tree.walk(), Vec::new());
    while let Some(node) = walk.next() {
        let path = node.path().to_string();
        all.extend(node.properties().map(|it| (path.clone(), it.name.to_string(), it.value.to_vec())));
    }
    all
}

#[test]
fn fdtget_reads_the_same() {
    if Command::new("fdtget").arg("--version").output().is_err() {
        println!("left out: fdtget (package device-tree-compiler) is not installed");
        return;
    }
    for (name, bytes) in QEMU {
        let ours = properties(bytes);
        let file = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
        let queries = ours.iter().flat_map(|(path, property, _)| [path, property]);
        let output = Command::new("fdtget").args(["-t", "bx", &file]).args(queries).output().unwrap();
        assert!(output.status.success(), "{name}");
        let text = String::from_utf8(output.stdout).unwrap();
        let theirs: Vec<&str> = text.lines().collect();
        assert_eq!(theirs.len(), ours.len(), "{name}");
        for ((path, property, value), line) in ours.iter().zip(theirs) {
            let value: Vec<String> = value.iter().map(|byte| format!("{byte:x}")).collect();
            assert_eq!(value.join(" "), line.trim(), "{name} {path} {property}");
        }
    }
}

#[test]
fn the_crate_walks_the_same() {
    for (name, bytes) in QEMU {
        let fdt = fdt::Fdt::new(bytes).unwrap();
        let theirs = fdt.all_nodes().flat_map(|node| node.properties().map(move |it| (it.name, it.value)));
        let ours = properties(bytes);
        assert!(theirs.eq(ours.iter().map(|(_, name, value)| (name.as_str(), value.as_slice()))), "{name}");
    }
}
