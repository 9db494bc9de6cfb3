//! From reset to the prompt, on every machine that is promised.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::lab::{Boot, Case, Lab, Need, contains};
use crate::machine::Disk;

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("boot.prompt", "the image boots to the shell's prompt", boots_to_the_prompt).needs([]),
        Case::new("boot.summary", "init sums the boot up in one line", sums_the_boot_up).needs([]),
        Case::new("boot.poweroff", "poweroff ends the machine", powers_off).needs([]),
        Case::new("boot.reboot", "reboot starts it again", reboots).needs([]),
        Case::new("boot.cores", "on each core runs what is put there, and the tree lists all of them", names_its_cores)
            .needs([Need::Set("cores")]),
        Case::new("boot.wall-time", "the prompt comes within half a second of the first possible character", is_quick),
    ];
    cases.extend(matrix().into_iter().map(|row| Case::new(row.id(), row.says(), move |lab| row.run(lab))));
    cases
}

fn boots_to_the_prompt(lab: &mut Lab) -> Result<()> {
    lab.boot_to_prompt(Boot::default()).map(drop)
}

fn sums_the_boot_up(lab: &mut Lab) -> Result<()> {
    let console = lab.boot_to_prompt(Boot::default())?;
    let text = console.text();
    let line = text.lines().find(|line| line.starts_with("Tutti: ")).context("no summary")?;
    for part in ["components started", "given", "left", "ms since"] {
        contains(line, part)?;
    }
    Ok(())
}

/// A component on each core says which it is: as many as there are, each another, and those that the tree has.
fn names_its_cores(lab: &mut Lab) -> Result<()> {
    let file = lab.scratch()?.join("cores.dtb");
    // Of virt there are as many as one wants.
    let smp = (lab.machine().model == "virt").then_some(4);
    let boot = Boot { set: Some("cores"), smp, ..Boot::default() };
    fs::write(&file, lab.device_tree_for(boot.clone())?)?;
    let listed = cpus(&file)?;
    let mut console = lab.boot_to_prompt(boot)?;
    let text = console.text();
    let summary = text.lines().find(|line| line.starts_with("Tutti: ")).context("no summary")?;
    let count = summary.split_once(" started on ").and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
    let count: usize = count.with_context(|| format!("no number of cores in {summary}"))?;
    ensure!(count == listed.len(), "{summary}; the tree lists {listed:x?}");
    let log = console.command("log")?;
    let said = log.lines().filter_map(|line| {
        let (component, rest) = line.split_once(": cores: this is core 0x")?;
        let number: usize = component.rsplit_once("core-")?.1.parse().ok()?;
        Some((number, u64::from_str_radix(rest.trim(), 16).ok()?))
    });
    let said: Vec<(usize, u64)> = said.filter(|(number, _)| *number < count).collect();
    let mut cores: Vec<u64> = said.iter().map(|(_, core)| *core).collect();
    cores.sort_unstable();
    cores.dedup();
    ensure!(said.len() == count && cores.len() == count, "{said:x?} of {count} cores");
    ensure!(cores.iter().all(|core| listed.contains(core)), "{cores:x?}, and the tree lists {listed:x?}");
    Ok(())
}

