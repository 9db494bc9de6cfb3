//! Crashes as soon as it runs, and wants to be started again each time.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

fn run(_: &'static rt::Env) {
    // In red, for whoever prints it as it is.
    panic!("\x1b[31mon purpose");
}
