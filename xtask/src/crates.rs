//! Where the crates of a board come from that are not the repository's: a path, a git repository, a registry. Those of the last two
//! are copied beside what is built, and what they take of Tutti is this checkout's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::{Metadata, MetadataCommand, Package};
use serde::Deserialize;

use crate::board::Board;
use crate::setup::Setup;
use crate::tools;
use crate::workspace::{self, Workspace};

/// A crate, as `[crates]` of board.toml names it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CrateTable {
    /// Its folder, seen from that of the board.
    path: Option<PathBuf>,
    /// The address of its repository.
    git: Option<String>,
    /// A commit or tag of it: nothing else is the same tomorrow.
    rev: Option<String>,
    /// Its version, exactly, in a registry.
    version: Option<String>,
    /// Which registry, where it is not crates.io: as a `.cargo/config.toml` of the board's folder names it.
    registry: Option<String>,
}

/// Says which version of what is in a copy.
const STAMP: &str = ".tutti-origin";

/// The folders of a board's crates that lie outside.
pub fn of_board(workspace: &Workspace, setup: &Setup, board: &Board) -> Result<Vec<PathBuf>> {
    if board.crates.values().any(|table| table.git.is_some()) {
        setup.require(&[&tools::GIT])?;
    }
    let of = |(name, table): (&String, &CrateTable)| {
        let place = || format!("{}: crates.{name}", board.folder.join("board.toml").display());
        find(workspace, board, name, table).with_context(place)
    };
    board.crates.iter().map(of).collect()
}

fn find(workspace: &Workspace, board: &Board, name: &str, table: &CrateTable) -> Result<PathBuf> {
    match table {
        CrateTable { path: Some(path), git: None, rev: None, version: None, registry: None } => {
            let folder = board.folder.join(path);
            let file = folder.join("Cargo.toml");
            ensure!(file.is_file(), "there is no {}", file.display());
            Ok(folder)
        }
        CrateTable { path: None, git: Some(url), rev: Some(rev), version: None, registry: None } => {
            let copy = copy_of(workspace, board, name);
            clone(&copy, &board.folder, url, rev)?;
            with_ours(workspace, &copy, name)
        }
        CrateTable { path: None, git: None, rev: None, version: Some(version), registry } => {
            let copy = copy_of(workspace, board, name);
            download(workspace, board, &copy, name, version, registry.as_deref())?;
            with_ours(workspace, &copy, name)
        }
        CrateTable { git: Some(_), rev: None, .. } => {
            bail!("git needs a rev, a commit or tag: else each build is another")
        }
        _ => bail!("it is one of {{ path }}, {{ git, rev }} and {{ version }} or {{ version, registry }}"),
    }
}

fn copy_of(workspace: &Workspace, board: &Board, name: &str) -> PathBuf {
    workspace.out(&board.name).join("crates").join(name)
}

/// Makes a folder anew unless it holds what is wanted.
fn fresh(copy: &Path, wanted: &str, fill: impl FnOnce() -> Result<()>) -> Result<()> {
    let stamp = copy.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|text| text == wanted) {
        return Ok(());
    }
    if copy.exists() {
        fs::remove_dir_all(copy).with_context(|| format!("cannot remove {}", copy.display()))?;
    }
    fs::create_dir_all(copy).with_context(|| format!("cannot make {}", copy.display()))?;
    fill()?;
    stands_alone(&copy.join("Cargo.toml"))?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

/// It lies below the checkout, whose workspace it is not of.
fn stands_alone(manifest: &Path) -> Result<()> {
    let text = fs::read_to_string(manifest).with_context(|| format!("there is no {}", manifest.display()))?;
    let table: toml::Table = text.parse().with_context(|| format!("{}", manifest.display()))?;
    if !table.contains_key("workspace") {
        fs::write(manifest, text + "\n[workspace]\n")
            .with_context(|| format!("cannot write {}", manifest.display()))?;
    }
    Ok(())
}

