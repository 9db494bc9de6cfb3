//! The kernel held to its interface from outside: every register of a call and its answer, refusals, and calls at random.
//! The programs are in `tests/programs/conformance`.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::console::Console;
use crate::lab::{Boot, Case, Lab, contains};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("conformance.registers", "a message is what arrives, and nothing else", registers),
        Case::new("conformance.registers_slow", "the same with the fast paths switched off", registers_slow),
        Case::new("conformance.svc", "svc with another immediate is a fault", other_svc),
        Case::new("conformance.random", "the system survives system calls at random", random),
    ]
}

const PATIENCE: Duration = Duration::from_secs(60);

/// Boots and waits until the log says this. Returns the console and the log.
fn until(lab: &mut Lab, end: &str) -> Result<(Console, String)> {
    until_with(lab, "log=info", end)
}

fn until_with(lab: &mut Lab, bootargs: &str, end: &str) -> Result<(Console, String)> {
    let bootargs = Some(bootargs.to_owned());
    let mut console = lab.boot_to_prompt(Boot { set: Some("conformance"), bootargs, ..Boot::default() })?;
    let start = Instant::now();
    loop {
        let log = console.command("log")?;
        ensure!(!log.contains("conformance broken"), "{log}");
        if log.contains(end) {
            return Ok((console, log));
        }
        if start.elapsed() > PATIENCE {
            bail!("{end:?} is missing in:\n{log}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn registers(lab: &mut Lab) -> Result<()> {
    until(lab, " calls, 0 wrong").map(drop)
}

fn registers_slow(lab: &mut Lab) -> Result<()> {
    let (_, log) = until_with(lab, "log=info fast=off", " calls, 0 wrong")?;
    contains(&log, "the fast paths are switched off")
}

fn other_svc(lab: &mut Lab) -> Result<()> {
    let (_, log) = until(lab, "svc with an immediate other than 0")?;
    let named = log.lines().any(|line| line.contains("conformance-svc") && line.contains("svc with an immediate"));
    ensure!(named, "{log}");
    Ok(())
}

fn random(lab: &mut Lab) -> Result<()> {
    let (mut console, _) = until(lab, "kinds of refusal")?;
    let list = console.command("ps")?;
    for name in ["pl011", "file", "shell", "conformance-a"] {
        let running = list.lines().any(|line| line.contains(name) && line.contains("running"));
        ensure!(running, "{name} does not run:\n{list}");
    }
    contains(&console.command("help")?, "poweroff")
}
