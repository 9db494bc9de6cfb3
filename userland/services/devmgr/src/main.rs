//! The process of the device manager: serves `devices`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString};

use bundle::Bundle;
use devmgr::Manager;
use ipc::broker::BrokerClient;
use ipc::devices::DevicesServer;
use rt::{Env, Perms};
use tree::Tree;

rt::entry!(run);

fn run(env: &'static Env) -> Result<(), String> {
    let info = env.start_info();
    let tree = file(env, "tree", info.tree_offset, info.tree_bytes.into())?;
    let tree = Tree::parse(tree).map_err(|error| format!("device tree: {error}"))?;
    let bundle = file(env, "bundle", info.bundle_offset, info.bundle_bytes)?;
    let bundle = Bundle::parse(bundle).map_err(|error| error.to_string())?;
    let broker = BrokerClient(env.cap("use:broker").map_err(|error| error.to_string())?);
    let manager = Manager::new(tree, &bundle, broker)?;
    let error = ipc::serve(env, DevicesServer(manager)).map_err(|error| error.to_string())?;
    Err(format!("provide:devices: {error}"))
}

/// A file that init handed over as a Frame.
fn file(env: &'static Env, name: &'static str, offset: u32, bytes: u64) -> Result<&'static [u8], String> {
    let frame = env.cap(name).map_err(|error| error.to_string())?;
    let (start, end) = (offset as usize, offset as usize + bytes as usize);
    let pages = (end as u64).div_ceil(4096);
    let mapping = rt::map(frame, pages, Perms::READ).map_err(|error| format!("{name}: {error:?}"))?;
    mapping.kept_bytes().and_then(|all| all.get(start..end)).ok_or_else(|| format!("{name}: it cannot be read"))
}
