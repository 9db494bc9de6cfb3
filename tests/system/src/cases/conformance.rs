//! The kernel held to its interface from inside, case by case: `docs/conformance.md` lists them, the program is in
//! `tests/programs/conformance`. Here it is booted on every sort of machine.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::lab::{Boot, Case, Lab, contains, in_turn_beyond};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let exact = ["fast", "slow"].map(|paths| {
        let says = format!(
            "all conformance cases, those of time too, hold where time is exact, {}",
            if paths == "fast" { "with fast paths" } else { "without" }
        );
        Case::new(format!("conformance.time.{paths}"), says, move |lab| exact(lab, paths == "fast"))
    });
    let random = Case::new("conformance.random", "the system survives system calls at random", random);
    let rows = matrix().into_iter().map(|row| Case::new(row.id(), row.says(), move |lab| row.run(lab)));
    rows.chain(exact).chain([random]).collect()
}

/// Long enough for eight emulated cores on a busy host of two.
const PATIENCE: Duration = Duration::from_secs(150);
/// Fewer cases than this were not all of them.
const LEAST: u32 = 300;

/// How the kernel is entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Fast,
    Slow,
    /// It is not mapped while processes run.
    Unmapped,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Slow => "slow",
            Self::Unmapped => "unmapped",
        }
    }

    fn says(self) -> &'static str {
        match self {
            Self::Fast => "with its fast paths, beside an IOMMU",
            Self::Slow => "without fast paths",
            Self::Unmapped => "with a kernel that processes have not mapped",
        }
    }

    fn bootargs(self) -> &'static str {
        match self {
            Self::Fast => "",
            Self::Slow => " fast=off",
            Self::Unmapped => " mitigations=force",
        }
    }
}

/// A machine of the matrix.
#[derive(Clone, Copy, Debug)]
struct Row {
    cores: u32,
    cpu: &'static str,
    gic: u8,
    el2: bool,
    way: Way,
}

/// Six machines in which every pair of a number of cores, a core, a GIC, an exception level and fast paths on or off
/// occurs, and two without the kernel in processes.
fn matrix() -> [Row; 8] {
    let row = |cores, cpu, gic, el2, way| Row { cores, cpu, gic, el2, way };
    [
        row(1, "cortex-a53", 2, false, Way::Fast),
        row(1, "max", 3, true, Way::Slow),
        row(4, "cortex-a53", 3, false, Way::Slow),
        row(4, "max", 2, true, Way::Fast),
        row(8, "max", 2, false, Way::Slow),
        row(8, "cortex-a53", 3, true, Way::Fast),
        row(1, "max", 3, false, Way::Unmapped),
        row(4, "cortex-a53", 2, true, Way::Unmapped),
    ]
}

impl Row {
    fn level(self) -> &'static str {
        if self.el2 { "el2" } else { "el1" }
    }

    fn id(self) -> String {
        format!("conformance.{}.{}.gicv{}.{}.{}", self.cores, self.cpu, self.gic, self.level(), self.way.name())
    }

    fn says(self) -> String {
        let paths = self.way.says();
        let Self { cores, cpu, gic, .. } = self;
        format!("all cases hold on {cores} × {cpu} with GICv{gic} at {}, {paths}", self.level().to_uppercase())
    }

    /// Those with fast paths have an IOMMU.
    fn extra(self) -> Vec<String> {
        let iommu: &[&str] = if self.way == Way::Fast { &["-machine", "iommu=smmuv3"] } else { &[] };
        iommu.iter().map(|&word| word.to_owned()).chain(in_turn_beyond(self.cores, 2)).collect()
    }

    fn run(self, lab: &mut Lab) -> Result<()> {
        let boot = Boot {
            cpu: Some(self.cpu.into()),
            gic: Some(self.gic),
            el2: self.el2,
            smp: Some(self.cores),
            bootargs: Some(format!("log=info{}", self.way.bootargs())),
            extra: self.extra(),
            ..Boot::default()
        };
        all_hold(lab, boot, self.cores)
    }
}

/// On a machine whose clock counts instructions.
fn exact(lab: &mut Lab, fast: bool) -> Result<()> {
    let fast = if fast { "" } else { " fast=off" };
    let boot = Boot {
        smp: Some(1),
        bootargs: Some(format!("log=info conformance.timed=1{fast}")),
        extra: ["-icount", "shift=0,sleep=off"].map(str::to_owned).into(),
        ..Boot::default()
    };
    all_hold(lab, boot, 1)
}

fn all_hold(lab: &mut Lab, boot: Boot, cores: u32) -> Result<()> {
    let mut console = lab.boot(Boot { set: Some("conformance"), ..boot })?;
    let ends = ["conformance: conformance: ", "broken off: ", " crashed: ", "kernel halted"];
    let which = console.expect_any(&ends, PATIENCE)?;
    let summary = console.expect("\n")?;
    let text = console.text();
    ensure!(which == 0, "{}{summary}", ends[which]);
    let failures: Vec<&str> = text.lines().filter(|line| line.contains(": FAIL ")).collect();
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    let (passed, ran_on) = figures(&summary).with_context(|| format!("no figures in {summary:?}"))?;
    if ran_on != cores {
        bail!("{ran_on} cores in the place of {cores}");
    }
    ensure!(passed >= LEAST, "only {passed} cases:\n{text}");
    Ok(())
}

fn random(lab: &mut Lab) -> Result<()> {
    let mut console = lab.boot_to_prompt(Boot { set: Some("random"), ..Boot::default() })?;
    console.logged(&["kinds of refusal"], "conformance broken", PATIENCE)?;
    let list = console.command("ps")?;
    for name in ["pl011", "file", "shell"] {
        let running = list.lines().any(|line| line.contains(name) && line.contains("running"));
        ensure!(running, "{name} does not run:\n{list}");
    }
    contains(&console.command("help")?, "poweroff")
}

/// Passed cases and cores of `N passed, N failed, N cores`.
fn figures(summary: &str) -> Option<(u32, u32)> {
    let (passed, rest) = summary.split_once(" passed, ")?;
    let (_, rest) = rest.split_once(" failed, ")?;
    Some((passed.parse().ok()?, rest.split_once(" cores")?.0.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_pair_of_settings_occurs() {
        let settings = |row: &Row| {
            [row.cores.to_string(), row.cpu.into(), row.gic.to_string(), row.level().into(), row.way.name().into()]
        };
        let (unmapped, rows): (Vec<Row>, Vec<Row>) = matrix().into_iter().partition(|row| row.way == Way::Unmapped);
        let [unmapped, rows] = [unmapped, rows].map(|rows| rows.iter().map(settings).collect::<Vec<[String; 5]>>());
        assert!(
            (0..4).all(|column| unmapped[0][column] != unmapped[1][column]),
            "two machines that differ in everything"
        );
        let values = |column: usize| rows.iter().map(|row| row[column].clone()).collect::<BTreeSet<_>>();
        assert_eq!([0, 1, 2, 3, 4].map(|column| values(column).len()), [3, 2, 2, 2, 2]);
        for one in 0..5 {
            for other in one + 1..5 {
                for first in values(one) {
                    for second in values(other) {
                        let occurs = rows.iter().any(|row| row[one] == first && row[other] == second);
                        assert!(occurs, "{first} with {second}");
                    }
                }
            }
        }
    }

    #[test]
    fn figures_of_a_summary() {
        assert_eq!(figures("306 passed, 0 failed, 8 cores"), Some((306, 8)));
        assert_eq!(figures("nothing"), None);
    }
}
