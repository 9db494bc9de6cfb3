//! Budgets that manifests ask for.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::console::Console;
use crate::lab::{Boot, Case, Lab, Need};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("budget.manifest", "an urgent component that never stops gets what its manifest says", keeps_to_it)
            .needs([Need::Set("budget")]),
    ]
}

fn keeps_to_it(lab: &mut Lab) -> Result<()> {
    let mut console = lab.boot_to_prompt(Boot { set: Some("budget"), ..Boot::default() })?;
    let (start, before) = (Instant::now(), milliseconds(&mut console)?);
    std::thread::sleep(Duration::from_secs(2));
    let used = milliseconds(&mut console)? - before;
    let share = used / start.elapsed().as_secs_f64() / 1000.0;
    ensure!((0.1..0.22).contains(&share), "it ran {share:.3} of the time, its budget is a fifth");
    Ok(())
}

/// CPU time of the component.
fn milliseconds(console: &mut Console) -> Result<f64> {
    let list = console.command("ps")?;
    let line = list.lines().find(|line| line.contains("budget-spin"));
    let last = line.and_then(|line| line.split_whitespace().last()).context("budget-spin is not listed")?;
    last.parse().with_context(|| format!("{last:?} is no time"))
}
