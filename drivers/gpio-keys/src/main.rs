//! The process of a board's keys: serves `input`, and uses `gpio`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gpio_keys::{Keys, follow};
use ipc::Shared;
use ipc::input::InputServer;
use kit::Node;
use kit::class::input::Service;
use kit::pin::Line;

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result {
    let (keys, lines) = Keys::of(&Node::open(env)?);
    kit::pin::watch_server()?;
    let service = Shared::new(Service::new(keys));
    for key in lines {
        follow(key, service.clone(), move || Line::open(env, key.line));
    }
    Ok(ipc::serve(env, InputServer(service))?)
}
