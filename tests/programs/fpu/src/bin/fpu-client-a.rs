//! Computes between calls to a server that computes.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

fn run(env: &'static rt::Env) {
    fpu_programs::client(env, 5);
}
