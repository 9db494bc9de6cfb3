//! A truncated or corrupt bundle, device tree or disk gives one clear line and a halt or an error: never a hang, never a
//! crash.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::console::Console;
use crate::disk::Random;
use crate::lab::{Boot, Case, Lab, contains};
use crate::machine::{Bus, Disk};

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
        Case::new("bad.bundle.program", "a component with a changed program is named and left out", |lab| {
            broken_component(lab, "CRC: is", |bundle, record| number(bundle, record + 72, 8))
        }),
        Case::new("bad.bundle.manifest", "a component with a changed manifest is named and left out", |lab| {
            broken_component(lab, "manifest: ", |bundle, record| number(bundle, record + 40, 4))
        }),
        Case::new("bad.bundle.all", "a bundle of broken components is the end", all_broken),
        Case::new("bad.tree.sound", "a sound tree boots when it is handed over as it is", sound_tree),
        tree("gic", "an unknown interrupt controller is named", "interrupt controller", "arm,gic-v3", "xrm,gic-v3"),
        tree("timer", "a missing timer is named", "timer", "arm,armv", "xrm,armv"),
        tree("memory", "a tree without memory is one line", "memory", "memory", "xemory"),
        Case::new("bad.tree.overlap", "a driver starts though another node's registers reach into its page", |lab| {
            let disk = Disk::File(lab.sample_disk()?);
            let mut console = overlapping_tree(lab, 0x0a00_3c00, vec![disk])?;
            contains(&console.command("caps virtio-blk")?, "device registers 0xa003000..0xa004000")?;
            contains(&console.command("cat /Welcome.txt")?, "This disk was made")
        }),
        Case::new("bad.tree.nowhere", "registers where nothing is are said, and everything else starts", |lab| {
            let mut console = overlapping_tree(lab, 0x0b00_0000, Vec::new())?;
            contains(&console.command("devices")?, "no device answers at 0xb000000")
        }),
        Case::new("bad.tree.truncated", "a truncated tree is one line", truncated_tree),
        Case::new("bad.tree.noise", "a tree with random changes boots or is one line", noisy_trees),
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

