//! Measures how much more two independent pairs on two cores get done than one pair on one core.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::format;
use alloc::string::String;

use bench_programs::pair::{self, COUNT, START};
use bench_programs::report::{self, Line};
use rt::{Cap, Endpoint, Env, Message, now_ticks, ticks_per_second};

rt::entry!(run);

/// Times that one pair and two are compared; the best counts, because the host has other things to do.
const ATTEMPTS: u32 = 8;
/// Length of a run in milliseconds.
const RUN_MS: u64 = 100;

fn run(env: &'static Env) {
    if let Err(error) = report::print(env, &[scaling(env)]) {
        log::error!("bench-scaling: {error}");
    }
}

/// In hundredths: two pairs over one.
fn scaling(env: &Env) -> Line {
    let near: Cap<Endpoint> = env.cap("use:bench-echo").map_err(|missing| format!("{missing}"))?;
    let pair: Cap<Endpoint> = env.cap("use:bench-pair").map_err(|missing| format!("{missing}"))?;
    let mut best = 0;
    for _ in 0..ATTEMPTS {
        let alone = pair::run(near, deadline())?;
        let both = run_both(near, pair)?;
        best = best.max(both * 100 / alone.max(1));
    }
    report::metric("ipc.scaling_2", format!("{}.{:02}", best / 100, best % 100), "times")
}

fn deadline() -> u64 {
    now_ticks() + ticks_per_second() * RUN_MS / 1000
}

fn run_both(near: Cap<Endpoint>, pair: Cap<Endpoint>) -> Result<u64, String> {
    let end = deadline();
    call(pair, START, end)?;
    let own = pair::run(near, end)?;
    Ok(own + call(pair, COUNT, 0)?)
}

fn call(pair: Cap<Endpoint>, method: u32, argument: u64) -> Result<u64, String> {
    let answer = pair.call(&Message::new(method, [argument])).map_err(|error| format!("bench-pair: {error:?}"))?;
    Ok(answer.word(0))
}
