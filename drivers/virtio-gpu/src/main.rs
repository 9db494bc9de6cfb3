//! The process of a virtio GPU device: serves `display`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::dma::Space;
use kit::{Interrupt, class::display, virtio};
use virtio_gpu::{Failure, VirtioGpu};

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError, Failure> {
    let space = Space::open(env)?;
    let gpu = VirtioGpu::new(virtio::open(env, space)?, space)?;
    Ok(display::serve(env, gpu, Some(Interrupt::open(env, 0)?))?)
}
