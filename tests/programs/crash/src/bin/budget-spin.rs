//! Never stops computing. Its manifest's budget is what keeps it from starving the others.
#![cfg_attr(target_os = "none", no_std, no_main)]

use rt::Env;

rt::entry!(run);

fn run(_: &'static Env) {
    loop {
        core::hint::spin_loop();
    }
}
