//! The same, where a board lets it run on another core.
#![cfg_attr(target_os = "none", no_std, no_main)]

use rt::Env;

rt::entry!(run);

fn run(env: &'static Env) {
    bench_programs::echo::run(env, "provide:bench-far");
}
