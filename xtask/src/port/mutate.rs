//! Real trees with errors in them, read by all that reads a tree on the machine: there is an answer, soon, in one line, and no panic.

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bundle::Bundle;

use super::agree;
use super::report::{Report, Source};
use super::survey;

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two reports of how far it is.
const REPORT: Duration = Duration::from_secs(10);

/// What became of them.
#[derive(Debug, Default)]
pub struct Mutations {
    /// Those that were still trees.
    pub taken: u32,
    /// The longest answer.
    pub longest: Duration,
    /// What must not be, each with the number that makes it again.
    pub faults: Vec<String>,
}

/// Makes so many, each of a tree of the folder, from the number `first` on.
pub fn run(folder: &Path, drivers: &Bundle<'_>, count: u32, seed: u32) -> Result<Mutations> {
    let mut files = Vec::new();
    agree::collect(folder, &mut files)?;
    files.sort();
    ensure!(!files.is_empty(), "{} holds no device trees", folder.display());
    name_the_culprit();
    let mut all = Mutations::default();
    let mut reported = Instant::now();
    for number in 0..count {
        one(&files, drivers, u64::from(seed) << 32 | u64::from(number), &mut all)?;
        if reported.elapsed() > REPORT {
            reported = Instant::now();
            eprintln!("{number} of {count}, {} still trees, {} faults", all.taken, all.faults.len());
        }
    }
    Ok(all)
}

/// Seed and number of the tree that is being read.
static CURRENT: AtomicU64 = AtomicU64::new(0);

fn name_the_culprit() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let seed = CURRENT.load(Ordering::Relaxed);
        eprintln!("a tree with errors: seed {} number {}", seed >> 32, seed as u32);
        before(info);
    }));
}

fn one(files: &[PathBuf], drivers: &Bundle<'_>, seed: u64, all: &mut Mutations) -> Result<()> {
    let mut random = Random(seed);
    let file = &files[random.below(files.len())];
    let mut bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    random.break_it(&mut bytes);
    let start = Instant::now();
    // A panic ends this program, and says with which.
    CURRENT.store(seed, Ordering::Relaxed);
    let answer = survey::survey(&bytes, Source::default(), drivers);
    let time = start.elapsed();
    all.longest = all.longest.max(time);
    let wrong = match answer {
        _ if time > PATIENCE => Some(format!("it takes {time:.1?}")),
        Err(error) => unclear(&format!("{error:#}")),
        Ok(report) => {
            all.taken += 1;
            lines(&report).find_map(unclear)
        }
    };
    if let Some(wrong) = wrong {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        all.faults.push(format!("{name} with seed {} number {}: {wrong}", seed >> 32, seed as u32));
    }
    Ok(())
}

/// What is said of what is wrong.
fn lines(report: &Report) -> impl Iterator<Item = &str> {
    let blockers = report.blockers.iter().map(|blocker| blocker.what.as_str());
    blockers.chain(report.drivers.waiting.iter().map(|waiting| waiting.why.as_str()))
}

/// What is wrong with a line, if something is.
fn unclear(line: &str) -> Option<String> {
    let is_clear = !line.is_empty() && line.len() < 400 && !line.contains(char::is_control);
    (!is_clear).then(|| format!("it says {line:?}"))
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Changes one to three places: a byte, a bit, a word that is likely to hurt, a piece from elsewhere, or the end.
    fn break_it(&mut self, bytes: &mut Vec<u8>) {
        const WORDS: [u32; 12] = [0, 1, 2, 3, 9, 16, 0x100, 0x1000, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8, u32::MAX];
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(12) {
                0 | 1 => bytes[at] = self.next() as u8,
                2 | 3 => bytes[at] ^= 1 << self.below(8),
                4..=6 => put(bytes, at & !3, &WORDS[self.below(WORDS.len())].to_be_bytes()),
                7 | 8 => {
                    let word = self.below(bytes.len() * 2) as u32;
                    put(bytes, at & !3, &word.to_be_bytes());
                }
                9 | 10 => {
                    let (from, length) = (self.below(bytes.len()) & !3, (self.below(16) + 1) * 4);
                    let piece = bytes.get(from..from + length).unwrap_or_default().to_vec();
                    put(bytes, at & !3, &piece);
                }
                // Most cuts would leave nothing to look at.
                _ if self.below(8) == 0 => bytes.truncate(at.max(64)),
                _ => put(bytes, self.below(10) * 4, &WORDS[self.below(WORDS.len())].to_be_bytes()),
            }
        }
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_answer_is_a_fault() {
        assert_eq!(unclear("node /cpus: reg is missing"), None);
        assert!(unclear("").is_some() && unclear("two\nlines").is_some() && unclear(&"x".repeat(400)).is_some());
        let broken = |seed| {
            let mut bytes = vec![7; 1000];
            Random(seed).break_it(&mut bytes);
            bytes
        };
        assert!(broken(1) == broken(1) && broken(1) != broken(2));
    }
}
