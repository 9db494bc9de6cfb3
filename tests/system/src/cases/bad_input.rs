//! A truncated or corrupt bundle, device tree or disk gives one clear line and a halt or an error: never a hang, never a
//! crash.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::console::Console;
use crate::disk::Random;
use crate::lab::{Boot, Case, Lab, contains};
use crate::machine::Disk;

/// How long a halt or an error may take.
const SOON: Duration = Duration::from_secs(20);

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let bundle = |id: &str, says: &str, line: &'static str, spoil: fn(Vec<u8>) -> Vec<u8>| {
        Case::new(format!("bad.bundle.{id}"), says, move |lab| bad_bundle(lab, line, spoil))
    };
    let tree = |id: &str, says: &str, line: &'static str, from: &'static str, to: &'static str| {
        Case::new(format!("bad.tree.{id}"), says, move |lab| bad_tree(lab, line, from, to))
    };
    vec![
        Case::new("bad.bundle.none", "no bundle is one line and the end", no_bundle),
        bundle("garbage", "what is no bundle is one line and the end", "no bundle (wrong magic)", |bundle| {
            vec![0xa5; bundle.len()]
        }),
        bundle("truncated", "half a bundle is one line and the end", "bundle: truncated", |mut bundle| {
            bundle.truncate(bundle.len() / 2);
            bundle
        }),
        bundle("table", "a changed table is one line and the end", "bundle: header CRC", |mut bundle| {
            bundle[70] ^= 1;
            bundle
        }),
        bundle("program", "a changed program is one line and the end", "CRC: is", |mut bundle| {
            let last = bundle.len() - 1;
            bundle[last] ^= 1;
            bundle
        }),
        Case::new("bad.tree.sound", "a sound tree boots when it is handed over as it is", sound_tree),
        tree("gic", "an unknown interrupt controller is named", "interrupt controller", "arm,gic-v3", "xrm,gic-v3"),
        tree("timer", "a missing timer is named", "timer", "arm,armv8-timer", "xrm,armv8-timer"),
        tree("memory", "a tree without memory is one line", "memory", "\0memory\0", "\0xemory\0"),
        Case::new("bad.tree.noise", "random changes of the tree crash nothing", noisy_trees),
        Case::new("bad.disk.gpt", "a disk without partition table gives an error", |lab| {
            bad_disk(lab, |disk, _| disk[512..17 * 1024].fill(0))
        }),
        Case::new("bad.disk.boot-sector", "a volume without boot sector gives an error", |lab| {
            bad_disk(lab, |disk, _| disk[VOLUME..VOLUME + 4096].fill(0xff))
        }),
        Case::new("bad.disk.truncated", "a truncated disk gives errors", |lab| {
            bad_disk(lab, |disk, _| disk.truncate(VOLUME + (1 << 20)))
        }),
        Case::new("bad.disk.noise", "random changes of a file system crash nothing", noisy_disks),
    ]
}

/// Where the volume begins on the disk.
const VOLUME: usize = 1 << 20;

fn no_bundle(lab: &mut Lab) -> Result<()> {
    let mut console = lab.boot(Boot { no_bundle: true, ..Boot::default() })?;
    console.expect("no bundle")?;
    ends(&mut console)
}

fn bad_bundle(lab: &mut Lab, line: &str, spoil: fn(Vec<u8>) -> Vec<u8>) -> Result<()> {
    let file = put(lab, "bundle.img", &spoil(lab.bundle()?))?;
    let mut console = lab.boot(Boot { bundle: Some(file), ..Boot::default() })?;
    console.expect_within(line, SOON)?;
    ends(&mut console)
}

/// It halts or switches itself off, and the processor never took a wild step.
fn ends(console: &mut Console) -> Result<()> {
    let status = console.wait_for_end(SOON)?;
    ensure!(status.success(), "QEMU ended with {status}");
    ensure!(console.text().lines().count() <= 2, "more than one clear line:\n{}", console.text());
    Ok(())
}

