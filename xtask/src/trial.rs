//! What `new` makes, tried: crates outside of the repository from each template, tested on the host and booted.

pub mod board;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::board::Board;
use crate::build::Built;
use crate::new::{Plan, What};
use crate::outside;
use crate::setup::Setup;
use crate::workspace::Workspace;

/// The bundle's name: `tests/system` boots it as if it were a set of the board.
const BUNDLE: &str = "new";
/// A device that QEMU's machine has and the board has no driver for.
const COMPATIBLE: &str = "qemu,fw-cfg-mmio";

/// Makes the crates, and says in which folders.
pub fn crates(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let folder = workspace.tutti().join("new");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let make = |name: &str, what: &dyn Fn(String, Option<PathBuf>) -> What| {
        let path = folder.join(name);
        Plan::make(workspace, &what(name.into(), Some(path.clone())))?.write()?;
        Ok(path)
    };
    let driver = |protocol: &'static str| {
        move |name, path| What::Driver { name, compatible: COMPATIBLE.into(), protocol: protocol.into(), path }
    };
    [
        make("trial-driver", &driver("trial")),
        make("trial-serial", &driver("serial")),
        make("trial-service", &|name, path| What::Service { name, protocol: None, path }),
        make("trial-protocol", &|name, path| What::Protocol { name, path }),
    ]
    .into_iter()
    .collect()
}

/// A copy of the repository in which a driver and a service with a protocol of its own were made; the packages to test.
pub fn repository(workspace: &Workspace) -> Result<(PathBuf, [&'static str; 3])> {
    let folder = workspace.tutti().join("new-repository");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    copy(&workspace.root, &folder).with_context(|| format!("cannot copy the checkout to {}", folder.display()))?;
    let copy = Workspace::at(folder.clone())?;
    let driver = |name: &str, protocol: &str| What::Driver {
        name: name.into(),
        compatible: COMPATIBLE.into(),
        protocol: protocol.into(),
        path: None,
    };
    Plan::make(&copy, &What::Service { name: "trial-service".into(), protocol: None, path: None })?.write()?;
    Plan::make(&copy, &driver("trial-driver", "trial-service"))?.write()?;
    Ok((folder, ["trial-driver", "trial-service", "tutti-ipc"]))
}

/// Everything but what is hidden or was built.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in from.read_dir()? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        if name == "target" || name.to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            copy(&entry.path(), &to.join(&name))?;
        } else {
            fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}

/// Packs the driver and the service beside the board's own components.
pub fn bundle(workspace: &Workspace, setup: &Setup, board: &Board, built: &Built) -> Result<PathBuf> {
    let booted =
        |folder: &PathBuf| ["trial-driver", "trial-service"].iter().any(|name| folder.ends_with(Path::new(name)));
    let folders: Vec<PathBuf> = crates(workspace)?.into_iter().filter(booted).collect();
    outside::bundle(workspace, setup, board, built, None, &folders, BUNDLE)
}
