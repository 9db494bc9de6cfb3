//! The process of the BCM2835's SD host controller: serves `block`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use bcm2835_sdhost::SdHost;
use kit::dma::Space;
use kit::mmio::Mmio;
use kit::{Interrupt, Node, class::block, pin, time};
use sd::{Failure, SlotDisk, Wiring};

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError, Failure> {
    let node = Node::open(env)?;
    pin::settled(env, &node)?;
    let host = SdHost::new(&Mmio::open(env, 0)?)?;
    let disk = SlotDisk::new(host, Wiring::of(&node), &mut time::Kernel::open()?)?;
    Ok(block::serve(env, disk, Space::none(), Interrupt::open(env, 0)?)?)
}
