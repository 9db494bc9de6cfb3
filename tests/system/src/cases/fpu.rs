//! Vector registers: components that compute at the same time, each to the last bit as if it were alone. The programs are in
//! `tests/programs/fpu`.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::lab::{Boot, Case, Lab, contains};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let parallel = |id: &str, cores: u32, bootargs: Option<&'static str>, says: &str| {
        Case::new(format!("fpu.{id}"), says, move |lab| computes(lab, cores, bootargs))
    };
    vec![
        parallel("one-core", 1, None, "six components compute on one core, in slices and across calls"),
        parallel("cores", 4, None, "six components compute on four cores, and a server on its callers'"),
    ]
}

const PATIENCE: Duration = Duration::from_secs(120);

/// What each says when it has computed everything.
const ENDS: [&str; 5] = [
    "fpu: seed 1: 30 rounds, 0 wrong",
    "fpu: seed 2: 30 rounds, 0 wrong",
    "fpu: seed 3: 30 rounds, 0 wrong",
    "fpu: client 5: 1000 calls, 0 wrong",
    "fpu: client 6: 1000 calls, 0 wrong",
];

fn computes(lab: &mut Lab, cores: u32, bootargs: Option<&'static str>) -> Result<()> {
    let boot = Boot { set: Some("fpu"), smp: Some(cores), bootargs: bootargs.map(str::to_owned), ..Boot::default() };
    let mut console = lab.boot_to_prompt(boot)?;
    let start = Instant::now();
    loop {
        let log = console.command("log")?;
        ensure!(!log.contains("fpu broken"), "{log}");
        if ENDS.iter().all(|end| log.contains(end)) {
            break;
        }
        if start.elapsed() > PATIENCE {
            bail!("not all have computed everything:\n{log}");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    contains(&console.command("caps fpu-server")?, "thread with vector registers")?;
    ensure!(!console.command("caps shell")?.contains("vector registers"), "the shell has vector registers");
    Ok(())
}
