//! A driver that is not to be started.
#![cfg_attr(target_os = "none", no_std, no_main)]

use rt::Env;

rt::entry!(run);

fn run(_: &'static Env) {
    panic!("started without the clock that its device needs");
}
