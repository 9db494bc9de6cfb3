//! Throws random calls at the kernel: `fuzz.calls=` and `fuzz.seed=` on the command line say how many and which.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

fn run(env: &'static rt::Env) {
    fuzz::run(env);
}
