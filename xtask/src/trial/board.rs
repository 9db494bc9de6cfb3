//! A board that lies outside of the repository, with a tree that nobody has seen, and components by path, from a git repository and from a
//! registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use system_tests::{Boot, Case, Lab};

use super::{COMPATIBLE, tree};
use crate::new::{Plan, What};
use crate::tools;
use crate::workspace::{self, Workspace};

/// What it has beside virt's: by path, from a repository, from a registry.
const COMPONENTS: [&str; 3] = ["trial-driver", "trial-service", "trial-shop"];

/// Something that only the overlay says: the keys are off.
const OVERLAY: &str = "/dts-v1/; /plugin/; / { fragment@0 { target-path = \"/gpio-keys\"; __overlay__ { status = \"disabled\"; }; }; };\n";
/// Its tree, in its folder.
const TREE: &str = "phone.dtb";
/// What it is called.
const NAME: &str = "maker-phone";

/// The case that it boots.
pub fn case() -> Case {
    let says = "a board outside, of its own tree and with components by path, git and registry, boots to the shell";
    Case::new("boards.outside", says, boots)
}

/// What other tests it passes: that `devices` lists what its tree has enabled, and what `port` promises of it.
pub fn others() -> impl Iterator<Item = Case> {
    let wanted = |case: &Case| ["devices.list", "port.promise", "boot.poweroff"].contains(&case.id.as_str());
    crate::test::cases().into_iter().filter(wanted)
}

fn boots(lab: &mut Lab) -> Result<()> {
    let mut console = lab.boot_to_prompt(Boot::default())?;
    let list = console.command("ps")?;
    for name in COMPONENTS {
        let line = list.lines().find(|line| line.split_whitespace().nth(1) == Some(name));
        let line = line.with_context(|| format!("no {name} in:\n{list}"))?;
        ensure!(line.contains("running"), "{line}");
    }
    // Of two UARTs the one that is on, and no clock, which is off.
    let state = |name: &str| list.lines().find(|line| line.split_whitespace().nth(1) == Some(name)).unwrap_or_default();
    ensure!(state("pl011").contains("running") && state("pl031").contains("no device"), "{list}");
    ensure!(state("gpio-keys").contains("no device"), "{list}");
    Ok(())
}

/// Makes it, and says where its folder is.
pub fn make(workspace: &Workspace) -> Result<PathBuf> {
    let all = workspace.tutti().join("outside");
    for made in [&all, &workspace.out(NAME)] {
        if made.exists() {
            fs::remove_dir_all(made).with_context(|| format!("cannot remove {}", made.display()))?;
        }
    }
    let folder = all.join(NAME);
    fs::create_dir_all(folder.join(".cargo"))?;
    let [driver, service, shop] = COMPONENTS;
    let path = Some(folder.join(driver));
    Plan::make(
        workspace,
        &What::Driver { name: driver.into(), compatible: COMPATIBLE.into(), protocol: "trial".into(), path },
    )?
    .write()?;
    repository(workspace, &all.join("service"), service)?;
    let index = registry(workspace, &all, shop)?;
    fs::write(
        folder.join(".cargo/config.toml"),
        format!("[registries.makers]\nindex = \"file://{}\"\n", index.display()),
    )?;
    fs::write(folder.join("board.toml"), text(workspace)?)?;
    fs::write(folder.join("keys.dtso"), OVERLAY)?;
    tree::write(
        &folder.join(TREE),
        &["-machine", "virt,gic-version=2", "-cpu", "cortex-a72", "-smp", "2", "-m", "256M"],
    )?;
    Ok(folder)
}

/// virt's file, with these components beside its own.
fn text(workspace: &Workspace) -> Result<String> {
    let [driver, service, shop] = COMPONENTS;
    let virt = fs::read_to_string(workspace.root.join("board/virt/board.toml"))?;
    let mut table: toml::Table = virt.parse()?;
    table.remove("test-sets");
    table.insert("compatible".into(), "maker,phone".into());
    let machine = format!(
        "model = \"virt\"\ncpu = \"cortex-a72\"\nsmp = 2\nmemory = \"256M\"\ngic = 2\nbus = \"mmio\"\ntree = {TREE:?}\n\
         overlays = [\"keys.dtso\"]\n\
         virtio-slots = [31, 23, 15, 7]\n"
    );
    table.insert("machine".into(), machine.parse::<toml::Table>()?.into());
    let list = table.get_mut("components").and_then(|it| it.get_mut("list")).and_then(toml::Value::as_array_mut);
    list.context("virt has no list")?.extend(COMPONENTS.map(Into::into));
    let crates = format!(
        "[crates]\n{driver} = {{ path = \"{driver}\" }}\n{service} = {{ git = \"../service\", rev = \"v1\" }}\n\
         {shop} = {{ version = \"0.1.0\", registry = \"makers\" }}\n"
    );
    Ok(format!("{}\n{crates}", toml::to_string(&table)?))
}

