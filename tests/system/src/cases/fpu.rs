//! Vector registers: components that compute at the same time, each to the last bit as if it were alone; what a call keeps
//! is among the cases of `tests/programs/conformance`. The programs are in `tests/programs/fpu`.

use std::time::Duration;

use anyhow::ensure;

use crate::lab::{Boot, Case, Need, contains};

const SET: Need = Need::Set("fpu");

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let computes = |id: &str, cores: u32, needs: [Need; 2], says: &str| {
        Case::new(format!("fpu.{id}"), says, move |lab| {
            let boot = Boot { set: Some("fpu"), smp: Some(cores), ..Boot::default() };
            let mut console = lab.boot_to_prompt(boot)?;
            console.logged(&COMPUTED, "fpu broken", PATIENCE)?;
            contains(&console.command("caps fpu-server")?, "thread with vector registers")?;
            ensure!(!console.command("caps shell")?.contains("vector registers"), "the shell has vector registers");
            Ok(())
        })
        .needs(needs)
    };
    vec![
        computes("one-core", 1, [Need::Virt, SET], "six components compute on one core, in slices and across calls"),
        computes(
            "cores",
            4,
            [Need::Cores(4), SET],
            "six components compute on four cores, and a server on its callers'",
        ),
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
