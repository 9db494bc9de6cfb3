//! `gdb`: attaches a debugger to `run --gdb`.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::build::KERNEL;
use crate::setup::Setup;
use crate::tools;
use crate::workspace::{self, Workspace};

/// What `gdb` takes.
#[derive(Args)]
pub struct Options {
    /// A folder of board/
    #[arg(long, default_value = "virt")]
    board: String,
    /// The program whose symbols are loaded: the kernel, init or a component
    #[arg(long, default_value = KERNEL)]
    program: String,
    /// Arguments for the debugger
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub fn run(workspace: &Workspace, setup: &Setup, options: Options) -> Result<ExitCode> {
    setup.require(&[&tools::GDB])?;
    let gdb = tools::GDB.find().context("gdb is not there")?;
    let elf = workspace.out(&options.board).join(format!("{}.elf", options.program));
    ensure!(elf.is_file(), "{} does not exist: start `cargo xtask run --gdb` first", elf.display());
    let mut command = Command::new(gdb);
    command.arg("-q").arg(elf).args(["-ex", "target remote :1234"]).args(options.arguments);
    let status = workspace::status(&mut command)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
