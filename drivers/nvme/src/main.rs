//! The process of an NVM Express controller: serves `block`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::dma::Space;
use kit::mmio::Mmio;
use kit::{Interrupt, class::block, time};
use nvme::{Failure, Nvme};

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError, Failure> {
    let space = Space::open(env)?;
    let disk = Nvme::new(&Mmio::named(env, "bar0")?, space, &mut time::Kernel::open()?)?;
    Ok(block::serve(env, disk, space, Interrupt::named(env, "intx")?)?)
}
