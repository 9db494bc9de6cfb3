//! The process of a virtio entropy device: serves `entropy`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::dma::Space;
use kit::{Interrupt, class::entropy, virtio};
use virtio_rng::{Failure, VirtioRng};

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError, Failure> {
    let space = Space::open(env)?;
    let generator = VirtioRng::new(virtio::open(env, space)?, space)?;
    Ok(entropy::serve(env, generator, Interrupt::open(env, 0)?)?)
}
