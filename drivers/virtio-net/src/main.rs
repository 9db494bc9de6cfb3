//! The process of a virtio network interface: serves `net`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::dma::Space;
use kit::{Interrupt, class::net, virtio};
use virtio_net::{Failure, VirtioNet};

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError, Failure> {
    let space = Space::open(env)?;
    let nic = VirtioNet::new(virtio::open(env, space)?, space)?;
    Ok(net::serve(env, nic, space, Interrupt::open(env, 0)?)?)
}
