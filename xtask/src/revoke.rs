//! `revoke`: memory that is taken away while a disk writes into it, as often as one has time for.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use system_tests::revoke::{Disk, Revoke};

use crate::setup::Setup;
use crate::test;
use crate::workspace::Workspace;

fn disk(name: &str) -> Result<Disk, String> {
    let found = Disk::ALL.into_iter().find(|disk| disk.name() == name);
    found.ok_or_else(|| format!("it is one of {}", Disk::ALL.map(Disk::name).join(", ")))
}

/// What `revoke` takes.
#[derive(Args)]
pub struct Options {
    /// How often memory is taken away
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// What random numbers begin with
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// The disk: blk, large (each request in several transfers) and nvme on PCI behind an SMMU; trusted (on PCI) and mmio
    /// without one, where what is written to late is counted
    #[arg(long, default_value = "blk", value_parser = disk)]
    disk: Disk,
}

pub fn run(workspace: &Workspace, setup: &Setup, options: Options) -> Result<ExitCode> {
    let Options { count, seed, disk } = options;
    let run = Revoke { count, seed, disk };
    Ok(test::system(workspace, setup, test::VIRT, &[run.case()], test::Deviations::default())?.close())
}
