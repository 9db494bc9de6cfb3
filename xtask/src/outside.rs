//! Components from crates outside of the repository: those of a board (`[crates]`), and those in a bundle beside the board's (`--with`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::MetadataCommand;

use crate::board::Board;
use crate::build::{self, Built};
use crate::component::{self, Description};
use crate::crates;
use crate::setup::Setup;
use crate::toolchain::Toolchain;
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
    let own = Outside::of_board(workspace, setup, board)?;
    let mut known = component::all(workspace)?;
    own.join(&mut known)?;
    let mut selection = board.arranged(set, &known)?;
    for folder in folders {
        let more = Outside::read(workspace, std::slice::from_ref(folder))
            .with_context(|| format!("--with {}", folder.display()))?;
        more.join(&mut known)?;
        more.compile(workspace, &toolchain)?;
        more.0.iter().for_each(|it| selection.add(&it.name, &known));
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

/// Components of crates outside.
pub struct Outside(Vec<Description>);

impl Outside {
    /// Those of the crates that a board names.
    pub fn of_board(workspace: &Workspace, setup: &Setup, board: &Board) -> Result<Self> {
        Self::read(workspace, &crates::of_board(workspace, setup, board)?)
    }

    fn read(workspace: &Workspace, folders: &[PathBuf]) -> Result<Self> {
        let mut all = Vec::new();
        for folder in folders {
            all.extend(components(workspace, folder).with_context(|| format!("{}", folder.display()))?.into_values());
        }
        Ok(Self(all))
    }

    /// Adds them to the others, of which none may have the name of one of these.
    pub fn join(&self, known: &mut BTreeMap<String, Description>) -> Result<()> {
        for it in &self.0 {
            if let Some(other) = known.insert(it.name.clone(), it.clone()) {
                bail!(
                    "two components are called {}: in {} and in {}",
                    it.name,
                    other.file.display(),
                    it.file.display()
                );
            }
        }
        Ok(())
    }

    /// Builds them with the flags and into the folder of everything else that runs on the target.
    pub fn compile(&self, workspace: &Workspace, toolchain: &Toolchain) -> Result<()> {
        self.0.iter().try_for_each(|description| {
            let mut cargo = toolchain.cargo(workspace, "build", description.target());
            cargo.arg("--manifest-path").arg(&description.file);
            cargo.args(["-p", &description.package, "--bin", &description.name]);
            workspace::run(&mut cargo).with_context(|| format!("{} does not build", description.name))
        })
    }
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
