//! Measures system calls, IPC, operations on objects and the block path, and says so on the serial line.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

mod block;
mod messages;
mod objects;
mod process;

use alloc::string::String;

use bench_programs::report::{self, Line};
use bench_programs::{each, mark};
use rt::{Env, now_ticks, ticks_per_second};

rt::entry!(run);

/// Rounds that are measured, and rounds before them that are not.
const ROUNDS: u64 = 1000;
const WARM_UP: u64 = 20;

fn run(env: &'static Env) {
    let mut lines = messages::lines(env);
    lines.extend(objects::lines());
    lines.extend([process::spawn(), block::read(env)]);
    if let Err(error) = report::print(env, &lines) {
        log::error!("bench: {error}");
    }
}

fn metric(name: &str, value: u64) -> Line {
    report::metric(name, value, "instructions")
}

/// The metric that is the cost of one of many rounds of `round`.
fn measure(name: &str, mut round: impl FnMut() -> Result<(), String>) -> Line {
    (0..WARM_UP).try_for_each(|_| round())?;
    mark(name);
    let start = now_ticks();
    (0..ROUNDS).try_for_each(|_| round())?;
    let end = now_ticks();
    mark(name);
    metric(name, each(end - start, ticks_per_second(), ROUNDS))
}
