//! Computes beside others of its priority.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

fn run(_: &'static rt::Env) {
    fpu_programs::alone(1);
}
