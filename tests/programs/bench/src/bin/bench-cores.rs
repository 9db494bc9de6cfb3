//! Measures messages to a server that the board lets run on another core.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::format;

use bench_programs::report::{self, Line};
use bench_programs::{each, mark};
use rt::{Cap, Endpoint, Env, Message, now_ticks, ticks_per_second};

rt::entry!(run);

const ROUNDS: u64 = 1000;
const WARM_UP: u64 = 20;
const NAME: &str = "ipc.call_reply_cross_core";

fn run(env: &'static Env) {
    if let Err(error) = report::print(env, &[round_trip(env)]) {
        log::error!("bench-cores: {error}");
    }
}

fn round_trip(env: &Env) -> Line {
    let far: Cap<Endpoint> = env.cap("use:bench-far").map_err(|missing| format!("{missing}"))?;
    let message = Message::new(1, [1, 2, 3, 4, 5, 6, 7, 8]);
    let round = |_| far.call(&message).map(drop).map_err(|error| format!("call: {error:?}"));
    (0..WARM_UP).try_for_each(round)?;
    mark(NAME);
    let start = now_ticks();
    (0..ROUNDS).try_for_each(round)?;
    let end = now_ticks();
    mark(NAME);
    report::metric(NAME, each(end - start, ticks_per_second(), ROUNDS), "instructions")
}
