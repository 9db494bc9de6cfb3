//! The process of a virtio block device: serves `block`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::dma::Space;
use kit::{Interrupt, class::block, virtio};
use virtio_blk::{Failure, VirtioBlk};

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError, Failure> {
    let space = Space::open(env)?;
    let disk = VirtioBlk::new(virtio::open(env, space)?, space)?;
    Ok(block::serve(env, disk, space, Interrupt::open(env, 0)?)?)
}
