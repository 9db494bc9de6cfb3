//! `bench`: measures in instructions and bytes. Under `-icount shift=0` one instruction is one nanosecond of the
//! machine's time, so the numbers repeat exactly and do not depend on the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use system_tests::{Boot, Case, Console, Disk, Lab, Outcome};

use crate::board::Board;
use crate::build::{self, Built};
use crate::qemu;
use crate::setup::Setup;
use crate::symbols::Symbols;
use crate::tools;
use crate::workspace::Workspace;

/// The board's set that holds the programs which measure.
const SET: &str = "bench";
/// What the programs print when they have measured everything.
const END: &str = "bench: end";
const PATIENCE: Duration = Duration::from_secs(240);
/// Zeros without a host file behind them.
const NULL_DISK: u64 = 256 << 20;

/// A metric and the most it may be.
const LIMITS: [(&str, Option<f64>); 9] = [
    ("boot.first_user", Some(2_000_000.0)),
    ("boot.prompt", Some(30_000_000.0)),
    ("syscall.null", Some(218.0)),
    ("ipc.call_reply_0w", Some(1000.0)),
    ("ipc.call_reply_8w", Some(1000.0)),
    ("process.spawn", None),
    ("blk.read_4k", None),
    ("image.kernel", Some(1_048_576.0)),
    ("mem.after_boot", Some(8_388_608.0)),
];

/// What `bench` takes.
#[derive(Args, Default)]
pub struct Options {
    /// Write the metrics to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A measured value.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Metric {
    name: String,
    value: f64,
    unit: String,
}

pub fn run(workspace: &Workspace, setup: &Setup, options: Options) -> Result<ExitCode> {
    let needed: Vec<_> = [&tools::QEMU].into_iter().chain(tools::DISK).collect();
    setup.require(&needed)?;
    let board = Board::read(workspace, "virt")?;
    let built = build::build(workspace, setup, &board)?;
    let metrics = measure(workspace, &board, &built)?;
    if let Some(file) = &options.json {
        write(file, &metrics)?;
    }
    Ok(if print(&metrics) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Boots the shipped bundle and the one that measures, and collects what they say.
fn measure(workspace: &Workspace, board: &Board, built: &Built) -> Result<Vec<Metric>> {
    let mut metrics = Vec::new();
    metrics.extend(quietest_boot(workspace, board, built)?);
    if board.sets.contains_key(SET) {
        metrics.extend(boot(workspace, board, built, Some(SET))?);
    }
    let bytes = built.image.metadata().with_context(|| format!("{}", built.image.display()))?.len();
    metrics.push(Metric { name: "image.kernel".into(), value: bytes as f64, unit: "bytes".into() });
    metrics.sort_by_key(|metric| LIMITS.iter().position(|(name, _)| *name == metric.name));
    Ok(metrics)
}

/// The least of three boots: while the machine waits for the host to read the disk image, its clock jumps ahead, and
/// that is no work of ours.
fn quietest_boot(workspace: &Workspace, board: &Board, built: &Built) -> Result<Vec<Metric>> {
    let mut least = boot(workspace, board, built, None)?;
    for _ in 0..2 {
        let again = boot(workspace, board, built, None)?;
        least.iter_mut().zip(again).for_each(|(metric, again)| metric.value = metric.value.min(again.value));
    }
    Ok(least)
}

fn boot(workspace: &Workspace, board: &Board, built: &Built, set: Option<&str>) -> Result<Vec<Metric>> {
    let symbols = Symbols::new(&built.folder);
    let mut machine = qemu::machine(board, built, set)?;
    machine.extra = ["-icount", "shift=0,sleep=off", "-seed", "1"].map(str::to_owned).into();
    machine.smp = 1;
    let mut lab = Lab::new(machine, &workspace.tutti(), symbols.shared())?;
    let found = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let result = found.clone();
    let sample = workspace.tutti().join("sample.img");
    system_tests::disk::sample(&sample)?;
    let measures = set.is_some();
    let case = Case::new(format!("bench.{}", set.unwrap_or("boot")), "measures", move |lab: &mut Lab| {
        let disk = if measures { Disk::Null(NULL_DISK) } else { Disk::File(sample.clone()) };
        let mut console = lab.boot(Boot { disks: vec![disk], ..Boot::default() })?;
        let metrics = if measures {
            parse(&console.expect_within(END, PATIENCE)?)?
        } else {
            console.prompt_within(PATIENCE)?;
            after_boot(&mut console)?
        };
        result.borrow_mut().extend(metrics);
        Ok(())
    });
    if let Outcome::Failed(error, logs) = lab.run(&case) {
        let logs: Vec<_> = logs.iter().map(|log| log.display().to_string()).collect();
        return Err(error.context(format!("console output: {}", logs.join(", "))));
    }
    Ok(found.take())
}

/// What init noted when the prompt was there. Under `-icount` its nanoseconds are instructions.
fn after_boot(console: &mut Console) -> Result<Vec<Metric>> {
    let log = console.command("log")?;
    let figures = boot_figures(&log).with_context(|| format!("init's line of figures is not in the log:\n{log}"))?;
    let units = [("boot.first_user", "instructions"), ("boot.prompt", "instructions"), ("mem.after_boot", "bytes")];
    let metric = |((name, unit), value): ((&str, &str), f64)| Metric { name: name.into(), value, unit: unit.into() };
    Ok(units.into_iter().zip(figures).map(metric).collect())
}

/// The three numbers of `boot: first user instruction after 1 ns, prompt after 2 ns, 3 bytes taken`.
fn boot_figures(log: &str) -> Option<[f64; 3]> {
    let rest = log.split_once("boot: first user instruction after ")?.1;
    let (first, rest) = rest.split_once(" ns, prompt after ")?;
    let (prompt, rest) = rest.split_once(" ns, ")?;
    let (taken, _) = rest.split_once(" bytes taken")?;
    Some([first.parse().ok()?, prompt.parse().ok()?, taken.parse().ok()?])
}

/// The lines that end in `metric NAME VALUE UNIT`. A line that begins with `bench: ` says what could not be measured.
fn parse(text: &str) -> Result<Vec<Metric>> {
    if let Some(failure) = text.lines().find(|line| line.starts_with("bench: ")) {
        bail!("{failure}");
    }
    let metric = |line: &str| {
        let mut words = line.split_once("metric ")?.1.split_whitespace();
        let (name, value, unit) = (words.next()?, words.next()?, words.next()?);
        Some(Metric { name: name.into(), value: value.parse().ok()?, unit: unit.into() })
    };
    Ok(text.lines().filter_map(metric).collect())
}

fn write(file: &Path, metrics: &[Metric]) -> Result<()> {
    let text = serde_json::to_string_pretty(&serde_json::json!({ "metrics": metrics }))?;
    fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))
}

