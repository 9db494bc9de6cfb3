//! Measures messages between two that may use vector registers: both do between calls, and neither does.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::format;
use core::hint::black_box;

use bench_programs::report::{self, Line};
use bench_programs::{each, mark};
use rt::{Cap, Endpoint, Env, Message, now_ticks, ticks_per_second};

rt::entry!(run);

const ROUNDS: u64 = 1000;
const WARM_UP: u64 = 20;

fn run(env: &'static Env) {
    if let Err(error) = report::print(env, &[both(env), neither(env)]) {
        log::error!("bench-fpu: {error}");
    }
}

/// Eight words; client and server each compute between two calls.
fn both(env: &Env) -> Line {
    let echo: Cap<Endpoint> = env.cap("use:bench-fpu-echo").map_err(|missing| format!("{missing}"))?;
    let message = Message::new(1, [1, 2, 3, 4, 5, 6, 7, 8]);
    let mut sum = 1.0f64;
    measure("ipc.call_reply_8w_fpu", || {
        sum = black_box(sum * 1.5);
        echo.call(&message).map(drop).map_err(|error| format!("call: {error:?}"))
    })
}

/// No word, and nobody computes.
fn neither(env: &Env) -> Line {
    let echo: Cap<Endpoint> = env.cap("use:bench-fpu-idle").map_err(|missing| format!("{missing}"))?;
    let message = Message::new(1, []);
    measure("ipc.call_reply_0w_may_fpu", || echo.call(&message).map(drop).map_err(|error| format!("call: {error:?}")))
}

fn measure(name: &str, mut round: impl FnMut() -> Result<(), alloc::string::String>) -> Line {
    (0..WARM_UP).try_for_each(|_| round())?;
    mark(name);
    let start = now_ticks();
    (0..ROUNDS).try_for_each(|_| round())?;
    let end = now_ticks();
    mark(name);
    report::metric(name, each(end - start, ticks_per_second(), ROUNDS), "instructions")
}
