//! A client of the method that the protocol gained.
#![cfg_attr(target_os = "none", no_std, no_main)]

use ipc::Error;
use rt::{Env, Missing};
use versions_programs::now::{Status, TallyClient};

rt::entry!(run);

fn run(env: &'static Env) -> Result<(), Missing> {
    let tally = TallyClient::from_env(env)?;
    let added = tally.add(1).is_ok_and(|count| count > 0);
    match tally.clear() {
        _ if !added => log::error!("a client from now: broken"),
        Ok(_) => log::info!("a client from now: cleared"),
        // What it has to expect of a server that was not built anew.
        Err(Error::Status(Status::UnknownMethod)) => log::info!("a client from now: cannot clear, can go on"),
        Err(error) => log::error!("a client from now: broken: {error}"),
    }
    Ok(())
}
