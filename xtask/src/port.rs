//! `port`: what a device tree means for us: what the kernel will use, what stops a first boot, which devices have a driver. It asks the
//! code of kernel and devmgr that will read the tree on the machine, so it cannot promise what they do not do.

mod agree;
mod android;
mod deviceinfo;
mod folder;
mod input;
mod kind;
mod mutate;
mod page;
pub mod promise;
mod report;
mod survey;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use abi::Perms;
use anyhow::{Context, Result};
use bundle::Bundle;
use bundle::write::{Component, Program, Segment};
use clap::Args;

use crate::board::Board;
use crate::component::{self, Description};
use crate::debian::Debian;
use crate::setup::Setup;
use crate::test::Tally;
use crate::tools;
use crate::workspace::Workspace;
use report::Report;

/// What `port` takes.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo xtask port /sys/firmware/fdt\n  cargo xtask port vendor_boot.img --tree 2 --overlay \
                        dtbo.img --overlay-number 5\n  cargo xtask port phone.dtb --json | jq .blockers"
)]
pub struct Options {
    /// A device tree, boot.img, vendor_boot.img, a kernel with a tree behind it, /sys/firmware/fdt, or postmarketOS' deviceinfo
    #[arg(required_unless_present_any = ["agree", "mutate"])]
    input: Option<PathBuf>,
    /// Hold every Nth tree of Debian's kernel package against what dtc says of it
    #[arg(long, value_name = "N", conflicts_with = "input")]
    agree: Option<usize>,
    /// Read so many trees of Debian's kernel package with errors in them
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["input", "agree"])]
    mutate: Option<u32>,
    /// Which errors
    #[arg(long, value_name = "N", default_value_t = 1, requires = "mutate")]
    seed: u32,
    /// Which tree, where the file holds or names several
    #[arg(long, value_name = "N")]
    tree: Option<usize>,
    /// An overlay or dtbo.img that goes on top; may be given several times
    #[arg(long, value_name = "FILE")]
    overlay: Vec<PathBuf>,
    /// Which overlay of dtbo.img
    #[arg(long, value_name = "N")]
    overlay_number: Option<usize>,
    /// As JSON, with the fields that docs/port.md describes
    #[arg(long)]
    json: bool,
    /// Every device and supplier, however many there are
    #[arg(long)]
    all: bool,
    /// Write a first folder for a board
    #[arg(long, value_name = "DIR")]
    board: Option<PathBuf>,
}

pub fn run(workspace: &Workspace, setup: &Setup, options: Options) -> Result<ExitCode> {
    if let Some(count) = options.mutate {
        return Ok(mutate(workspace, setup, count, options.seed)?.close());
    }
    let Some(file) = &options.input else {
        let tally = agree(workspace, setup, options.agree.unwrap_or(1))?;
        return Ok(tally.close());
    };
    let trees = || Debian::get(workspace, setup).map(|debian| debian.trees());
    let mut input = input::read(file, options.tree, &trees)?;
    let scratch = workspace.tutti().join("port");
    for overlay in &options.overlay {
        input::overlay(&mut input, overlay, options.overlay_number, &scratch)?;
    }
    let drivers = drivers(workspace)?;
    let bundle = Bundle::parse(&drivers).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut report =
        survey::survey(&input.bytes, input.source, &bundle).with_context(|| format!("{}", file.display()))?;
    report.loader = input.loader;
    (report.tier, report.board) = tier(workspace, &report)?;
    if let Some(folder) = &options.board {
        folder::write(folder, &report, &input.bytes, &components(workspace)?)?;
        eprintln!("{} and the tree beside it are written", folder.join("board.toml").display());
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", page::of(&report, options.all));
    }
    Ok(if report.blockers.iter().any(|blocker| blocker.stops) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// How far the board was seen to work: what the folder for it in `board/` says; else whether at least what prints was tried on fakes.
fn tier(workspace: &Workspace, report: &Report) -> Result<(u8, Option<String>)> {
    let boards = Board::all(workspace)?;
    let is_for = |board: &&Board| board.compatible.as_ref().is_some_and(|name| report.compatible.contains(name));
    let stops = report.blockers.iter().any(|blocker| blocker.stops);
    let prints =
        report.console.uart.as_ref().is_some_and(|uart| uart.kernel.is_some()) || report.console.kept.is_some();
    Ok(match boards.iter().find(is_for) {
        Some(board) => (board.tier, Some(board.name.clone())),
        None => (u8::from(prints && !stops), None),
    })
}

/// Holds each `step`th tree of Debian's kernel package against what dtc says of it; each is a test.
pub fn agree(workspace: &Workspace, setup: &Setup, step: usize) -> Result<Tally> {
    setup.require(&[&tools::DTC])?;
    let trees = Debian::get(workspace, setup)?.trees();
    let drivers = drivers(workspace)?;
    let bundle = Bundle::parse(&drivers).map_err(|error| anyhow::anyhow!("{error}"))?;
    let agree::Agreement { trees, longest, faults } = agree::check(&trees, &bundle, step)?;
    faults.iter().for_each(|fault| println!("{fault}"));
    println!("port and dtc: {trees} trees, {} differ, {longest:.1?} at most for one", faults.len());
    Ok(Tally { passed: trees.saturating_sub(faults.len()) as u32, failed: faults.len() as u32 })
}

/// Reads so many trees of Debian's kernel package with errors in them; together they are a test.
pub fn mutate(workspace: &Workspace, setup: &Setup, count: u32, seed: u32) -> Result<Tally> {
    let trees = Debian::get(workspace, setup)?.trees();
    let drivers = drivers(workspace)?;
    let bundle = Bundle::parse(&drivers).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mutate::Mutations { taken, longest, faults } = mutate::run(&trees, &bundle, count, seed)?;
    faults.iter().for_each(|fault| println!("{fault}"));
    println!(
        "trees with errors: {count} with seed {seed}, {taken} still trees, {longest:.1?} at most for one, {} faults",
        faults.len()
    );
    Ok(if faults.is_empty() { Tally { passed: 1, failed: 0 } } else { Tally { passed: 0, failed: 1 } })
}

/// Every component but those of tests.
fn components(workspace: &Workspace) -> Result<BTreeMap<String, Description>> {
    let mut known = component::all(workspace)?;
    let tests = workspace.root.join("tests");
    known.retain(|_, it| !it.file.starts_with(&tests));
    Ok(known)
}

/// A bundle of all drivers there are, as devmgr reads it; their programs are not needed.
pub fn drivers(workspace: &Workspace) -> Result<Vec<u8>> {
    let page =
        Segment { address: bundle::MIN_ADDRESS, bytes: vec![0; 4], pages: 1, perms: Perms::READ | Perms::EXECUTE };
    let components: Vec<Component> = components(workspace)?
        .into_values()
        .filter(|it| !it.manifest.drives.is_empty())
        .map(|it| Component {
            name: it.name,
            program: Program { entry: page.address, segments: vec![page.clone()] },
            manifest: it.manifest,
            grants: Vec::new(),
            core: 0,
        })
        .collect();
    bundle::write::bundle(&components).context("the drivers")
}
