//! Vector registers: components that compute at the same time, each to the last bit as if it were alone; what a call keeps,
//! and that nothing comes across. The programs are in `tests/programs/fpu` and `tests/programs/conformance`.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::console::Console;
use crate::lab::{Boot, Case, Lab, contains};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let computes = |id: &str, cores: u32, says: &str| {
        Case::new(format!("fpu.{id}"), says, move |lab| {
            let mut console = until(lab, Boot { set: Some("fpu"), smp: Some(cores), ..Boot::default() }, &COMPUTED)?.0;
            contains(&console.command("caps fpu-server")?, "thread with vector registers")?;
            ensure!(!console.command("caps shell")?.contains("vector registers"), "the shell has vector registers");
            Ok(())
        })
    };
    vec![
        computes("one-core", 1, "six components compute on one core, in slices and across calls"),
        computes("cores", 4, "six components compute on four cores, and a server on its callers'"),
        Case::new("fpu.registers", "vector registers survive a call, and none comes across", registers),
    ]
}

const PATIENCE: Duration = Duration::from_secs(120);

/// What each says when it has computed everything.
const COMPUTED: [&str; 5] = [
    "fpu: seed 1: 30 rounds, 0 wrong",
    "fpu: seed 2: 30 rounds, 0 wrong",
    "fpu: seed 3: 30 rounds, 0 wrong",
    "fpu: client 5: 1000 calls, 0 wrong",
    "fpu: client 6: 1000 calls, 0 wrong",
];

/// Boots and waits until all of this is in the log. Returns the console and the log.
fn until(lab: &mut Lab, boot: Boot, ends: &[&str]) -> Result<(Console, String)> {
    let mut console = lab.boot_to_prompt(boot)?;
    let start = Instant::now();
    loop {
        let log = console.command("log")?;
        ensure!(!log.contains("fpu broken") && !log.contains("conformance broken"), "{log}");
        if ends.iter().all(|end| log.contains(end)) {
            return Ok((console, log));
        }
        if start.elapsed() > PATIENCE {
            bail!("not all of {ends:?} is in the log:\n{log}");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn registers(lab: &mut Lab) -> Result<()> {
    let boot = Boot { set: Some("conformance"), ..Boot::default() };
    let (_, log) = until(lab, boot, &["400 calls with vector registers, 0 wrong"])?;
    // Its second instance looked at what the first might have left it.
    contains(&log, "conformance-fpu-server is started again")
}
