//! Components that try what they may not, are stopped, and are named; the rest of the system carries on. The programs
//! are in `tests/programs/trespass`.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::console::Console;
use crate::lab::{Boot, Case, Lab, Need, contains};

const SET: Need = Need::Set("isolation");

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let fault = |id: &str, culprit: &'static str, fault: &'static str, says: &str| {
        Case::new(format!("isolation.{id}"), says, move |lab| faults(lab, culprit, fault)).needs([SET])
    };
    vec![
        Case::new("isolation.refused", "calls beyond a component's rights get their defined error", refused)
            .needs([SET]),
        fault("memory", "trespass-memory", READ, "another process's memory cannot be read"),
        fault("kernel", "trespass-kernel", READ, "kernel memory cannot be read"),
        fault("registers", "trespass-registers", WRITE, "another driver's registers cannot be written"),
        fault("program", "trespass-program", WRITE, "a program cannot be written"),
        fault("execute", "trespass-execute", EXECUTE, "a writable page cannot be executed"),
        fault("fpu", "trespass-fpu", FPU, "floating point takes having asked for it"),
        Case::new("isolation.liar", "what a server adds to its answers is gone, and the next call works", liar)
            .needs([SET]),
        Case::new("isolation.carry-on", "the rest of the system carries on", carries_on).needs([SET, Need::Disk]),
    ]
}

const PATIENCE: Duration = Duration::from_secs(30);
const READ: &str = "read of an address it may not read";
const WRITE: &str = "write to an address it may not write";
const FPU: &str = "use of floating point without asking for it";
const EXECUTE: &str = "execution of an address it may not execute";

fn boot(lab: &mut Lab) -> Result<Console> {
    lab.boot_to_prompt(Boot { set: Some("isolation"), ..Boot::default() })
}

/// The log once the program has come to its end, one way or the other.
fn log_of(lab: &mut Lab) -> Result<String> {
    let mut console = boot(lab)?;
    let log = console.command("log")?;
    ensure!(!log.contains("isolation broken"), "{log}");
    Ok(log)
}

fn refused(lab: &mut Lab) -> Result<()> {
    contains(&log_of(lab)?, "trespass: 18 of 18 refused as defined")
}

fn liar(lab: &mut Lab) -> Result<()> {
    let (mut console, start) = (boot(lab)?, Instant::now());
    loop {
        let log = console.command("log")?;
        if log.contains("believer: ") || start.elapsed() > PATIENCE {
            return contains(&log, "believer: 1200 of 1200 lies noticed, 1200 of 1200 capabilities arrived");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn faults(lab: &mut Lab, culprit: &str, fault: &str) -> Result<()> {
    let log = log_of(lab)?;
    let named = log.lines().any(|line| line.contains(culprit) && line.contains(fault));
    ensure!(named, "no line names {culprit} and {fault:?}:\n{log}");
    Ok(())
}

fn carries_on(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab)?;
    let list = console.command("ps")?;
    for name in [lab.machine().console_driver(), "file", "shell"] {
        let running = list.lines().any(|line| line.contains(name) && line.contains("running"));
        ensure!(running, "{name} does not run:\n{list}");
    }
    contains(&console.command("help")?, "poweroff")
}
