//! Random system calls from all cores at once: no fault of the kernel, no hang, no memory lost, no effect on a process
//! that has nothing to do with it. The programs are in `tests/programs/fuzz`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::lab::{Boot, Case, Lab, in_turn_beyond};

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Fuzz {
    /// Calls in all.
    pub calls: u32,
    /// What random numbers begin with.
    pub seed: u32,
    /// Cores.
    pub cores: u32,
    /// Version of the interrupt controller.
    pub gic: u8,
    /// Whether fast paths are used.
    pub fast: bool,
    /// The core.
    pub cpu: &'static str,
}

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let run =
        |cores, gic, fast, cpu, calls| Fuzz { calls, seed: cores * 10 + u32::from(gic), cores, gic, fast, cpu }.case();
    vec![
        run(1, 2, true, "cortex-a53", 40_000),
        run(1, 3, false, "max", 40_000),
        run(2, 3, true, "max", 40_000),
        run(4, 2, false, "max", 80_000),
        run(4, 3, true, "cortex-a53", 80_000),
    ]
}

/// It says every five seconds how far it is. Nothing for so long is a hang, also where the machine has a busy host.
const SILENCE: Duration = Duration::from_secs(60);

impl Fuzz {
    /// As a test.
    pub fn case(self) -> Case {
        let Self { calls, cores, gic, fast, .. } = self;
        let paths = if fast { "fast" } else { "slow" };
        let says = format!("{calls} random calls from {cores} cores do no harm");
        Case::new(format!("fuzz.{cores}.gicv{gic}.{paths}"), says, move |lab| self.run(lab))
    }

    fn run(self, lab: &mut Lab) -> Result<()> {
        let Self { calls, seed, cores, gic, fast, cpu } = self;
        let fast = if fast { "" } else { " fast=off" };
        let mut console = lab.boot(Boot {
            set: Some("fuzz"),
            cpu: Some(cpu.into()),
            gic: Some(gic),
            smp: Some(cores),
            bootargs: Some(format!("log=info selftest=maps fuzz.calls={calls} fuzz.seed={seed}{fast}")),
            extra: in_turn_beyond(cores, 1),
            ..Boot::default()
        })?;
        let ends = ["fuzz: so far ", "fuzz: done: ", "fuzz broken: ", " crashed: ", "kernel halted"];
        loop {
            let which = console.expect_any(&ends, SILENCE)?;
            let line = console.expect("\n").context(ends[which])?;
            if which == 0 {
                continue;
            }
            ensure!(which == 1, "{}{line}", ends[which]);
            let (made, ran_on) = figures(&line).with_context(|| format!("no figures in {line:?}"))?;
            ensure!(made >= calls && ran_on == cores, "{line}");
            return Ok(());
        }
    }
}

/// Calls and cores of `N calls on N cores`.
fn figures(summary: &str) -> Option<(u32, u32)> {
    let (calls, rest) = summary.split_once(" calls on ")?;
    Some((calls.parse().ok()?, rest.split_once(" cores")?.0.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_summary() {
        assert_eq!(figures("80123 calls on 4 cores in 4 rounds"), Some((80_123, 4)));
        assert_eq!(figures("nothing"), None);
    }
}
