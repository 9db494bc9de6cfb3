//! Writes its own program.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

fn run(_: &'static rt::Env) {
    trespass::write("the own program", run as *const () as usize);
}