/// A service's crate that takes Tutti from somewhere else than this checkout.
fn service(workspace: &Workspace, folder: &Path, name: &str, from: &str) -> Result<()> {
    Plan::make(workspace, &What::Service { name: name.into(), protocol: None, path: Some(folder.into()) })?.write()?;
    let manifest = folder.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    let line = |line: &str| match line
        .split_once("{ path = ")
        .and_then(|(start, rest)| Some((start, rest.split_once(',')?.1)))
    {
        Some((start, rest)) => format!("{start}{{ {from},{rest}\n"),
        None => format!("{line}\n"),
    };
    fs::write(&manifest, text.lines().map(line).collect::<String>()).with_context(|| format!("{}", manifest.display()))
}

fn git(folder: &Path, words: &[&str]) -> Result<()> {
    let program = tools::GIT.find().context("git is not there")?;
    let who = ["-c", "user.name=A maker", "-c", "user.email=maker@example.com", "-c", "commit.gpgsign=false"];
    workspace::output(Command::new(program).arg("-C").arg(folder).args(who).args(words)).map(drop)
}

/// As a repository with a tag.
fn repository(workspace: &Workspace, folder: &Path, name: &str) -> Result<()> {
    service(workspace, folder, name, "git = \"https://tutti.example/tutti\", rev = \"v0.1.0\"")?;
    commit(folder)?;
    git(folder, &["tag", "v1"])
}

fn commit(folder: &Path) -> Result<()> {
    git(folder, &["init", "--quiet"])?;
    git(folder, &["add", "--all"])?;
    git(folder, &["commit", "--quiet", "--message", "The first"])
}

/// As the only crate of a registry (Cargo Book: Registry Index); the folder of its index.
fn registry(workspace: &Workspace, all: &Path, name: &str) -> Result<PathBuf> {
    let (index, crates) = (all.join("index"), all.join("crates"));
    let whole = format!("{name}-0.1.0");
    service(workspace, &crates.join(&whole), name, "version = \"0.1\"")?;
    let file = format!("{whole}.crate");
    workspace::output(Command::new("tar").current_dir(&crates).args(["-czf", &file, &whole]))?;
    let sum = workspace::output(Command::new("sha256sum").current_dir(&crates).arg(&file))?;
    let depends = |name: &str, alias: Option<&str>, requirement: &str| {
        serde_json::json!({ "name": alias.unwrap_or(name), "package": alias.map(|_| name), "req": requirement, "features": [], "optional": false,
            "default_features": alias.is_some(), "target": null, "kind": "normal",
            "registry": "https://github.com/rust-lang/crates.io-index" })
    };
    let entry = serde_json::json!({
        "name": name, "vers": "0.1.0", "features": {}, "yanked": false,
        "cksum": sum.split_whitespace().next().unwrap_or_default(),
        "deps": [depends("tutti-ipc", Some("ipc"), "^0.1"), depends("tutti-rt", Some("rt"), "^0.1"), depends("log", None, "^0.4")],
    });
    let place = index.join(&name[..2]).join(&name[2..4]);
    fs::create_dir_all(&place)?;
    fs::write(place.join(name), format!("{entry}\n"))?;
    let download = format!("file://{}/{{crate}}-{{version}}.crate", crates.display());
    fs::write(index.join("config.json"), serde_json::json!({ "dl": download }).to_string())?;
    commit(&index)?;
    Ok(index)
}

/// Every file of the checkout but what is hidden or made: its size and when it was changed.
pub fn files(workspace: &Workspace) -> Result<Vec<(PathBuf, u64, SystemTime)>> {
    let (mut files, mut folders) = (Vec::new(), vec![workspace.root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir()? {
            let entry = entry?;
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            if is_hidden || entry.path() == workspace.target() || entry.path() == workspace.root.join("target") {
                continue;
            }
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                files.push((entry.path(), metadata.len(), metadata.modified()?));
            }
        }
    }
    files.sort();
    Ok(files)
}
