//! `bench`: measures in instructions and bytes. Under `-icount shift=0` one instruction is one nanosecond of the
//! machine's time, so the numbers repeat exactly and do not depend on the host.

mod boots;
mod explain;
mod files;
mod goals;
mod latency;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};

use crate::board::Board;
use crate::build;
use crate::setup::Setup;
use crate::tools;
use crate::workspace::Workspace;
use boots::Bench;
use goals::{Fault, Judge, ROWS};

/// The cores on which everything is measured; the worse figure counts.
const CPUS: [&str; 2] = ["cortex-a53", "cortex-a76"];

/// Metrics of which it is also counted how often they wait for memory (barriers, ordered accesses) and reach for system
/// registers, which cost more than an instruction: fewer instructions are not to be bought with these.
const BESIDE: [&str; 4] = ["ipc.call_reply_8w", "ipc.call_reply_64w", "syscall.null", "notify.signal"];

/// What the goals are judged with: those they are compared with do nothing either.
const OFF: &str = "off";

/// What `bench` takes.
#[derive(Args)]
pub struct Options {
    /// Write the metrics to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail only when a metric is worse than it has been, not when it misses its goal
    #[arg(long)]
    held: bool,
    /// Print one operation of this metric instead, instruction by instruction, and what its instructions are for
    #[arg(long, value_name = "METRIC", conflicts_with_all = ["json", "held"])]
    explain: Option<String>,
    /// Mitigations of speculation: off, as the goals are judged; auto, what each core needs; force, the most expensive
    #[arg(long, value_name = "off|auto|force", default_value = OFF, value_parser = [OFF, "auto", "force"])]
    mitigations: String,
    /// The core on which it is explained
    #[arg(long, requires = "explain", default_value = CPUS[0])]
    cpu: String,
}

impl Options {
    /// As the continuous integration judges.
    pub fn held() -> Self {
        Self { json: None, held: true, explain: None, mitigations: OFF.into(), cpu: CPUS[0].into() }
    }
}

/// A measured value.
#[derive(Clone, Debug, PartialEq)]
struct Metric {
    name: String,
    value: f64,
    unit: String,
    /// What each core needed, where it was measured on cores.
    by_cpu: BTreeMap<&'static str, f64>,
}

impl Metric {
    fn new(name: &str, value: f64, unit: &str) -> Self {
        Self { name: name.into(), value, unit: unit.into(), by_cpu: BTreeMap::new() }
    }
}

pub fn run(workspace: &Workspace, setup: &Setup, options: Options) -> Result<ExitCode> {
    let more: &[_] = if options.explain.is_some() { &[] } else { &tools::DISK };
    setup.require(&[&[&tools::QEMU, &tools::GDB][..], more].concat())?;
    let board = Board::read(workspace, "virt")?;
    let built = build::build(workspace, setup, &board)?;
    let bench = Bench { workspace, board: &board, built: &built, mitigations: &options.mitigations };
    if let Some(metric) = &options.explain {
        if metric == latency::NAME {
            return latency::explain(&bench, &options.cpu).map(|()| ExitCode::SUCCESS);
        }
        return explain::explain(&bench, &options.cpu, metric).map(|()| ExitCode::SUCCESS);
    }
    let mut metrics = files::measure(&built)?;
    for cpu in CPUS {
        worst(&mut metrics, cpu, bench.measure(cpu)?);
    }
    for name in BESIDE {
        let sum = explain::sum(&bench, CPUS[0], name)?;
        metrics.push(Metric::new(&format!("{name}.waits"), sum.waits() as f64, "barriers"));
        metrics.push(Metric::new(&format!("{name}.registers"), sum.system_registers as f64, "accesses"));
    }
    metrics.push(latency::measure(&bench, CPUS[0])?);
    metrics.sort_by_key(|metric| goals::place(&metric.name));
    if let Some(file) = &options.json {
        write(file, &metrics)?;
    }
    let judge = if options.held { Judge::Held } else { Judge::Goal };
    Ok(if print(&metrics, judge) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Takes the figures of one more core in.
fn worst(metrics: &mut Vec<Metric>, cpu: &'static str, measured: Vec<Metric>) {
    for mut new in measured {
        new.by_cpu.insert(cpu, new.value);
        let Some(have) = metrics.iter_mut().find(|have| have.name == new.name) else {
            metrics.push(new);
            continue;
        };
        let better_high = ROWS.get(goals::place(&new.name)).is_some_and(goals::Row::is_better_high);
        have.value = if better_high { have.value.min(new.value) } else { have.value.max(new.value) };
        have.by_cpu.extend(new.by_cpu);
    }
}

fn value(metrics: &[Metric], name: &str) -> Option<f64> {
    metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value)
}

fn write(file: &Path, metrics: &[Metric]) -> Result<()> {
    let text = serde_json::to_string_pretty(&to_json(metrics))?;
    fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))
}

