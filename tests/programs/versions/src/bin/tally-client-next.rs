//! A client of a version that nobody serves.
#![cfg_attr(target_os = "none", no_std, no_main)]

use ipc::Error;
use rt::{Env, Missing};
use versions_programs::next::{Status, TallyClient};

rt::entry!(run);

fn run(env: &'static Env) -> Result<(), Missing> {
    match TallyClient::from_env(env)?.add(1) {
        Err(Error::Status(Status::WrongVersion)) => log::info!("a client of version 2: refused as such"),
        other => log::error!("a client of version 2: broken: {other:?}"),
    }
    Ok(())
}
