//! Components from crates outside of the repository, in a bundle beside the board's: `--with`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::MetadataCommand;

use crate::board::Board;
use crate::build::{self, Built};
use crate::component::{self, Description};
use crate::setup::Setup;
use crate::toolchain::{Target, Toolchain};
use crate::workspace::{self, Workspace};

/// Builds the components of the crates in these folders, and packs them behind those of the board or of one of its sets.
/// The bundle is called after `name`.
pub fn bundle(
    workspace: &Workspace,
    setup: &Setup,
    board: &Board,
    built: &Built,
    set: Option<&str>,
    folders: &[PathBuf],
    name: &str,
) -> Result<PathBuf> {
    let toolchain = Toolchain::find(workspace, setup)?;
    let mut known = component::all(workspace)?;
    let mut selection = board.arranged(set, &known)?;
    for folder in folders {
        for (name, description) in
            components(workspace, folder).with_context(|| format!("--with {}", folder.display()))?
        {
            if let Some(other) = known.get(&name) {
                bail!(
                    "two components are called {name}: in {} and in {}",
                    other.file.display(),
                    description.file.display()
                );
            }
            compile(workspace, &toolchain, &description)?;
            known.insert(name.clone(), description);
            selection.add(&name, &known);
        }
    }
    selection.check(&known)?;
    let path = built.bundle(Some(name));
    build::write_if_changed(&path, &build::bundle(workspace, &toolchain, &built.folder, &selection, &known)?)?;
    Ok(path)
}

/// Refuses what is no crate outside of the repository before anything is built for it.
pub fn check_folder(workspace: &Workspace, folder: &Path) -> Result<()> {
    let manifest = folder.join("Cargo.toml");
    ensure!(manifest.is_file(), "--with {}: there is no {}", folder.display(), manifest.display());
    let file = manifest.canonicalize()?;
    let packages = &workspace.metadata.packages;
    ensure!(
        !packages.iter().any(|package| package.manifest_path.as_std_path() == file),
        "--with {}: a crate of the repository stands in a set of board.toml: --set starts it",
        folder.display()
    );
    Ok(())
}

fn components(workspace: &Workspace, folder: &Path) -> Result<BTreeMap<String, Description>> {
    let manifest = folder.join("Cargo.toml");
    let mut command = MetadataCommand::new();
    command.cargo_path(workspace.cargo_path()).manifest_path(&manifest).no_deps();
    let metadata = command.exec().context("cargo cannot read the crate")?;
    let found = component::of(&metadata.packages)?;
    ensure!(!found.is_empty(), "it has no component: a program needs [package.metadata.component] in its Cargo.toml");
    Ok(found)
}

/// With the flags and into the folder of everything else that runs on the target.
fn compile(workspace: &Workspace, toolchain: &Toolchain, description: &Description) -> Result<()> {
    let target: Target = description.target();
    let mut cargo = toolchain.cargo(workspace, "build", target);
    cargo.arg("--manifest-path").arg(&description.file);
    cargo.args(["-p", &description.package, "--bin", &description.name]);
    workspace::run(&mut cargo).with_context(|| format!("{} does not build", description.name))
}
