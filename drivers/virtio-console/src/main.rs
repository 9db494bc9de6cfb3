//! The process of a virtio console: serves `serial`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::dma::Space;
use kit::{Interrupt, class::serial, virtio};
use virtio_console::{Failure, VirtioConsole};

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError, Failure> {
    let space = Space::open(env)?;
    let console = VirtioConsole::new(virtio::open(env, space)?, space)?;
    Ok(serial::serve(env, console, Interrupt::open(env, 0)?)?)
}
