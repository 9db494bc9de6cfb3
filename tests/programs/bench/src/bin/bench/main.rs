//! Measures system calls, IPC, operations on objects and the block path, and says so on the serial line.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

mod memory;
mod messages;
mod objects;
mod process;

use alloc::string::String;

use bench_programs::report::{self, Line};
use bench_programs::{block, each, mark};
use rt::{Env, now_ticks, ticks_per_second};

rt::entry!(run);

/// Rounds that are measured, and rounds before them that are not.
const ROUNDS: u64 = 1000;
const WARM_UP: u64 = 20;

fn run(env: &'static Env) {
    let mut lines = messages::lines(env);
    lines.extend(objects::lines());
    lines.push(memory::first_touch());
    lines.push(process::spawn());
    lines.extend(block::lines(env, &block::VIRTIO));
    if let Err(error) = report::print(env, &lines) {
        log::error!("bench: {error}");
    }
}

fn metric(name: &str, value: u64) -> Line {
    report::metric(name, value, "instructions")
}

/// The metric that is the cost of one of many rounds of `round`.
fn measure(name: &str, mut round: impl FnMut() -> Result<(), String>) -> Line {
    measure_loop(name, |rounds| (0..rounds).try_for_each(|_| round()))
}

/// The same for a function that does many rounds itself, so that nothing is counted but these.
fn measure_loop(name: &str, mut rounds: impl FnMut(u64) -> Result<(), String>) -> Line {
    rounds(WARM_UP)?;
    mark(name);
    let start = now_ticks();
    rounds(ROUNDS)?;
    let end = now_ticks();
    mark(name);
    metric(name, each(end - start, ticks_per_second(), ROUNDS))
}
