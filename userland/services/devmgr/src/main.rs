//! The process of the device manager: serves `devices`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use bundle::Bundle;
use devmgr::Manager;
use ipc::Shared;
use ipc::broker::BrokerClient;
use ipc::devices::DevicesServer;
use rt::{Env, Missing, task};
use tree::Tree;

rt::entry!(run);

/// How long the drivers of buses have to say what they found.
const PATIENCE: Duration = Duration::from_secs(2);

fn run(env: &'static Env) -> Result<(), String> {
    let tree = Tree::parse(env.tree().map_err(missing)?).map_err(|error| format!("device tree: {error}"))?;
    let bundle = Bundle::parse(env.bundle().map_err(missing)?).map_err(|error| error.to_string())?;
    let broker = BrokerClient(env.cap("use:broker").map_err(missing)?);
    let manager = Shared::new(Manager::new(tree, &bundle, broker)?);
    let buses = manager.clone();
    task::spawn(async move {
        task::sleep(PATIENCE).await;
        if let Err(error) = buses.borrow_mut().settle() {
            log::error!("broker: {error}");
        }
    });
    let error = ipc::serve(env, DevicesServer(manager)).map_err(missing)?;
    Err(format!("provide:devices: {error}"))
}

fn missing(missing: Missing) -> String {
    missing.to_string()
}
