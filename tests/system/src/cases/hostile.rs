//! A client that misbehaves, beside one that does not.

use std::fs::File;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::lab::{Boot, Case, Lab, Need, contains};
use crate::machine::Disk;

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "hostile.disk",
            "beside a client that misbehaves one that does not gets 90 % of what it gets beside a polite one",
            disk,
        )
        .needs([Need::Set("hostile"), Need::Disk]),
    ]
}

/// Bytes of the disk, and requests that it takes in a second: few enough that it is the disk for which clients wait, on any host.
const BYTES: u64 = 16 << 20;
const REQUESTS: u32 = 400;
/// What the programs do takes thirty seconds.
const PATIENCE: Duration = Duration::from_secs(120);
/// As the programs name them.
const CONDUCTS: [&str; 7] = ["Flood", "SmallFlood", "Hoard", "Change", "Lie", "Attach", "Die"];

fn disk(lab: &mut Lab) -> Result<()> {
    let image = lab.scratch()?.join("slow.img");
    File::create(&image).and_then(|file| file.set_len(BYTES)).context("cannot make the disk")?;
    let slow = Disk::Slow(image, REQUESTS);
    let mut console = lab.boot_to_prompt(Boot { set: Some("hostile"), disks: vec![slow], ..Boot::default() })?;
    console.logged(&["all bytes right"], "error polite", PATIENCE)?;
    // Of the log only the end is kept: all that was ever shown.
    let log = console.text();
    for conduct in CONDUCTS {
        contains(&log, &format!("neighbour: {conduct}, "))?;
        let (share, hostile, polite) = shares(&log, conduct).with_context(|| log.clone())?;
        let what = format!("beside {conduct}: {share} % ({hostile} requests a second beside {polite})");
        ensure!(share >= 90, "{what}");
        // One that is polite as well has its half: it is there.
        ensure!((REQUESTS * 2 / 5..REQUESTS * 3 / 5).contains(&polite), "{what}");
    }
    Ok(())
}

/// What the polite one says: the share, and the requests of which it is one.
fn shares(log: &str, conduct: &str) -> Option<(u32, u32, u32)> {
    let (_, line) = log.lines().find_map(|line| line.split_once(&format!("polite: beside {conduct}: ")))?;
    let mut numbers = line.split(|letter: char| !letter.is_ascii_digit()).filter_map(|word| word.parse().ok());
    Some((numbers.next()?, numbers.next()?, numbers.next()?))
}
