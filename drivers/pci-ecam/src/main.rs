//! The process of a PCI Express host bridge: tells devmgr of the functions behind it.
#![cfg_attr(target_os = "none", no_std, no_main)]

use ipc::devices::DevicesClient;
use kit::{Event, Node, mmio::Mmio};
use pci_ecam::{Ecam, Windows, first_bus, scan, tell};

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError> {
    let node = Node::open(env)?;
    let ecam = Ecam::new(Mmio::open(env, 0)?, first_bus(&node));
    let (devices, ended) = (DevicesClient::from_env(env)?, Event::server_ended()?);
    let found = scan(&ecam, &mut Windows::of(node.bytes("ranges").unwrap_or_default()));
    log::info!("{} functions on bus {}", found.iter().flatten().count(), ecam.first());
    kit::spawn(async move {
        loop {
            tell(&devices, &ecam, &found);
            // Its successor knows nothing.
            ended.wait().await;
        }
    });
    Ok(ipc::run())
}
