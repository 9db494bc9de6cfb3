//! A component that says when it ran its first instruction, and waits to be killed.
#![cfg_attr(target_os = "none", no_std, no_main)]

use rt::{Env, NOTIFICATION, now_ticks};

rt::entry!(run);

fn run(env: &'static Env) {
    let start = env.start_info();
    let since = start.nanoseconds(now_ticks().saturating_sub(start.boot_ticks));
    log::info!("{}{since}", bench_programs::FIRST_INSTRUCTION);
    while NOTIFICATION.wait().is_ok() {}
}
