//! The only build tool: one file per verb.
#![forbid(unsafe_code)]

mod bench;
mod board;
mod board_tree;
mod build;
mod check;
mod ci;
mod compare;
mod component;
mod corrupt;
mod crates;
mod debian;
mod docs;
mod doctor;
mod fuzz;
mod gdb;
mod image;
mod layering;
mod licences;
mod link;
mod new;
mod outside;
mod pack;
mod port;
mod program;
mod pstore;
mod qemu;
mod remote;
mod revoke;
mod run;
mod rustfmt;
mod setup;
mod sizes;
mod symbols;
mod test;
mod toolchain;
mod tools;
mod trace;
mod trial;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::setup::Setup;
use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Builds, boots, tests and measures Tutti")]
struct Cli {
    /// Install what is missing without asking
    #[arg(long, global = true)]
    yes: bool,
    /// Never install anything: say what is missing and stop
    #[arg(long, global = true, conflicts_with = "yes")]
    no_install: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build everything and boot it in QEMU, to the shell's prompt
    Run(run::Options),
    /// Build the kernel's image and the bundle of a board
    Build(build::Options),
    /// Run the tests: on the host, then in the booted image
    Test(test::Options),
    /// Throw random system calls at the kernel from all cores
    Fuzz(fuzz::Options),
    /// Tell virtio devices behind an IOMMU nonsense
    Corrupt(corrupt::Options),
    /// Take memory away while a disk writes into it
    Revoke(revoke::Options),
    /// Measure, in instructions and bytes
    Bench(bench::Options),
    /// The disk under Tutti and under Debian's Linux, side by side
    Compare(compare::Options),
    /// What a device tree means for us: what the kernel uses, what stops a first boot, which devices have a driver
    Port(port::Options),
    /// Make a driver, a service or a protocol from a template
    New(new::Options),
    /// Formatting, lints for host and target, the layering, licences, the documentation and its pages
    Check,
    /// How long components and drivers are, with their limits
    Sizes,
    /// What the continuous integration runs: check, build, bench, test
    Ci,
    /// Attach a debugger to `run --gdb`
    Gdb(gdb::Options),
    /// Write the generated parts of the documentation and build the book
    Docs(docs::Options),
    /// Record what all cores do and write a timeline that ui.perfetto.dev opens
    Trace(trace::Options),
    /// Say which tools are there, where, and what is missing
    Doctor,
}

fn main() -> ExitCode {
    match dispatch(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode> {
    let setup = Setup::new(cli.yes, cli.no_install);
    let workspace = Workspace::find()?;
    match cli.verb {
        Verb::Run(options) => run::run(&workspace, &setup, options),
        Verb::Build(options) => build::run(&workspace, &setup, options),
        Verb::Test(options) => test::run(&workspace, &setup, options),
        Verb::Fuzz(options) => fuzz::run(&workspace, &setup, options),
        Verb::Revoke(options) => revoke::run(&workspace, &setup, options),
        Verb::Corrupt(options) => corrupt::run(&workspace, &setup, options),
        Verb::Bench(options) => bench::run(&workspace, &setup, options),
        Verb::Compare(options) => compare::run(&workspace, &setup, options),
        Verb::Port(options) => port::run(&workspace, &setup, options),
        Verb::New(options) => new::run(&workspace, options),
        Verb::Check => check::run(&workspace, &setup),
        Verb::Sizes => sizes::run(&workspace),
        Verb::Ci => ci::run(&workspace, &setup),
        Verb::Gdb(options) => gdb::run(&workspace, &setup, options),
        Verb::Trace(options) => trace::run(&workspace, &setup, options),
        Verb::Docs(options) => docs::run(&workspace, &setup, options),
        Verb::Doctor => doctor::run(&workspace),
    }
}