/// `reg` of each CPU, as `fdtget` reads it.
fn cpus(tree: &Path) -> Result<Vec<u64>> {
    let ask = |words: &[&str], of: &[&str]| {
        let output = Command::new("fdtget").args(words).arg(tree).args(of).output().context("cannot run fdtget")?;
        Ok::<_, anyhow::Error>(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let mut found = Vec::new();
    for node in ask(&["-l"], &["/cpus"])?.lines().filter(|node| node.starts_with("cpu@")) {
        let cells = ask(&["-t", "x"], &[&format!("/cpus/{node}"), "reg"])?;
        let cells = cells.split_whitespace().map(|cell| u64::from_str_radix(cell, 16));
        found.push(cells.collect::<Result<Vec<_>, _>>()?.into_iter().fold(0, |value, cell| value << 32 | cell));
    }
    ensure!(!found.is_empty(), "fdtget finds no CPU");
    Ok(found)
}

fn powers_off(lab: &mut Lab) -> Result<()> {
    let mut console = lab.boot_to_prompt(Boot::default())?;
    console.send_line("poweroff")?;
    let status = console.wait_for_end(Duration::from_secs(10))?;
    ensure!(status.success(), "QEMU ended with {status}");
    Ok(())
}

fn reboots(lab: &mut Lab) -> Result<()> {
    let mut console = lab.boot_to_prompt(Boot::default())?;
    console.send_line("reboot")?;
    console.expect("reboot\n")?;
    console.expect("Tutti: ")?;
    console.expect("/> ")?;
    contains(&console.command("help")?, "poweroff")
}

/// An image that prints one character and sleeps: `movz x0, #0x900, lsl #16; mov w1, #33; str w1, [x0]; wfi; b .-4`
/// behind the arm64 header.
fn bare_image() -> Vec<u8> {
    let mut image = vec![0; 64];
    image[..4].copy_from_slice(&0x1400_0010u32.to_le_bytes());
    image[16..24].copy_from_slice(&4096u64.to_le_bytes());
    image[24] = 0xa;
    image[56..60].copy_from_slice(b"ARM\x64");
    let code: [u32; 5] = [0xd2a1_2000, 0x5280_0421, 0xb900_0001, 0xd503_207f, 0x17ff_ffff];
    image.extend(code.iter().flat_map(|word| word.to_le_bytes()));
    image.resize(4096, 0);
    image
}

/// The least of five boots of each, side by side: wall time is noisy.
fn is_quick(lab: &mut Lab) -> Result<()> {
    let bare = lab.scratch()?.join("bare");
    fs::write(&bare, bare_image())?;
    let disk = Disk::File(lab.disk()?.image);
    let (mut least_bare, mut least) = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        let start = Instant::now();
        lab.boot(Boot { kernel: Some(bare.clone()), ..Boot::default() })?.expect("!")?;
        least_bare = least_bare.min(start.elapsed());
        let start = Instant::now();
        lab.boot_to_prompt(Boot { disks: vec![disk.clone()], ..Boot::default() })?;
        least = least.min(start.elapsed());
    }
    let more = least.saturating_sub(least_bare);
    ensure!(more < Duration::from_millis(500), "{least:.0?} to the prompt, {least_bare:.0?} to a bare character");
    Ok(())
}

/// A machine of the matrix.
#[derive(Clone, Copy, Debug)]
struct Row {
    cpu: &'static str,
    gic: u8,
    cores: u32,
    el2: bool,
    memory: &'static str,
}

const CPUS: [&str; 4] = ["cortex-a53", "cortex-a72", "cortex-a76", "max"];

/// Eight machines in which every pair of a core, a GIC, an exception level and a memory size occurs: each core once
/// with one setting of the other three and once with its opposite.
fn matrix() -> Vec<Row> {
    let row = |cpu, bits: usize| Row {
        cpu,
        gic: if bits & 1 == 0 { 2 } else { 3 },
        // With each GIC and at each level.
        cores: [8, 4, 2, 1, 1, 2, 4, 8][bits & 7],
        el2: bits & 2 != 0,
        memory: if bits & 4 == 0 { "128M" } else { "8G" },
    };
    CPUS.iter().enumerate().flat_map(|(index, cpu)| [row(cpu, index), row(cpu, 7 - index)]).collect()
}

impl Row {
    fn level(self) -> &'static str {
        if self.el2 { "el2" } else { "el1" }
    }

    fn id(self) -> String {
        format!("boot.on.{}.x{}.gicv{}.{}.{}", self.cpu, self.cores, self.gic, self.level(), self.memory)
    }

    fn says(self) -> String {
        let level = self.level().to_uppercase();
        format!("boots on {} × {} with GICv{} at {level} with {}", self.cores, self.cpu, self.gic, self.memory)
    }

    fn run(self, lab: &mut Lab) -> Result<()> {
        let disk = lab.disk()?;
        let boot = Boot {
            disks: vec![Disk::File(disk.image.clone())],
            cpu: Some(self.cpu.into()),
            gic: Some(self.gic),
            smp: Some(self.cores),
            el2: self.el2,
            memory: Some(self.memory.into()),
            ..Boot::default()
        };
        let mut console = lab.boot_to_prompt(boot)?;
        contains(&console.text(), &format!(" on {} core", self.cores))?;
        contains(&console.command("ps")?, "shell")?;
        contains(&console.command("sha256 /README.TXT")?, &disk.sha256("README.TXT")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_core_count_occurs_with_each_gic_and_level() {
        for cores in [1, 2, 4, 8] {
            let rows: Vec<Row> = matrix().into_iter().filter(|row| row.cores == cores).collect();
            assert!(rows.len() == 2 && rows[0].gic != rows[1].gic && rows[0].el2 != rows[1].el2, "{rows:?}");
        }
    }

    #[test]
    fn every_pair_of_settings_occurs() {
        let settings = |row: &Row| [row.cpu.into(), row.gic.to_string(), row.level().into(), row.memory.into()];
        let rows: Vec<[String; 4]> = matrix().iter().map(settings).collect();
        let values =
            |column: usize| rows.iter().map(|row| row[column].clone()).collect::<std::collections::BTreeSet<_>>();
        assert_eq!([0, 1, 2, 3].map(|column| values(column).len()), [4, 2, 2, 2]);
        for (one, other) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            for first in values(one) {
                for second in values(other) {
                    assert!(rows.iter().any(|row| row[one] == first && row[other] == second), "{first} with {second}");
                }
            }
        }
    }
}
