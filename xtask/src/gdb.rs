//! `gdb`: attaches a debugger to `run --gdb`, with the symbols of the kernel, those of the component that is looked at, and
//! commands that know threads and components.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::build::KERNEL;
use crate::setup::Setup;
use crate::tools;
use crate::workspace::Workspace;

/// What `gdb` takes.
#[derive(Args)]
pub struct Options {
    /// A folder of board/
    #[arg(long, default_value = "virt")]
    board: String,
    /// The debugger port of the machine
    #[arg(long, default_value = ":1234")]
    target: String,
    /// Take the symbols of this component from the beginning
    #[arg(long)]
    program: Option<String>,
    /// Arguments for the debugger
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Whether anybody listens at a port of this machine. It is asked without a connection, of which the emulator takes one. Other
/// targets are the debugger's to find.
fn is_served(target: &str) -> bool {
    let port = target.strip_prefix(':').and_then(|port| port.parse::<u16>().ok());
    port.is_none_or(|port| TcpListener::bind(("127.0.0.1", port)).is_err())
}

pub fn run(workspace: &Workspace, setup: &Setup, options: Options) -> Result<ExitCode> {
    setup.require(&[&tools::GDB])?;
    let gdb = tools::GDB.find().context("gdb is not there")?;
    let folder = workspace.out(&options.board);
    let elf = folder.join(format!("{KERNEL}.elf"));
    ensure!(elf.is_file(), "{} does not exist: start `cargo xtask run --gdb` first", elf.display());
    ensure!(is_served(&options.target), "nothing waits at {}: start `cargo xtask run --gdb` first", options.target);
    let mut command = Command::new(gdb);
    command.arg("-q").arg(elf).args(["-ex", "set confirm off", "-ex"]);
    command.arg(format!("python TUTTI_FOLDER = {:?}", folder.display().to_string()));
    command.arg("-x").arg(workspace.root.join("xtask/src/gdb/tutti.py"));
    command.args(["-ex", &format!("target remote {}", options.target)]);
    if let Some(program) = options.program.filter(|program| program != KERNEL) {
        command.args(["-ex", &format!("tutti component {program}")]);
    }
    // In the place of xtask: Ctrl-C, which the terminal sends to both, is the debugger's.
    Err(command.args(options.arguments).exec()).context("gdb cannot be started")
}
