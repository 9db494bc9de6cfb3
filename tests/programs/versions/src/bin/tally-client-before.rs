//! A client that was built before the protocol gained a method.
#![cfg_attr(target_os = "none", no_std, no_main)]

use rt::{Env, Missing};
use versions_programs::before::TallyClient;

rt::entry!(run);

fn run(env: &'static Env) -> Result<(), Missing> {
    let tally = TallyClient::from_env(env)?;
    // Others count as well, and one of them clears.
    let fine = tally.add(2).is_ok_and(|count| count >= 2) && tally.add(0).is_ok();
    log::info!("a client from before: {}", if fine { "as it should be" } else { "broken" });
    Ok(())
}
