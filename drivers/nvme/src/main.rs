//! The process of an NVM Express controller: serves `block`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::dma::Space;
use kit::mmio::Mmio;
use kit::{class::block, pci, time};
use nvme::{Failure, Nvme};

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError, Failure> {
    let space = Space::open(env)?;
    let (function, mmio) = (pci::Function::open(env)?, Mmio::named(env, "bar0")?);
    let disk = Nvme::new(&mmio, space, &mut time::Kernel::open()?, || function.set_master(true))?;
    Ok(block::serve(env, disk, space, function.interrupt(env)?)?)
}
