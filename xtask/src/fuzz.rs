//! `fuzz`: random system calls from all cores, as many as one has time for.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use system_tests::fuzz::Fuzz;

use crate::setup::Setup;
use crate::test;
use crate::workspace::Workspace;

/// Cores that the emulator knows and the kernel has run on.
const CPUS: [&str; 4] = ["cortex-a53", "cortex-a72", "cortex-a76", "max"];

fn cpu(name: &str) -> Result<&'static str, String> {
    CPUS.into_iter().find(|&cpu| cpu == name).ok_or_else(|| format!("it is one of {}", CPUS.join(", ")))
}

/// What `fuzz` takes.
#[derive(Args)]
pub struct Options {
    /// Calls in all
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    calls: u32,
    /// What random numbers begin with
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Cores of the machine
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=8))]
    cores: u32,
    /// Version of the interrupt controller
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=3))]
    gic: u8,
    /// The core; addresses are signed on max, which the emulator is slow at
    #[arg(long, default_value = CPUS[0], value_parser = cpu)]
    cpu: &'static str,
    /// Without fast paths
    #[arg(long)]
    slow: bool,
}

pub fn run(workspace: &Workspace, setup: &Setup, options: Options) -> Result<ExitCode> {
    let Options { calls, seed, cores, gic, cpu, slow } = options;
    let run = Fuzz { calls, seed, cores, gic, fast: !slow, cpu };
    Ok(test::system(workspace, setup, test::VIRT, &[run.case()], test::Deviations::default())?.close())
}
