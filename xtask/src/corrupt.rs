//! `corrupt`: nonsense for virtio devices behind an IOMMU, as much as one has time for.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use system_tests::corrupt::{Corrupt, DEVICES, Device};

use crate::setup::Setup;
use crate::test;
use crate::workspace::Workspace;

fn device(name: &str) -> Result<Device, String> {
    let names: Vec<_> = DEVICES.iter().map(|device| device.name).collect();
    let found = DEVICES.into_iter().find(|device| device.name == name);
    found.ok_or_else(|| format!("it is one of {}", names.join(", ")))
}

/// What `corrupt` takes.
#[derive(Args)]
pub struct Options {
    /// Corruptions for each device
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// What random numbers begin with
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// One device alone
    #[arg(long, value_parser = device)]
    device: Option<Device>,
}

pub fn run(workspace: &Workspace, setup: &Setup, options: Options) -> Result<ExitCode> {
    let Options { count, seed, device } = options;
    let devices = DEVICES.into_iter().filter(|known| device.is_none_or(|device| device.name == known.name));
    let cases: Vec<_> = devices.map(|device| Corrupt { device, count, seed }.case()).collect();
    Ok(test::system(workspace, setup, test::VIRT, &cases, test::Deviations::default())?.close())
}
