//! The smallest component: it says so and ends.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

fn run(_: &'static rt::Env) {
    log::info!("hello, world");
}
