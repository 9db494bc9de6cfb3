//! A process that has nothing to do with it, and must not notice.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

fn run(env: &'static rt::Env) {
    fuzz::witness::run(env);
}
