//! Says what its device says.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::mmio::Mmio;

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError> {
    let node = kit::Node::open(env)?;
    let vendor = node.number("vendor-id")?;
    log::info!("{vendor:#x}: {}", pci_programs::name(&Mmio::named(env, "bar0")?)?);
    Ok(ipc::run())
}
