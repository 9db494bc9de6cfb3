//! What the shell printed, read back.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use ipc::trace::{Line, Record, Sum};

/// Records that were overwritten before they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Whose.
    pub core: u64,
    /// How many.
    pub count: u64,
    /// The number of the next one that is there; `None`: none is.
    pub before: Option<u64>,
}

/// A recording.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    pub cores: u64,
    pub ticks_per_second: u64,
    pub boot_ticks: u64,
    /// Names of threads by their numbers.
    pub names: BTreeMap<u64, String>,
    /// Of all cores, in order of time.
    pub records: Vec<Record>,
    pub gaps: Vec<Gap>,
    /// What the recorded command printed.
    pub said: String,
}

impl Recording {
    /// Reads what came over the console.
    pub fn parse(text: &str) -> Result<Self> {
        let mut found = Self::default();
        let (mut sum, mut began) = (Sum::default(), false);
        for line in text.lines() {
            let line = line.trim_end_matches('\r');
            let Some(parsed) = Line::parse(line) else {
                ensure!(!began, "this came between the lines of the recording: {line:?}");
                found.said += line;
                found.said.push('\n');
                continue;
            };
            if let Line::End { records, lost, sum: wanted } = parsed {
                ensure!(sum == wanted, "the console garbled the recording: its lines do not have the sum of its end");
                ensure!(records == found.records.len() as u64 && lost == found.lost(), "records are missing");
                ensure!(found.ticks_per_second > 0, "the recording has no clock");
                found.records.sort_by_key(|record| (record.ticks, record.core, record.sequence));
                return Ok(found);
            }
            (began, _) = (true, sum.add(line));
            found.take(parsed);
        }
        None.context("the recording has no end")
    }

    fn take(&mut self, line: Line<'_>) {
        match line {
            Line::Begin { cores, ticks_per_second, boot_ticks } => {
                (self.cores, self.ticks_per_second, self.boot_ticks) = (cores, ticks_per_second, boot_ticks);
            }
            Line::Thread { number, name } => {
                // A number that was given again has both names.
                let known = self.names.entry(number).or_default();
                *known = if known.is_empty() { name.into() } else { format!("{known}, {name}") };
            }
            Line::Lost { core, count } => self.gaps.push(Gap { core, count, before: None }),
            Line::Records(records) => {
                for record in records {
                    let waits = |gap: &&mut Gap| gap.core == u64::from(record.core) && gap.before.is_none();
                    self.gaps.iter_mut().filter(waits).for_each(|gap| gap.before = Some(record.sequence));
                    self.records.push(record);
                }
            }
            Line::End { .. } => {}
        }
    }

    /// How many records were lost.
    pub fn lost(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.count).sum()
    }

    /// Microseconds since boot.
    pub fn time(&self, ticks: u64) -> f64 {
        let nanoseconds =
            u128::from(ticks.saturating_sub(self.boot_ticks)) * 1_000_000_000 / u128::from(self.ticks_per_second);
        nanoseconds as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use ipc::trace::{Found, Printer};

    use super::*;

    fn printed() -> String {
        let mut text = "one\ntwo\n".to_owned();
        let mut printer = Printer::begin(&mut text, 2, 1_000_000, 1000).expect("memory");
        printer.thread(7, "shell").expect("memory");
        printer.thread(7, "hello").expect("memory");
        let record = |core, sequence, ticks| Found::Record(Record { sequence, core, event: 7, ticks, a: 33, b: 0 });
        printer.found(0, Found::Lost(3)).expect("memory");
        for (core, sequence, ticks) in [(0, 4, 2000), (0, 5, 2002), (1, 1, 2001)] {
            printer.found(core.into(), record(core, sequence, ticks)).expect("memory");
        }
        printer.end().expect("memory");
        text + "3 events, 3 lost\n"
    }

    #[test]
    fn a_recording_is_read_back() {
        let recording = Recording::parse(&printed()).expect("a recording");
        assert_eq!((recording.cores, recording.lost(), recording.said.as_str()), (2, 3, "one\ntwo\n"));
        assert_eq!(recording.gaps, [Gap { core: 0, count: 3, before: Some(4) }]);
        assert_eq!(recording.names[&7], "shell, hello");
        let order: Vec<_> = recording.records.iter().map(|record| (record.core, record.sequence)).collect();
        assert_eq!(order, [(0, 4), (1, 1), (0, 5)]);
        assert!((recording.time(2002) - 1002.0).abs() < 1e-9);
    }

    #[test]
    fn what_the_console_garbled_is_refused() {
        let good = printed();
        let refused = |text: String| Recording::parse(&text).expect_err("refused").to_string();
        assert!(refused(good.replacen("@thread 7 shell", "@thread 7 shall", 1)).contains("garbled"));
        assert!(refused(good.replacen("@lost 0 3\n", "", 1)).contains("garbled"));
        assert!(refused(good.replacen("@end 3", "@end 4", 1)).contains("missing"));
        assert!(refused(good.replacen("@lost", "warning\n@lost", 1)).contains("between"));
        assert!(refused(good[..good.find("@end").expect("an end")].into()).contains("no end"));
    }
}