/// A number of some bytes of a bundle (`userland/bundle/src/format.rs`).
fn number(bundle: &[u8], at: usize, bytes: usize) -> Result<usize> {
    let bytes = bundle.get(at..at + bytes).context("the bundle is cut off")?;
    Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// One byte of the file service is flipped, where `place` says from bundle and record: the others run, and who calls it
/// gets an error.
fn broken_component(lab: &mut Lab, what: &str, place: fn(&[u8], usize) -> Result<usize>) -> Result<()> {
    let mut bundle = lab.bundle()?;
    let count = number(&bundle, 12, 4)?;
    let records = (0..count).map(|index| 64 + 192 * index);
    let named = records.zip(1..).find(|(record, _)| bundle[*record..].starts_with(b"file\0"));
    let (record, component) = named.context("the bundle has no file service")?;
    let place = place(&bundle, record)?;
    *bundle.get_mut(place).context("the record leads out of the bundle")? ^= 0x40;
    let file = put(lab, "bundle.img", &bundle)?;
    let disks = vec![Disk::File(lab.sample_disk()?)];
    let mut console = lab.boot_to_prompt(Boot { bundle: Some(file), disks, ..Boot::default() })?;
    let text = console.text();
    let line = format!("bundle: component {component} (file): {what}");
    ensure!(text.lines().filter(|text| text.starts_with(&line)).count() == 1, "no line {line:?}:\n{text}");
    contains(&text, &format!(" of {count} components started"))?;
    let error = console.command("ls")?;
    ensure!(error.lines().count() == 1, "{error}");
    let list = console.command("ps")?;
    ensure!(well(&list) == count - 1, "{list}");
    contains(&console.command("log")?, &line)
}

/// Whole header and table, and zeros for everything else.
fn all_broken(lab: &mut Lab) -> Result<()> {
    let mut bundle = lab.bundle()?;
    let count = number(&bundle, 12, 4)?;
    bundle[64 + 192 * count..].fill(0);
    let file = put(lab, "bundle.img", &bundle)?;
    let mut console = lab.boot(Boot { bundle: Some(file), ..Boot::default() })?;
    console.expect_within("init: no component of the bundle can be started", SOON)?;
    let status = console.wait_for_end(SOON)?;
    ensure!(status.success(), "QEMU ended with {status}");
    let text = console.text();
    ensure!(text.lines().filter(|line| line.ends_with("it is left out")).count() == count, "{text}");
    Ok(())
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

/// Replaces a string of the tree, wherever it stands, by another of the same length.
fn bad_tree(lab: &mut Lab, line: &str, from: &str, to: &str) -> Result<()> {
    let version_3 = Boot { gic: Some(3), ..Boot::default() };
    let mut tree = lab.device_tree_for(version_3.clone())?;
    ensure!(find(&tree, from).is_some(), "QEMU's tree does not hold {from:?}");
    while let Some(at) = find(&tree, from) {
        tree[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    let tree = put(lab, "tree.dtb", &tree)?;
    let mut console = lab.boot(Boot { tree: Some(tree), ..version_3 })?;
    console.expect_within("device tree", SOON)?;
    let rest = console.expect("\n")?;
    contains(&rest, line)
}

fn find(bytes: &[u8], text: &str) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text.as_bytes())
}

/// Boots with a virtio slot, the one below the first disk's, whose registers are said to be a page long and to begin at
/// `address`.
fn overlapping_tree(lab: &mut Lab, address: u64, disks: Vec<Disk>) -> Result<Console> {
    let reg = |base: u64, size: u64| [base.to_be_bytes(), size.to_be_bytes()].concat();
    let slot = reg(0x0a00_3c00, 0x200);
    let mut tree = lab.device_tree_for(Boot { bus: Some(Bus::Mmio), ..Boot::default() })?;
    let place = tree.windows(slot.len()).position(|window| window == slot).context("QEMU's tree has no slot 30")?;
    tree[place..place + slot.len()].copy_from_slice(&reg(address, 0x1000));
    let tree = put(lab, "tree.dtb", &tree)?;
    // The tree says where the disk is.
    lab.boot_to_prompt(Boot { tree: Some(tree), disks, bus: Some(Bus::Mmio), ..Boot::default() })
}

/// The strings of the tree are gone, and with them the names of all properties.
fn truncated_tree(lab: &mut Lab) -> Result<()> {
    let mut tree = lab.device_tree()?;
    tree[6600..].fill(0);
    let tree = put(lab, "tree.dtb", &tree)?;
    let mut console = lab.boot(Boot { tree: Some(tree), ..Boot::default() })?;
    console.expect_within("boot: device tree: ", SOON).map(drop)
}

/// It comes up, or says in a line why not.
fn noisy_trees(lab: &mut Lab) -> Result<()> {
    let sound = lab.device_tree()?;
    // QEMU pads its tree; the noise goes where something is, behind the header. The console's own node is spared:
    // without it there is nobody to tell.
    let used = sound.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    let console = find(&sound, "pl011@").context("QEMU's tree has no pl011")?;
    for seed in 1..=16 {
        let mut tree = sound.clone();
        let mut random = Random::new(seed);
        for _ in 0..4 {
            tree[64 + random.below(used - 64)] = random.below(256) as u8;
        }
        tree[console - 4..console + 200].copy_from_slice(&sound[console - 4..console + 200]);
        let tree = put(lab, "tree.dtb", &tree)?;
        let mut console = lab.boot(Boot { tree: Some(tree), ..Boot::default() })?;
        console.expect_any(&["/> ", "boot: ", "init: "], SOON).with_context(|| format!("seed {seed}"))?;
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
    let all = number(&lab.bundle()?, 12, 4)?;
    ensure!(well(&list) == all, "not all {all} run:\n{list}");
    Ok(())
}

/// How many components of `ps` run, or would if the machine had their device.
fn well(list: &str) -> usize {
    list.lines().filter(|line| line.contains("running") || line.contains("no device")).count()
}

fn put(lab: &Lab, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let file = lab.scratch()?.join(name);
    fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
