//! Touches so far apart that the address space has no page left for tables.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

/// What one table of the last level covers.
const STEP: u64 = 2 << 20;

fn run(_: &'static rt::Env) {
    let Ok(reserved) = rt::Reserved::new(15, 15 * 512) else { return log::error!("memory broken: nothing reserved") };
    for step in 0..15 {
        reserved.write(step * STEP, step);
    }
    log::error!("memory broken: tables for all of it");
}
