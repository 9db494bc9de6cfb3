//! A client of a disk that takes its memory away, and one that dies, while the device writes into it: nothing is written there
//! afterwards, nobody else notices, and nothing is lost. The programs are in `tests/programs/hostile`.
//!
//! QEMU 7.2 looks up the memory of a whole request when its device takes the request, and writes there when the bytes are
//! there: also after the SMMU has said that all accesses are complete, which hardware does not. So the disk is a folder (`vvfat`),
//! which QEMU reads at once.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::Console;
use crate::lab::{Boot, Case, Lab};
use crate::machine::{self, Bus};

/// The disk that is written from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// virtio on PCI, behind an SMMU.
    Virtio,
    /// NVM Express on PCI, behind an SMMU.
    Nvme,
    /// virtio on its own registers, without an SMMU: nothing keeps the device from what was taken away.
    Mmio,
    /// virtio on PCI, without an SMMU.
    Trusted,
    /// virtio on PCI, behind an SMMU, with requests that take several transfers.
    Large,
}

impl Disk {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Virtio, Self::Nvme, Self::Mmio, Self::Trusted, Self::Large];

    /// As it is called here.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Virtio => "blk",
            Self::Nvme => "nvme",
            Self::Mmio => "mmio",
            Self::Trusted => "trusted",
            Self::Large => "large",
        }
    }

    const fn is_behind_iommu(self) -> bool {
        matches!(self, Self::Virtio | Self::Nvme | Self::Large)
    }

    const fn driver(self) -> &'static str {
        if matches!(self, Self::Nvme) { "nvme" } else { "virtio-blk" }
    }
}

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Revoke {
    /// How often memory is taken away.
    pub count: u32,
    /// What random numbers begin with.
    pub seed: u32,
    /// The disk.
    pub disk: Disk,
}

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let count = |disk| if disk == Disk::Large { 40 } else { 200 };
    Disk::ALL.into_iter().map(|disk| Revoke { count: count(disk), seed: 1, disk }.case()).collect()
}

/// Both clients say every second how far they are. Nothing for so long is a hang, also where the machine has a busy host.
const SILENCE: Duration = Duration::from_secs(60);
/// What the client that dies says.
const DEATH: &str = ": on purpose, ";
/// Bytes of the file of words that count.
const FILE: u64 = 8 << 20;

impl Revoke {
    /// As a test.
    pub fn case(self) -> Case {
        let Self { count, seed, disk } = self;
        let name = disk.name();
        let what = match disk {
            Disk::Virtio => "a virtio disk",
            Disk::Nvme => "an NVMe controller",
            Disk::Mmio => "a virtio disk that is not on PCI",
            Disk::Trusted => "a virtio disk without an IOMMU",
            Disk::Large => "a virtio disk in several transfers",
        };
        let says = format!(
            "{count} times memory is taken away that {what} writes into, and no other client notices (seed {seed})"
        );
        Case::new(format!("revoke.{name}"), says, move |lab| self.run(lab))
    }

    fn boot(self, folder: &Path) -> Boot {
        let Self { count, seed, disk } = self;
        let trusted = u32::from(!disk.is_behind_iommu());
        let large = u32::from(disk == Disk::Large);
        // Without an IOMMU what a dead client had is written to when it is another's: nobody dies there. Nor beside one that needs
        // all of the driver's page tables.
        let lives = trusted | large;
        let what = format!("revoker.unprotected={trusted} revoker.large={large} mayfly.lives={lives}");
        let arguments = format!("revoker.count={count} revoker.seed={seed} {what}");
        let boot = Boot { set: Some("revoke"), bootargs: Some(format!("log=info {arguments}")), ..Boot::default() };
        let folder = machine::Disk::Folder(folder.into());
        match disk {
            Disk::Virtio | Disk::Large => Boot { bus: Some(Bus::Pci), disks: vec![folder], ..boot },
            Disk::Mmio => Boot { bus: Some(Bus::Mmio), disks: vec![folder], ..boot },
            Disk::Trusted => Boot { bus: Some(Bus::Pci), iommu: Some(false), disks: vec![folder], ..boot },
            Disk::Nvme => {
                let drive = folder.drive("ssd").to_string_lossy().into_owned();
                let extra = ["-drive", &drive, "-device", "nvme,serial=1,drive=ssd,addr=4"].map(str::to_owned).into();
                Boot { bus: Some(Bus::Pci), extra, ..boot }
            }
        }
    }

    fn run(self, lab: &mut Lab) -> Result<()> {
        let folder = lab.scratch()?.join("disk");
        let words: Vec<u8> = (0..FILE / 8).flat_map(u64::to_le_bytes).collect();
        fs::create_dir(&folder)
            .and_then(|()| fs::write(folder.join("COUNT.BIN"), words))
            .context("cannot make the disk")?;
        let mut console = lab.boot(self.boot(&folder))?;
        let summary = wait_for(&mut console, "revoke: done: ")?;
        wait_for(&mut console, "watcher: ")?;
        self.check(&console.text(), &summary)
    }

    fn check(self, text: &str, summary: &str) -> Result<()> {
        let driver = self.disk.driver();
        ensure!(!text.contains(&format!("{driver} is started again")), "the driver died:\n{text}");
        let under_way =
            number_before(summary, " rounds, written to in ").with_context(|| format!("no figures in {summary:?}"))?;
        let written = number_before(summary, ", refused ").with_context(|| format!("no figures in {summary:?}"))?;
        ensure!(under_way > u64::from(self.count) / 20, "too few reads were under way: {summary}");
        let deaths = text.matches(DEATH).count();
        if self.disk.is_behind_iommu() {
            ensure!(written == 0, "{summary}");
            ensure!(deaths > 0 || self.disk == Disk::Large, "nobody died:\n{text}");
        }
        // What the IOMMU keeps from happening.
        ensure!(
            self.disk != Disk::Trusted || written > 0,
            "nothing was written to late, so nothing was tried: {summary}"
        );
        println!("    {}; {deaths} deaths", summary.trim_end());
        Ok(())
    }
}

/// The line that begins so, unless somebody says that something is wrong.
fn wait_for(console: &mut Console, begins: &'static str) -> Result<String> {
    let ends = [
        begins,
        "so far ",
        "watcher: ",
        " broken: ",
        "revoker (",
        "watcher (",
        "virtio-blk (",
        "nvme (",
        "kernel halted",
    ];
    loop {
        let which = console.expect_any(&ends, SILENCE)?;
        let line = console.expect("\n").context(ends[which])?;
        ensure!(which < 3, "{}{line}", ends[which]);
        if which == 0 {
            return Ok(line);
        }
    }
}

/// The number right before these words.
fn number_before(text: &str, words: &str) -> Option<u64> {
    text.split_once(words)?.0.rsplit(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_summary() {
        let summary =
            "9 rounds with seed 1: 99 reads, 77 under way in 8 rounds, written to in 2, refused 3 times; driver";
        assert_eq!(number_before(summary, " rounds, written to in "), Some(8));
        assert_eq!(number_before(summary, ", refused "), Some(2));
        assert_eq!(number_before("nothing", ", refused "), None);
    }
}
