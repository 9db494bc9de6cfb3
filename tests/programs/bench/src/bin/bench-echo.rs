//! Answers every call with its own words: the other half of a round trip.
#![cfg_attr(target_os = "none", no_std, no_main)]

use rt::Env;

rt::entry!(run);

fn run(env: &'static Env) {
    bench_programs::echo::run(env, "provide:bench-echo");
}