fn sound_tree(lab: &mut Lab) -> Result<()> {
    let tree = put(lab, "tree.dtb", &lab.device_tree()?)?;
    lab.boot_to_prompt(Boot { tree: Some(tree), ..Boot::default() }).map(drop)
}

/// Replaces a string of the tree by another of the same length.
fn bad_tree(lab: &mut Lab, line: &str, from: &str, to: &str) -> Result<()> {
    let mut tree = lab.device_tree()?;
    let at = tree.windows(from.len()).position(|bytes| bytes == from.as_bytes());
    let at = at.with_context(|| format!("QEMU's tree does not hold {from:?}"))?;
    tree[at..at + to.len()].copy_from_slice(to.as_bytes());
    let tree = put(lab, "tree.dtb", &tree)?;
    let mut console = lab.boot(Boot { tree: Some(tree), ..Boot::default() })?;
    console.expect_within("device tree", SOON)?;
    let rest = console.expect("\n")?;
    contains(&rest, line)
}

/// A tree that has lost its console cannot be complained about; it must not be crashed on either.
fn noisy_trees(lab: &mut Lab) -> Result<()> {
    let sound = lab.device_tree()?;
    // The header says how long the tree really is; the rest is padding.
    let used = sound.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    for seed in 1..=16 {
        let mut tree = sound.clone();
        let mut random = Random::new(seed);
        for _ in 0..4 {
            tree[random.below(used)] = random.below(256) as u8;
        }
        let tree = put(lab, "tree.dtb", &tree)?;
        let mut console = lab.boot(Boot { tree: Some(tree), ..Boot::default() })?;
        // Whether it comes up, gives up or has nobody to tell is its affair.
        let _ = console.expect_any(&["/> ", "boot: ", "init: "], Duration::from_millis(1500));
        let text = console.text();
        ensure!(!text.contains("fault") && !text.contains("panic"), "seed {seed}:\n{text}");
    }
    Ok(())
}

fn bad_disk(lab: &mut Lab, spoil: fn(&mut Vec<u8>, &mut Random)) -> Result<()> {
    spoiled_disk(lab, 1, spoil)
}

fn noisy_disks(lab: &mut Lab) -> Result<()> {
    for seed in 1..=12 {
        spoiled_disk(lab, seed, |disk, random| {
            // The boot sector, the tables and the first folders: where the structure is.
            for _ in 0..1 + random.below(200) {
                let within = [512, 64 << 10, 1 << 20][random.below(3)];
                let at = VOLUME + random.below(within);
                disk[at] = random.below(256) as u8;
            }
        })
        .with_context(|| format!("seed {seed}"))?;
    }
    Ok(())
}

/// Boots with a spoiled disk: the prompt comes, commands come back, and no component crashes.
fn spoiled_disk(lab: &mut Lab, seed: u64, spoil: fn(&mut Vec<u8>, &mut Random)) -> Result<()> {
    let sample = lab.sample_disk()?;
    let mut disk = fs::read(&sample).with_context(|| format!("cannot read {}", sample.display()))?;
    spoil(&mut disk, &mut Random::new(seed));
    let file = put(lab, "disk.img", &disk)?;
    let mut console = lab.boot_to_prompt(Boot { disks: vec![Disk::File(file)], ..Boot::default() })?;
    for command in ["ls", "ls /Notes", "cat /Welcome.txt", "sha256 \"/Music/Alla breve.txt\""] {
        console.command_within(command, SOON)?;
    }
    let log = console.command("log")?;
    ensure!(!log.contains("crashed") && !log.contains("panicked"), "{log}");
    let list = console.command("ps")?;
    ensure!(list.lines().filter(|line| line.contains("running")).count() == 4, "{list}");
    Ok(())
}

fn put(lab: &Lab, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let file = lab.scratch()?.join(name);
    fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
