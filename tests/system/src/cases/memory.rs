//! Reserved memory: it is there when it is touched, it is zero, it goes back; and what ends when there is none left. The
//! programs are in `tests/programs/memory`.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::console::Console;
use crate::lab::{Boot, Case, Lab, Need, contains};

const SET: Need = Need::Set("memory");

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let fault = |id: &str, culprit: &'static str, fault: &'static str, says: &str| {
        Case::new(format!("memory.{id}"), says, move |lab| faults(lab, culprit, fault)).needs([SET])
    };
    vec![
        Case::new("memory.touch", "reserved memory comes when it is touched, is zero and goes back", touch)
            .needs([SET]),
        fault("exhausted", "memory-exhausted", NO_MEMORY, "more than there is memory for is a fault that says so"),
        fault("tables", "memory-tables", NO_TABLES, "more than there are tables for is a fault that says so"),
        fault("stack", "memory-stack", "stack overflow (0x1", "a stack overflow ends below the stack and is called so"),
        fault("revoked", "memory-revoked", WRITE, "what was reserved and was revoked is not there"),
        Case::new("memory.carry-on", "the rest of the system carries on", carries_on).needs([SET]),
    ]
}

const NO_MEMORY: &str = "touch of reserved memory without a page left (0x";
const NO_TABLES: &str = "touch of reserved memory without a page left for tables (0x";
const WRITE: &str = "write to an address it may not write (0x";

const PATIENCE: Duration = Duration::from_secs(30);

/// Boots and waits until the program that is not stopped has come to its end. Returns the console and the log.
fn boot(lab: &mut Lab) -> Result<(Console, String)> {
    let mut console = lab.boot_to_prompt(Boot { set: Some("memory"), ..Boot::default() })?;
    let start = Instant::now();
    loop {
        let log = console.command("log")?;
        ensure!(!log.contains("memory broken"), "{log}");
        if log.contains("as defined") {
            return Ok((console, log));
        }
        ensure!(start.elapsed() < PATIENCE, "memory-touch does not end:\n{log}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn touch(lab: &mut Lab) -> Result<()> {
    let (_, log) = boot(lab)?;
    contains(&log, "memory: 5 of 5 as defined")
}

fn faults(lab: &mut Lab, culprit: &str, fault: &str) -> Result<()> {
    let (_, log) = boot(lab)?;
    let crash = format!("{culprit} (component ");
    let named = log.lines().any(|line| line.contains(&crash) && line.contains(&format!(") crashed: {fault}")));
    ensure!(named, "no line names {culprit} and {fault:?}:\n{log}");
    Ok(())
}

fn carries_on(lab: &mut Lab) -> Result<()> {
    let (mut console, log) = boot(lab)?;
    contains(&log, "memory: four of four pages are there")?;
    contains(&log, "got all of it back, zeroed")?;
    let list = console.command("ps")?;
    for name in ["devmgr", "file", "shell"] {
        let running = list.lines().any(|line| line.contains(name) && line.contains("running"));
        ensure!(running, "{name} does not run:\n{list}");
    }
    Ok(())
}
