//! The times of all rounds as throughput, and as ratios.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use disk_jobs::JOBS;
use serde_json::{Value, json};

use super::System;

/// What was measured.
pub struct Table {
    linux: String,
    tutti_rounds: Vec<Vec<Duration>>,
    linux_rounds: Vec<Vec<Duration>>,
}

/// Mebibytes a second of one job on one system.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate {
    best: f64,
    median: f64,
}

impl Table {
    /// A table without figures, beside this Linux.
    pub fn new(linux: &str) -> Self {
        Self { linux: linux.into(), tutti_rounds: Vec::new(), linux_rounds: Vec::new() }
    }

    /// Takes in the times of a boot, in the order of [`JOBS`].
    pub fn add(&mut self, system: System, times: Vec<Duration>) {
        match system {
            System::Tutti => self.tutti_rounds.push(times),
            System::Linux => self.linux_rounds.push(times),
        }
    }

    fn rounds(&self, system: System) -> &[Vec<Duration>] {
        match system {
            System::Tutti => &self.tutti_rounds,
            System::Linux => &self.linux_rounds,
        }
    }

    /// The jobs that count: all but the first, which warms up.
    fn jobs() -> impl Iterator<Item = usize> {
        1..JOBS.len()
    }

    /// Mebibytes a second in each round.
    fn rates(&self, system: System, job: usize) -> Vec<f64> {
        let mebibytes = JOBS[job].total() as f64 / f64::from(1 << 20);
        self.rounds(system).iter().map(|times| mebibytes / times[job].as_secs_f64()).collect()
    }

    fn rate(&self, system: System, job: usize) -> Rate {
        let mut rates = self.rates(system, job);
        rates.sort_by(f64::total_cmp);
        let at = |index: usize| rates.get(index).copied().unwrap_or(0.0);
        let (below, above) = (rates.len().saturating_sub(1) / 2, rates.len() / 2);
        Rate { best: rates.last().copied().unwrap_or(0.0), median: (at(below) + at(above)) / 2.0 }
    }

    /// How much faster Tutti is, by the medians and by the best.
    fn ratio(&self, job: usize) -> Rate {
        let [tutti, linux] = System::BOTH.map(|system| self.rate(system, job));
        Rate { best: tutti.best / linux.best, median: tutti.median / linux.median }
    }

    /// Whether Tutti is nowhere slower, by the medians.
    pub fn is_reached(&self) -> bool {
        Self::jobs().all(|job| self.ratio(job).median >= 1.0)
    }

    pub fn print(&self) {
        println!("\nMiB/s by the host's clock, median (best); Linux is {}", self.linux);
        println!("{:<14}{:>20}{:>20}{:>16}", "job", "Tutti", "Linux", "Tutti/Linux");
        for job in Self::jobs() {
            let [tutti, linux] = System::BOTH.map(|system| self.rate(system, job));
            let ratio = self.ratio(job);
            let shown = |rate: Rate| format!("{:.1} ({:.1})", rate.median, rate.best);
            let mark = if ratio.median < 1.0 { "  too little" } else { "" };
            let ratio = format!("{:.2} ({:.2})", ratio.median, ratio.best);
            println!("{:<14}{:>20}{:>20}{ratio:>16}{mark}", JOBS[job].name, shown(tutti), shown(linux));
        }
    }

    /// Writes all figures.
    pub fn write(&self, file: &Path) -> Result<()> {
        super::write(file, (serde_json::to_string_pretty(&self.to_json())? + "\n").as_bytes())
    }

    fn to_json(&self) -> Value {
        let jobs = Self::jobs().map(|job| {
            let ratio = self.ratio(job);
            json!({
                "name": JOBS[job].name,
                "bytes": JOBS[job].total(),
                "unit": "MiB/s",
                "tutti": self.rates(System::Tutti, job),
                "linux": self.rates(System::Linux, job),
                "ratio_median": ratio.median,
                "ratio_best": ratio.best,
                "at_least": 1.0,
            })
        });
        json!({ "linux": self.linux, "jobs": jobs.collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(tutti: [u64; 3], linux: [u64; 3]) -> Table {
        let mut table = Table::new("linux 6");
        for (system, rounds) in [(System::Tutti, tutti), (System::Linux, linux)] {
            rounds.iter().for_each(|&time| table.add(system, vec![Duration::from_secs(time); JOBS.len()]));
        }
        table
    }

    #[test]
    fn the_median_counts() {
        let table = table([2, 1, 8], [3, 4, 3]);
        assert_eq!(table.ratio(1), Rate { best: 3.0, median: 1.5 });
        assert!(table.is_reached());
        let slower = self::table([4, 4, 1], [3, 3, 3]);
        assert!(!slower.is_reached());
        let mut even = table;
        even.tutti_rounds.pop();
        assert_eq!(even.ratio(1).median, 0.75 * 3.0, "between the middle two of an even number");
    }

    #[test]
    fn all_rounds_are_written() {
        let json = table([2, 1, 8], [3, 4, 3]).to_json();
        let first = &json["jobs"][0];
        assert_eq!(first["name"], JOBS[1].name);
        let seconds = JOBS[1].total() as f64 / f64::from(1 << 20);
        assert_eq!(first["tutti"], json!([seconds / 2.0, seconds, seconds / 8.0]));
        assert_eq!(json["jobs"].as_array().map(Vec::len), Some(JOBS.len() - 1));
    }
}
