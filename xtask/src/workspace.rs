//! The checkout: where things lie, and what cargo knows about its packages.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};

/// The checkout.
pub struct Workspace {
    /// Its folder.
    pub root: PathBuf,
    /// Its packages, without what they depend on outside.
    pub metadata: Metadata,
    cargo: PathBuf,
}

impl Workspace {
    /// The one that xtask belongs to.
    pub fn find() -> Result<Self> {
        let here = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        Self::at(here.parent().context("xtask has no folder above it")?.to_owned())
    }

    /// The one in this folder.
    pub fn at(root: PathBuf) -> Result<Self> {
        let cargo = env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
        let metadata = MetadataCommand::new()
            .cargo_path(&cargo)
            .manifest_path(root.join("Cargo.toml"))
            .no_deps()
            .exec()
            .context("cargo cannot read the workspace")?;
        Ok(Self { root, metadata, cargo })
    }

    /// The lowest Rust version that the code builds with: major and minor.
    pub fn rust_version(&self) -> (u64, u64) {
        let versions = self.metadata.packages.iter().filter_map(|package| package.rust_version.as_ref());
        versions.map(|version| (version.major, version.minor)).max().unwrap_or_default()
    }

    /// A path as one names it from the checkout's folder.
    pub fn shorten<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    /// Where the results of a board go.
    pub fn out(&self, board: &str) -> PathBuf {
        self.tutti().join(board)
    }

    /// Where everything goes that is made: `target`, or what `CARGO_TARGET_DIR` says. Nothing else of the checkout is written.
    pub fn target(&self) -> PathBuf {
        self.metadata.target_directory.clone().into_std_path_buf()
    }

    /// Everything that is made beside cargo's own files.
    pub fn tutti(&self) -> PathBuf {
        self.target().join("tutti")
    }

    /// Where cargo puts what runs on the target.
    pub fn bare(&self) -> PathBuf {
        self.target().join("bare")
    }

    /// Cargo, without the variables that this process got from the cargo which started it.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            if is_from_cargo(&name) {
                command.env_remove(name);
            }
        }
        command
    }

    /// The cargo that is used.
    pub fn cargo_path(&self) -> &Path {
        &self.cargo
    }
}

/// Variables that describe xtask's own package: a build script that watches one would run again.
fn is_from_cargo(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|start| name.starts_with(start))
        || name == "CARGO_PRIMARY_PACKAGE"
        || name == "OUT_DIR"
}

/// Runs a command whose output the user sees, and fails when it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs a command whose output the user sees.
fn status(command: &mut Command) -> Result<ExitStatus> {
    let shown = shown(command);
    command.status().with_context(|| format!("cannot start `{shown}`"))
}

/// What a command prints, when it succeeds.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command.output().with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A command as one would type it, shortened where it is long.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy);
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(160) {
        Some((cut, _)) => format!("{} …", &line[..cut]),
        None => line,
    }
}
