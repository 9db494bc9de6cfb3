//! Calls a server that lies: each lie is noticed, what it brought is gone, and the next capability arrives.
#![cfg_attr(target_os = "none", no_std, no_main)]

use ipc::Error;
use rt::Env;
use trespass::liar::{LIES, LiarClient, Status};

rt::entry!(run);

/// More than the table has slots.
const ROUNDS: u32 = 100;

fn run(env: &'static Env) -> Result<(), &'static str> {
    let liar = LiarClient::from_env(env).map_err(|_| "no liar")?;
    ipc::window::open().map_err(|_| "no window")?;
    let (mut noticed, mut arrived) = (0, 0);
    for lie in (0..ROUNDS).flat_map(|_| 0..LIES) {
        for answer in [liar.number(lie).map(drop), liar.bytes(lie).map(drop)] {
            noticed += u32::from(matches!(answer, Err(Error::Malformed | Error::Status(Status::No))));
            arrived += u32::from(liar.bell().is_ok_and(|bell| bell.cap().signal(0).is_ok()));
        }
    }
    let all = ROUNDS * LIES * 2;
    log::info!("believer: {noticed} of {all} lies noticed, {arrived} of {all} capabilities arrived");
    Ok(())
}
