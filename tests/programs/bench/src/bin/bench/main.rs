//! Measures system calls, IPC, operations on objects and the block path, and says so on the serial line.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

mod block;
mod messages;
mod process;

use alloc::format;
use alloc::string::String;

use bench_programs::{each, mark};
use ipc::serial::Serial;
use rt::{Endpoint, Env, NOTIFICATION, now_ticks, ticks_per_second};

rt::entry!(run);

/// Rounds that are measured, and rounds before them that are not.
const ROUNDS: u64 = 1000;
const WARM_UP: u64 = 20;

fn run(env: &'static Env) {
    let mut lines = messages::lines(env);
    lines.extend([process::spawn(), block::read(env)]);
    if let Err(error) = print(env, &lines) {
        log::error!("bench: {error}");
    }
}

/// A measured line, or why there is none.
type Line = Result<String, String>;

fn metric(name: &str, value: u64) -> Line {
    Ok(format!("metric {name} {value} instructions"))
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

fn print(env: &Env, lines: &[Line]) -> Result<(), String> {
    let serial = Serial(env.cap::<Endpoint>("use:serial").map_err(|missing| format!("{missing}"))?);
    let (signal, bits) = (ipc::signal_only(NOTIFICATION), 2);
    let signal = signal.map_err(|error| format!("{error:?}"))?;
    serial.attach(signal, bits).map_err(|error| format!("serial: {error:?}"))?;
    for line in lines {
        let text = match line {
            Ok(metric) => format!("{metric}\r\n"),
            Err(error) => format!("bench: {error}\r\n"),
        };
        write(&serial, text.as_bytes())?;
    }
    write(&serial, b"bench: end\r\n")
}

fn write(serial: &Serial, mut bytes: &[u8]) -> Result<(), String> {
    while !bytes.is_empty() {
        let taken = serial.write(bytes).map_err(|error| format!("serial: {error:?}"))?;
        bytes = bytes.get(taken..).unwrap_or_default();
        if taken == 0 {
            NOTIFICATION.wait().map_err(|error| format!("wait: {error}"))?;
        }
    }
    Ok(())
}
