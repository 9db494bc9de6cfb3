//! The process of an SD host controller: serves `block`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::dma::Space;
use kit::mmio::Mmio;
use kit::{Interrupt, Node, class::block, time};
use sd::{Failure, SlotDisk, Wiring};
use sdhci::Sdhci;

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError, Failure> {
    let node = Node::open(env)?;
    let space = Space::of(env, &node)?;
    let host = Sdhci::new(&Mmio::open(env, 0)?, space)?;
    let disk = SlotDisk::new(host, Wiring::of(&node), &mut time::Kernel::open()?)?;
    Ok(block::serve(env, disk, space, Interrupt::open(env, 0)?)?)
}
