//! The process of a PCI Express host bridge: tells devmgr of the functions behind it, and serves `pci` to their drivers.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::rc::Rc;

use ipc::devices::DevicesClient;
use ipc::pci::PciServer;
use kit::{Node, Shared, mmio::Mmio};
use pci_ecam::{Bus, Ecam, Windows, bus_range, keep_told, listen, scan};

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError> {
    let node = Node::open(env)?;
    let ecam = Ecam::new(Mmio::open(env, 0)?, bus_range(&node));
    let is_first = env.start_info().epoch == 1;
    let windows = Windows::of(node.bytes("ranges").unwrap_or_default());
    let found = scan(&ecam, &windows, is_first);
    let functions = found.functions.iter().flatten().count();
    log::info!("{functions} functions on {} buses from {} on", found.bridges.0.len() + 1, ecam.first());
    let bus = Shared::new(Bus::new(ecam, windows, found));
    let devices = Rc::new(DevicesClient::from_env(env)?);
    keep_told(&devices, &bus)?;
    listen(env, &devices, &bus)?;
    Ok(kit::serve(env, PciServer(bus))?)
}
