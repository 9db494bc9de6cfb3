//! The arrows between the crates point one way: `kernel → abi ← rt ← ipc ← {net ← services, apps; drivers/kit ← drivers}`.

use anyhow::{Result, bail};
use cargo_metadata::camino::Utf8Path;
use cargo_metadata::{Dependency, DependencyKind, Package};

use crate::workspace::Workspace;

/// A folder of crates, and the folders whose crates they may name.
struct Layer {
    folder: &'static str,
    may_use: &'static [&'static str],
}

/// The longest folder that matches a crate is its layer.
const LAYERS: &[Layer] = &[
    Layer { folder: "kernel/abi", may_use: &[] },
    Layer { folder: "kernel/early", may_use: &[] },
    Layer { folder: "kernel/tree/writer", may_use: &[] },
    Layer { folder: "kernel/tree", may_use: &["kernel/tree/writer"] },
    Layer { folder: "kernel", may_use: &["kernel/abi", "kernel/early", "kernel/tree"] },
    Layer { folder: "userland/rt", may_use: &["kernel/abi"] },
    Layer { folder: "userland/ipc/macros", may_use: &[] },
    Layer { folder: "userland/ipc", may_use: &["kernel/abi", "userland/ipc/macros", "userland/rt"] },
    Layer { folder: "userland/net", may_use: &["userland/ipc", "userland/rt"] },
    Layer { folder: "userland/bundle", may_use: &["kernel/abi"] },
    Layer {
        folder: "userland/init",
        may_use: &["kernel/abi", "kernel/tree", "userland/bundle", "userland/ipc", "userland/rt"],
    },
    Layer { folder: "userland/services", may_use: COMPONENT },
    Layer {
        folder: "userland/services/devmgr",
        may_use: &["kernel/abi", "kernel/tree", "kernel/tree/writer", "userland/bundle", "userland/ipc", "userland/rt"],
    },
    Layer { folder: "userland/apps", may_use: COMPONENT },
    Layer {
        folder: "drivers/kit",
        may_use: &["kernel/abi", "kernel/tree", "kernel/tree/writer", "userland/rt", "userland/ipc"],
    },
    Layer { folder: "drivers/sd", may_use: &["drivers/kit", "userland/ipc", "userland/rt"] },
    Layer { folder: "drivers", may_use: &["drivers/kit", "drivers/sd", "userland/ipc", "userland/rt"] },
    Layer { folder: "tests/programs/agent", may_use: &["kernel/abi", "userland/rt"] },
    Layer {
        folder: "tests/programs",
        may_use: &[
            "drivers/kit",
            "kernel/abi",
            "tests/disk-jobs",
            "tests/programs/agent",
            "userland/ipc",
            "userland/rt",
        ],
    },
    Layer { folder: "tests/disk-jobs", may_use: &[] },
    Layer { folder: "tests/linux", may_use: &["tests/disk-jobs"] },
    Layer { folder: "tests/system", may_use: &[] },
    Layer { folder: "tests", may_use: &["tests/system"] },
    Layer {
        folder: "xtask",
        // `port` asks the code that will read the tree on the machine.
        may_use: &[
            "kernel",
            "kernel/abi",
            "kernel/early",
            "kernel/tree",
            "kernel/tree/writer",
            "tests/disk-jobs",
            "tests/system",
            "userland/bundle",
            "userland/ipc",
            "userland/services/devmgr",
        ],
    },
];

/// A component names protocols, never another component.
const COMPONENT: &[&str] = &["userland/ipc", "userland/net", "userland/rt"];

/// Fails with every arrow that points the wrong way.
pub fn check(workspace: &Workspace) -> Result<()> {
    let mut wrong = Vec::new();
    for package in &workspace.metadata.packages {
        let from = folder(workspace, package.manifest_path.parent());
        let Some(layer) = layer(from) else {
            wrong.push(format!("{from}: belongs to no layer that xtask/src/layering.rs knows"));
            continue;
        };
        for dependency in inside(package) {
            let to = folder(workspace, dependency.path.as_deref());
            let allowed = layer.may_use.contains(&to);
            if !allowed {
                wrong.push(format!("{}: {from} must not depend on {to}", package.manifest_path));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { bail!("the layering is broken:\n    {}", wrong.join("\n    ")) }
}

/// What a crate needs of this repository; what its tests need is left to them.
fn inside(package: &Package) -> impl Iterator<Item = &Dependency> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.path.is_some() && dependency.kind != DependencyKind::Development)
}

fn folder<'a>(workspace: &Workspace, path: Option<&'a Utf8Path>) -> &'a str {
    let path = path.map_or("", Utf8Path::as_str);
    let root = workspace.metadata.workspace_root.as_str();
    path.strip_prefix(root).unwrap_or(path).trim_start_matches('/')
}

fn layer(folder: &str) -> Option<&'static Layer> {
    let inside =
        |layer: &&Layer| folder.strip_prefix(layer.folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    LAYERS.iter().filter(inside).max_by_key(|layer| layer.folder.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(from: &str, to: &str) -> bool {
        layer(from).expect("a layer").may_use.contains(&to)
    }

    #[test]
    fn the_arrows() {
        assert!(allowed("kernel", "kernel/abi") && allowed("userland/init", "userland/bundle"));
        assert!(allowed("drivers/pl011", "drivers/kit") && allowed("userland/apps/shell", "userland/ipc"));
        assert!(!allowed("kernel", "userland/rt") && !allowed("kernel", "drivers/pl011"));
        assert!(!allowed("userland/apps/shell", "userland/services/file"));
        assert!(!allowed("drivers/pl011", "drivers/virtio-blk") && !allowed("drivers/kit", "drivers/pl011"));
        assert!(!allowed("kernel/abi", "kernel") && !allowed("userland/rt", "userland/ipc"));
        assert!(layer("somewhere/else").is_none() && layer("kernelish").is_none());
    }
}
