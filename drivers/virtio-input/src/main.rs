//! The process of a virtio input device: serves `input`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::dma::Space;
use kit::{Interrupt, class::input, virtio};
use virtio_input::{Failure, VirtioInput};

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError, Failure> {
    let space = Space::open(env)?;
    let device = VirtioInput::new(virtio::open(env, space)?, space)?;
    Ok(input::serve(env, device, Interrupt::open(env, 0)?)?)
}