fn clone(copy: &Path, from: &Path, url: &str, rev: &str) -> Result<()> {
    ensure!(!url.starts_with('-') && !rev.starts_with('-'), "{url:?} at {rev:?} would be an option of git");
    fresh(copy, &format!("{url} {rev}\n"), || {
        let git = tools::GIT.find().context("git is not there")?;
        eprintln!("{url} is fetched");
        let quiet = ["clone", "--quiet", "--no-checkout", url];
        workspace::output(Command::new(&git).current_dir(from).args(quiet).arg(copy))?;
        let checkout = ["checkout", "--quiet", "--detach", rev];
        workspace::output(Command::new(&git).arg("-C").arg(copy).args(checkout)).map(drop)
    })
}

/// Has cargo fetch the crate for a package that depends on it, and copies what it fetched.
fn download(
    workspace: &Workspace,
    board: &Board,
    copy: &Path,
    name: &str,
    version: &str,
    registry: Option<&str>,
) -> Result<()> {
    fresh(copy, &format!("{name} {version} {}\n", registry.unwrap_or_default()), || {
        let asks = copy.with_file_name(format!("{name}.fetch"));
        fs::create_dir_all(&asks).with_context(|| format!("cannot make {}", asks.display()))?;
        let from = registry.map_or(String::new(), |registry| format!("registry = {registry:?}\n"));
        let text = format!(
            "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n\
             [dependencies.{name}]\nversion = \"={version}\"\n{from}"
        );
        fs::write(asks.join("Cargo.toml"), text)?;
        fs::write(asks.join("lib.rs"), "")?;
        // What it stands on has the versions that everything here has.
        fs::copy(workspace.root.join("Cargo.lock"), asks.join("Cargo.lock"))?;
        let mut command = MetadataCommand::new();
        command.cargo_path(workspace.cargo_path()).manifest_path(asks.join("Cargo.toml")).current_dir(&board.folder);
        let sources = ["crates-io"].into_iter().chain(registry);
        let all: Vec<_> = sources.flat_map(|source| patches(workspace, source)).collect();
        command.other_options(all);
        let metadata = command.exec().with_context(|| format!("{name} {version} cannot be had"))?;
        let fetched = package(&metadata, name)?.manifest_path.as_std_path().parent().context("no folder")?.to_owned();
        copy_folder(&fetched, copy).with_context(|| format!("cannot copy {}", fetched.display()))
    })
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in from.read_dir()? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn metadata(workspace: &Workspace, folder: &Path) -> Result<Metadata> {
    let mut command = MetadataCommand::new();
    command.cargo_path(workspace.cargo_path()).manifest_path(folder.join("Cargo.toml")).no_deps();
    command.exec().with_context(|| format!("cargo cannot read {}", folder.display()))
}

fn package<'a>(metadata: &'a Metadata, name: &str) -> Result<&'a Package> {
    let found = metadata.packages.iter().find(|package| package.name.as_str() == name);
    found.with_context(|| format!("no package there is called {name}"))
}

