//! Starting a component.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bench_programs::{FIRST_INSTRUCTION, mark};
use ipc::log::{Line as LogLine, LogClient};
use ipc::supervisor::SupervisorClient;
use rt::{LOG, SUPERVISOR};

use crate::{Line, metric};

/// Kills a component and takes the time from the log's line that it is started again to its first instruction. The
/// bundle was checked at boot.
pub fn spawn() -> Line {
    let supervisor = SupervisorClient(SUPERVISOR);
    let hello = component(&supervisor, "bench-hello")?;
    let last = log_lines(0)?.last().map_or(0, |line| line.sequence);
    mark("process.spawn");
    supervisor.kill(hello).map_err(|error| format!("kill: {error:?}"))?;
    mark("process.spawn");
    let lines = log_lines(last + 1)?;
    let begun = lines.iter().find(|line| line.component == 0 && line.text.as_str().contains("is started again"));
    let begun = begun.ok_or("init says nothing of a start")?.nanoseconds;
    let first = lines.iter().find_map(|line| line.text.as_str().split_once(FIRST_INSTRUCTION));
    let first: u64 = first.and_then(|(_, number)| number.trim().parse().ok()).ok_or("bench-hello says nothing")?;
    metric("process.spawn", first.saturating_sub(begun))
}

fn component(supervisor: &SupervisorClient, name: &str) -> Result<u32, String> {
    for index in 0.. {
        match supervisor.list(index) {
            Ok(Some(component)) if component.name.as_str() == name => return Ok(component.component),
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => return Err(format!("supervisor: {error:?}")),
        }
    }
    Err(format!("no component {name}"))
}

/// The lines of the log from this number on.
fn log_lines(mut from: u64) -> Result<Vec<LogLine>, String> {
    let log = LogClient(LOG);
    let mut lines = Vec::new();
    loop {
        match log.read(from) {
            Ok((next, Some(line))) => {
                from = next;
                lines.push(line);
            }
            Ok((_, None)) => return Ok(lines),
            Err(error) => return Err(format!("log: {error:?}")),
        }
    }
}