/// A table with the limits. False when one is broken or a metric is missing.
fn print(metrics: &[Metric]) -> bool {
    println!("{:<24}{:>14}  {:<14}{:>14}", "metric", "value", "unit", "at most");
    let mut fine = true;
    for metric in metrics {
        let limit = LIMITS.iter().find(|(name, _)| *name == metric.name).and_then(|(_, limit)| *limit);
        let broken = limit.is_some_and(|limit| metric.value > limit);
        fine &= !broken;
        let limit = limit.map_or_else(String::new, |limit| limit.to_string());
        let mark = if broken { "  too much" } else { "" };
        println!("{:<24}{:>14}  {:<14}{:>14}{mark}", metric.name, metric.value, metric.unit, limit);
    }
    for (name, _) in LIMITS.iter().filter(|(name, _)| metrics.iter().all(|metric| metric.name != *name)) {
        println!("{name:<24}{:>14}", "not measured");
        fine = false;
    }
    fine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_in_console_lines() {
        let metrics = parse("noise\nmetric syscall.null 187 instructions\nmetric half 3\n").expect("metrics");
        let expected = Metric { name: "syscall.null".into(), value: 187.0, unit: "instructions".into() };
        assert_eq!(metrics, [expected]);
        assert!(parse("bench: block: gone\n").is_err());
    }

    #[test]
    fn the_figures_of_a_boot_are_found() {
        let log = "[ 0.1] info init: boot: first user instruction after 12 ns, prompt after 345 ns, 6789 bytes taken\n";
        assert_eq!(boot_figures(log), Some([12.0, 345.0, 6789.0]));
        assert_eq!(boot_figures("boot: first user instruction after none"), None);
    }
}
