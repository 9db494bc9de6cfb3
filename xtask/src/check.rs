//! `check`: the layering, licences, sizes, pages, formatting, lints for host and target, the documentation. Warnings are errors.

use std::collections::BTreeSet;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::board::Board;
use crate::build;
use crate::compare;
use crate::component;
use crate::docs;
use crate::layering;
use crate::licences;
use crate::setup::Setup;
use crate::sizes;
use crate::toolchain::{Target, Toolchain};
use crate::workspace::{self, Workspace};

pub fn run(workspace: &Workspace, setup: &Setup) -> Result<ExitCode> {
    step("layering");
    layering::check(workspace)?;
    step("licences");
    check_licences(workspace)?;
    step("sizes");
    sizes::check(workspace)?;
    step("pages");
    docs::check(workspace)?;
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

/// What runs on the target are the programs of all boards.
fn check_licences(workspace: &Workspace) -> Result<()> {
    let known = component::all(workspace)?;
    let boards = Board::all(workspace)?;
    let programs = Target::ALL
        .iter()
        .flat_map(|&target| boards.iter().flat_map(|board| build::programs(board, &known, target)).collect::<Vec<_>>());
    let packages: BTreeSet<&str> = programs.map(|(package, _)| package).collect();
    licences::check(workspace, &packages.into_iter().collect::<Vec<_>>(), &Target::ALL.map(Target::triple))
}

fn lint_target(workspace: &Workspace, setup: &Setup) -> Result<()> {
    let toolchain = Toolchain::find(workspace, setup)?;
    let known = component::all(workspace)?;
    let boards = Board::all(workspace)?;
    let mut kit = toolchain.clippy(workspace, Target::ALL[0]);
    deny(kit.args(["-p", KIT, "--lib", "--all-features"]))?;
    for target in Target::ALL {
        let of_boards = boards.iter().flat_map(|board| build::programs(board, &known, target));
        // Linux runs it, but it is built the same way.
        let others = (target == Target::Soft).then_some((compare::LINUX, compare::LINUX));
        let mut programs = of_boards.chain(others).peekable();
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

fn deny(clippy: &mut Command) -> Result<()> {
    workspace::run(clippy.args(["--quiet", "--", "-Dwarnings"]))
}

fn step(name: &str) {
    println!("check: {name}");
}
