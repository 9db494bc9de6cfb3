//! The process of an 82574: serves `net`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use e1000e::{E1000e, Failure};
use kit::dma::Space;
use kit::mmio::Mmio;
use kit::{class::net, pci};

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError, Failure> {
    let space = Space::open(env)?;
    let (function, mmio) = (pci::Function::open(env)?, Mmio::named(env, "bar0")?);
    let interrupt = function.interrupt(env, |name| Mmio::named(env, name))?;
    let nic = E1000e::new(&mmio, space, || function.set_master(true))?;
    Ok(net::serve(env, nic, space, interrupt)?)
}
