//! `build`: the kernel's image and the bundles of a board.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use bundle::write;
use clap::Args;

use crate::board::{Board, Selection};
use crate::component::{self, Description};
use crate::outside::Outside;
use crate::pack::{self, Elf};
use crate::setup::Setup;
use crate::toolchain::{Target, Toolchain};
use crate::workspace::{self, Workspace};
use crate::{board_tree, image, link};

/// The kernel's crate and program.
pub const KERNEL: &str = "tutti-kernel";
/// The first process's.
pub const INIT: &str = "init";

/// What `build` takes.
#[derive(Args)]
pub struct Options {
    /// A folder of board/, or the path of one anywhere
    #[arg(long, default_value = "virt")]
    board: String,
}

/// What was built.
pub struct Built {
    /// Where it lies.
    pub folder: PathBuf,
    /// The kernel's image.
    pub image: PathBuf,
    /// Code has landing pads, and signs return addresses.
    pub guarded: bool,
    /// The board's device tree, if the emulator makes none.
    pub tree: Option<PathBuf>,
}

impl Built {
    /// The board's own bundle, or one of its sets.
    pub fn bundle(&self, set: Option<&str>) -> PathBuf {
        self.folder.join(set.map_or("bundle.img".into(), |set| format!("bundle-{set}.img")))
    }
}

pub fn run(workspace: &Workspace, setup: &Setup, options: Options) -> Result<ExitCode> {
    let board = Board::read(workspace, &options.board)?;
    let built = build(workspace, setup, &board)?;
    for file in [&built.image, &built.bundle(None)] {
        println!("{} bytes in {}", file.metadata()?.len(), file.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Compiles everything of a board and packs it.
pub fn build(workspace: &Workspace, setup: &Setup, board: &Board) -> Result<Built> {
    let own = component::all(workspace)?;
    let outside = Outside::of_board(workspace, setup, board)?;
    let mut known = own.clone();
    outside.join(&mut known)?;
    let sets = std::iter::once(None).chain(board.sets.keys().map(|name| Some(name.as_str())));
    let mut selections = Vec::new();
    for set in sets {
        let selection = board.arranged(set, &known)?;
        selection.check(&known).with_context(|| match set {
            None => format!("{}", board.folder.join("board.toml").display()),
            Some(set) => format!("{}, set {set}", board.folder.join("board.toml").display()),
        })?;
        selections.push((set, selection));
    }
    let folder = workspace.out(&board.name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let toolchain = compile(workspace, setup, board, &own)?;
    outside.compile(workspace, &toolchain)?;
    let tree = board_tree::of(workspace, setup, board, &folder)?;
    let built = Built { image: folder.join("Image"), folder, guarded: toolchain.is_guarded(), tree };
    let programs = Programs { workspace, toolchain: &toolchain, folder: &built.folder };
    write_if_changed(&built.image, &programs.image()?)?;
    for (set, selection) in &selections {
        write_if_changed(&built.bundle(*set), &programs.bundle(selection, &known)?)?;
    }
    Ok(built)
}

/// One call of cargo for everything that runs on a target, on whatever board: with which features a shared crate is built depends on
/// all that is built with it, and the kernel is the same file for all.
fn compile(
    workspace: &Workspace,
    setup: &Setup,
    board: &Board,
    known: &BTreeMap<String, Description>,
) -> Result<Toolchain> {
    let toolchain = Toolchain::find(workspace, setup)?;
    let others = Board::all(workspace)?;
    for target in Target::ALL {
        let boards = others.iter().chain([board]);
        let programs: BTreeSet<_> = boards.flat_map(|board| programs(board, known, target)).collect();
        if programs.is_empty() {
            continue;
        }
        let mut cargo = toolchain.cargo(workspace, "build", target);
        for (package, program) in programs {
            cargo.args(["-p", package, "--bin", program]);
        }
        workspace::run(&mut cargo).with_context(|| format!("the programs for {} do not build", target.triple()))?;
    }
    Ok(toolchain)
}

/// Package and program of all that is built for a target.
pub fn programs<'a>(
    board: &'a Board,
    known: &'a BTreeMap<String, Description>,
    target: Target,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let components = board.all_components().into_iter().filter_map(|name| known.get(name));
    let components = components.filter(move |description| description.target() == target);
    let components = components.map(|description| (description.package.as_str(), description.name.as_str()));
    let own: &[_] = if target == Target::Soft { &[(KERNEL, KERNEL), (INIT, INIT)] } else { &[] };
    own.iter().copied().chain(components)
}

/// The bundle of a selection whose programs were built.
pub fn bundle(
    workspace: &Workspace,
    toolchain: &Toolchain,
    folder: &Path,
    selection: &Selection,
    known: &BTreeMap<String, Description>,
) -> Result<Vec<u8>> {
    Programs { workspace, toolchain, folder }.bundle(selection, known)
}

/// What cargo made.
struct Programs<'a> {
    workspace: &'a Workspace,
    toolchain: &'a Toolchain,
    folder: &'a Path,
}

impl Programs<'_> {
    /// What cargo made.
    fn path(&self, name: &str, target: Target) -> PathBuf {
        self.workspace.bare().join(target.triple()).join("release").join(name)
    }

    fn read(&self, name: &str, target: Target) -> Result<(PathBuf, Vec<u8>)> {
        self.keep(name, self.path(name, target))
    }

    /// A program's bytes; a copy with its symbols lies beside the results, for the debugger.
    fn keep(&self, name: &str, path: PathBuf) -> Result<(PathBuf, Vec<u8>)> {
        let bytes = pack::read(&path)?;
        write_if_changed(&self.folder.join(format!("{name}.elf")), &bytes)?;
        Ok((path, bytes))
    }

    fn image(&self) -> Result<Vec<u8>> {
        let (path, bytes) = self.read(INIT, Target::Soft)?;
        let init = write::init_image(&Elf::parse(&path, &bytes)?.program()?);
        let init = init.with_context(|| format!("{}", path.display()))?;
        let kernel = link::link(&self.workspace.root, self.toolchain, &self.path(KERNEL, Target::Soft))?;
        let (path, bytes) = self.keep(KERNEL, kernel)?;
        image::image(&Elf::parse(&path, &bytes)?, &init)
    }

    fn bundle(&self, selection: &Selection, known: &BTreeMap<String, Description>) -> Result<Vec<u8>> {
        let mut components = Vec::new();
        for name in &selection.components {
            let description = known.get(name).with_context(|| format!("no component {name}"))?;
            let (path, bytes) = self.read(name, description.target())?;
            let mut manifest = description.manifest.clone();
            manifest.memory = selection.memory.get(name).copied().unwrap_or(manifest.memory);
            components.push(write::Component {
                name: name.clone(),
                program: Elf::parse(&path, &bytes)?.program()?,
                manifest,
                grants: selection.grants.get(name).cloned().unwrap_or_default(),
                core: selection.cores.get(name).copied().unwrap_or(0),
            });
        }
        write::bundle(&components).context("the bundle cannot be written")
    }
}

/// Leaves a file alone that already holds these bytes: what depends on its time is then not made again.
pub fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