/// Its folder, once it takes of Tutti what this checkout has, from wherever it took it.
fn with_ours(workspace: &Workspace, copy: &Path, name: &str) -> Result<PathBuf> {
    let metadata = metadata(workspace, copy)?;
    let manifest = package(&metadata, name)?.manifest_path.as_std_path().to_owned();
    for file in [metadata.workspace_root.as_std_path().join("Cargo.toml"), manifest.clone()] {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut table: toml::Table = text.parse().with_context(|| format!("{}", file.display()))?;
        if redirect(workspace, &mut table) {
            fs::write(&file, toml::to_string(&table)?).with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(manifest.parent().context("no folder")?.into())
}

/// Makes every dependency on a crate of Tutti's one on the checkout's, wherever in the manifest it stands.
fn redirect(workspace: &Workspace, table: &mut toml::Table) -> bool {
    let mut changed = false;
    for (key, value) in table.iter_mut() {
        let Some(inner) = value.as_table_mut() else { continue };
        if !key.ends_with("dependencies") {
            changed |= redirect(workspace, inner);
            continue;
        }
        for (name, dependency) in inner.iter_mut() {
            let package = dependency.get("package").and_then(toml::Value::as_str).unwrap_or(name).to_owned();
            let inherited = dependency.get("workspace").is_some();
            let Some(ours) = workspace.metadata.packages.iter().find(|it| it.name.as_str() == package && !inherited)
            else {
                continue;
            };
            let mut new = dependency.as_table().cloned().unwrap_or_default();
            ["git", "rev", "tag", "branch", "version", "registry", "registry-index"]
                .iter()
                .for_each(|key| drop(new.remove(*key)));
            let folder = ours.manifest_path.parent().map_or_else(String::new, ToString::to_string);
            new.insert("path".into(), folder.into());
            *dependency = new.into();
            changed = true;
        }
    }
    changed
}

/// Options of cargo by which Tutti's crates of a source are those of the checkout.
fn patches(workspace: &Workspace, source: &str) -> Vec<String> {
    let libraries =
        workspace.metadata.packages.iter().filter(|it| it.targets.iter().any(cargo_metadata::Target::is_lib));
    let patch = |it: &Package| {
        let folder = it.manifest_path.parent().map_or_else(String::new, ToString::to_string);
        ["--config".to_owned(), format!("patch.{source:?}.{}.path={folder:?}", it.name)]
    };
    libraries.flat_map(patch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fetched_takes_this_checkout_for_tutti() {
        let workspace = Workspace::find().unwrap();
        let text = "[dependencies]\nlog = \"0.4\"\ntutti-rt = \"0.1\"\n[dependencies.ipc]\npackage = \"tutti-ipc\"\n\
                    git = \"https://tutti.example\"\nrev = \"v1\"\nfeatures = [\"x\"]\n\
                    [target.'cfg(unix)'.dev-dependencies]\ntutti-kit = { workspace = true }\n";
        let mut table: toml::Table = text.parse().unwrap();
        assert!(redirect(&workspace, &mut table));
        let path = |folder: &str| workspace.root.join(folder).to_string_lossy().into_owned();
        assert_eq!(table["dependencies"]["tutti-rt"]["path"].as_str(), Some(path("userland/rt").as_str()));
        let ipc = &table["dependencies"]["ipc"];
        assert_eq!(ipc["path"].as_str(), Some(path("userland/ipc").as_str()));
        assert!(ipc.get("git").is_none() && ipc.get("rev").is_none() && ipc.get("features").is_some());
        assert_eq!(table["dependencies"]["log"].as_str(), Some("0.4"));
        assert!(table["target"]["cfg(unix)"]["dev-dependencies"]["tutti-kit"].get("path").is_none());
        assert!(!redirect(&workspace, &mut "[package]\nname = \"a\"".parse().unwrap()));
    }

    #[test]
    fn a_crate_is_named_one_way() {
        let workspace = Workspace::find().unwrap();
        let mut board = Board::read(&workspace, "virt").unwrap();
        board.folder = PathBuf::from("/nowhere");
        let find = |text: &str| {
            let table: CrateTable = toml::from_str(text).unwrap();
            find(&workspace, &board, "it", &table).unwrap_err().to_string()
        };
        assert_eq!(find("path = \"it\""), "there is no /nowhere/it/Cargo.toml");
        assert!(find("git = \"https://maker.example\"").contains("needs a rev"));
        assert!(find("git = \"--upload-pack=x\"\nrev = \"v1\"").contains("would be an option"));
        for text in ["", "version = \"1\"\npath = \"it\"", "registry = \"makers\"", "rev = \"v1\""] {
            assert!(find(text).contains("it is one of"), "{text}");
        }
    }
}
