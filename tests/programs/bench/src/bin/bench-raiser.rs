//! Raises the interrupt of bench-handler's device and takes the time until the handler begins.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::format;
use alloc::string::String;

use bench_programs::handler::{DATA, HandlerClient, MASK, MATCH, RAW};
use bench_programs::report::{self, Line};
use bench_programs::{each, mark};
use rt::{Env, SharedBuffer, now_ticks, ticks_per_second};

rt::entry!(run);

const ROUNDS: u64 = 1000;
const WARM_UP: u64 = 20;
const NAME: &str = "irq.to_handler";

fn run(env: &'static Env) -> Result<(), String> {
    report::print(env, &[measure(env)])
}

/// From the store that raises the interrupt to the first line of an async handler, in a driver above us.
fn measure(env: &Env) -> Line {
    let driver = HandlerClient::from_env(env).map_err(|missing| format!("{missing}"))?;
    ipc::window::open().map_err(|error| format!("{error:?}"))?;
    let frame = driver.registers().map_err(|error| format!("bench-handler: {error}"))?;
    let clock = SharedBuffer::map(frame.cap(), 1).map_err(|error| format!("registers: {error:?}"))?;
    let outside = |_| String::from("no such register");
    clock.store_u32(MASK, 0).map_err(outside)?;
    // The second may end between the two accesses.
    for _ in 0..100 {
        clock.store_u32(MATCH, clock.load_u32(DATA).map_err(outside)?).map_err(outside)?;
    }
    if clock.load_u32(RAW).map_err(outside)? != 1 {
        return Err("the clock does not fire".into());
    }
    let mut ticks = 0;
    for round in 0..WARM_UP + ROUNDS {
        if round == WARM_UP {
            mark(NAME);
            ticks = 0;
        }
        let start = now_ticks();
        clock.store_u32(MASK, 1).map_err(outside)?;
        let (end, count) = driver.last().map_err(|error| format!("bench-handler: {error}"))?;
        if count != round + 1 {
            return Err(format!("{NAME}: the handler ran {count} times for {} interrupts", round + 1));
        }
        ticks += end.saturating_sub(start);
    }
    mark(NAME);
    report::metric(NAME, each(ticks, ticks_per_second(), ROUNDS), "instructions")
}
