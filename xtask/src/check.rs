//! `check`: formatting, lints for host and target, the layering, the documentation. Warnings are errors.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::board::Board;
use crate::build;
use crate::component;
use crate::layering;
use crate::setup::Setup;
use crate::toolchain::{Target, Toolchain};
use crate::workspace::{self, Workspace};

pub fn run(workspace: &Workspace, setup: &Setup) -> Result<ExitCode> {
    step("layering");
    layering::check(workspace)?;
    step("formatting");
    let mut fmt = workspace.cargo();
    workspace::run(fmt.args(["fmt", "--all", "--check"])).context("`cargo fmt` puts it right")?;
    step("lints, host");
    let mut clippy = workspace.cargo();
    deny(clippy.args(["clippy", "--workspace", "--all-targets"]))?;
    step("lints, target");
    lint_target(workspace, setup)?;
    step("documentation");
    let mut doc = workspace.cargo();
    doc.args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-Dwarnings");
    workspace::run(&mut doc)?;
    Ok(ExitCode::SUCCESS)
}

/// The drivers' library: of its features components use some each.
const KIT: &str = "tutti-kit";

fn lint_target(workspace: &Workspace, setup: &Setup) -> Result<()> {
    let toolchain = Toolchain::find(workspace, setup)?;
    let known = component::all(workspace)?;
    let boards = boards(workspace)?;
    let boards: Vec<Board> = boards.iter().map(|name| Board::read(workspace, name)).collect::<Result<_>>()?;
    let mut kit = toolchain.clippy(workspace, Target::ALL[0]);
    deny(kit.args(["-p", KIT, "--lib", "--all-features"]))?;
    for target in Target::ALL {
        let mut programs = boards.iter().flat_map(|board| build::programs(board, &known, target)).peekable();
        if programs.peek().is_none() {
            continue;
        }
        let mut clippy = toolchain.clippy(workspace, target);
        for (package, program) in programs {
            clippy.args(["-p", package, "--bin", program]);
        }
        deny(&mut clippy)?;
    }
    Ok(())
}

fn boards(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root.join("board");
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    let is_board = |path: &Path| path.join("board.toml").is_file();
    let boards = entries.flatten().filter(|entry| is_board(&entry.path()));
    Ok(boards.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

fn deny(clippy: &mut Command) -> Result<()> {
    workspace::run(clippy.args(["--quiet", "--", "-Dwarnings"]))
}

fn step(name: &str) {
    println!("check: {name}");
}