/// The metrics with their limits, and the names of those that were not measured.
fn to_json(metrics: &[Metric]) -> Value {
    let entry = |metric: &Metric| {
        let mut entry = json!({ "name": metric.name, "value": metric.value, "unit": metric.unit });
        if !metric.by_cpu.is_empty() {
            entry["by_cpu"] = json!(metric.by_cpu);
        }
        if let Some(row) = ROWS.get(goals::place(&metric.name))
            && let Some(limit) = row.limit()
        {
            entry[if row.is_better_high() { "at_least" } else { "at_most" }] = json!(limit);
        }
        entry
    };
    let missing = ROWS.iter().map(|row| row.name).filter(|name| value(metrics, name).is_none());
    json!({ "metrics": metrics.iter().map(entry).collect::<Vec<_>>(), "missing": missing.collect::<Vec<_>>() })
}

/// A table with the limits. False when something is wrong.
fn print(metrics: &[Metric], judge: Judge) -> bool {
    println!("{:<30}{:>12}  {:<13}{:>12}{:>12}", "metric", "value", "unit", "goal", "held");
    let mut fine = true;
    for row in ROWS {
        let number = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
        let metric = metrics.iter().find(|metric| metric.name == row.name);
        let (unit, value) = metric.map_or(("", None), |metric| (metric.unit.as_str(), Some(metric.value)));
        let fault = row.fault(value, judge);
        fine &= fault.is_none();
        let mark = match row.fault(value, Judge::Goal) {
            Some(Fault::Beyond) if row.is_better_high() => "  too little",
            Some(Fault::Beyond) => "  too much",
            Some(Fault::Missing) => "  not measured",
            None => "",
        };
        let lost = if judge == Judge::Held && fault.is_some() { ", WORSE THAN IT WAS" } else { "" };
        let (value, limit, held) = (number(value), number(row.limit()), number(row.held));
        println!("{:<30}{value:>12}  {unit:<13}{limit:>12}{held:>12}{mark}{lost}", row.name);
    }
    for metric in metrics.iter().filter(|metric| goals::place(&metric.name) == ROWS.len()) {
        println!("{:<30}{:>12}  {:<13}", metric.name, metric.value, metric.unit);
    }
    fine
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, value: f64) -> Metric {
        Metric::new(name, value, "instructions")
    }

    #[test]
    fn the_worse_core_counts() {
        let mut metrics = Vec::new();
        worst(&mut metrics, "a", vec![metric("cap.copy", 5.0), metric("ipc.scaling_2", 2.0)]);
        worst(&mut metrics, "b", vec![metric("cap.copy", 7.0), metric("ipc.scaling_2", 1.5)]);
        assert_eq!(metrics.iter().map(|metric| metric.value).collect::<Vec<_>>(), [7.0, 1.5]);
        assert_eq!(metrics[0].by_cpu, BTreeMap::from([("a", 5.0), ("b", 7.0)]));
    }

    #[test]
    fn what_is_missing_is_said() {
        let value = to_json(&[metric("cap.copy", 5.0)]);
        assert_eq!(value["metrics"][0]["at_most"], 300.0);
        let missing = value["missing"].as_array().expect("missing");
        assert_eq!(missing.len(), ROWS.len() - 1);
        assert!(missing.contains(&json!("cap.delete")));
        assert!(!print(&[metric("cap.copy", 5.0)], Judge::Goal));
    }
}
