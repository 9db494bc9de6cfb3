//! Devices that reach for memory that is not theirs, behind an IOMMU and without one. The programs are in
//! `tests/programs/iommu`.

use std::fs::File;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::lab::{Boot, Case, Lab, contains};
use crate::machine::{Bus, Disk, Net};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let stopped = |device: Device, gic: u8, el2: bool| {
        let level = if el2 { "el2" } else { "el1" };
        Case::new(
            format!("iommu.{}.gicv{gic}.{level}", device.name()),
            format!("what a hostile driver has {} reach for is stopped, said, and as it was", device.says()),
            move |lab| stops(lab, device, gic, el2),
        )
    };
    let mut cases = vec![
        stopped(Device::Disk, 3, false),
        stopped(Device::Disk, 2, true),
        stopped(Device::Network, 3, true),
        stopped(Device::Nvme, 3, false),
        Case::new(
            "iommu.trusted",
            "without an IOMMU the same succeeds, and caps says that the driver is trusted",
            trusted,
        ),
    ];
    cases.push(Case::new("iommu.words", "caps says through which stream a driver's device reaches what", words));
    cases
}

/// Eight attempts take half a second each.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the last instance says.
const OVER: &str = "attack: all was tried";
/// Writing to and reading from each of four places.
const ATTEMPTS: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Device {
    Disk,
    Network,
    Nvme,
}

impl Device {
    fn name(self) -> &'static str {
        match self {
            Self::Disk => "blk",
            Self::Network => "net",
            Self::Nvme => "nvme",
        }
    }

    fn says(self) -> &'static str {
        match self {
            Self::Disk => "a disk",
            Self::Network => "a network card",
            Self::Nvme => "an NVMe controller",
        }
    }

    /// A machine that has it.
    fn boot(self, lab: &mut Lab) -> Result<Boot> {
        let image = lab.scratch()?.join("zeros.img");
        File::create(&image).and_then(|file| file.set_len(1 << 20)).context("cannot make the disk")?;
        let boot = Boot { set: Some("iommu"), bus: Some(Bus::Pci), ..Boot::default() };
        Ok(match self {
            Self::Disk => Boot { disks: vec![Disk::File(image)], ..boot },
            Self::Network => Boot { nets: vec![Net::user()], ..boot },
            Self::Nvme => {
                let drive = format!("file={},format=raw,if=none,id=ssd", image.display());
                let extra = ["-drive", &drive, "-device", "nvme,serial=1,drive=ssd,addr=4"];
                Boot { extra: extra.map(str::to_owned).into(), ..boot }
            }
        })
    }
}

fn stops(lab: &mut Lab, device: Device, gic: u8, el2: bool) -> Result<()> {
    let boot = device.boot(lab)?;
    let mut console = lab.boot(Boot { gic: Some(gic), el2, ..boot })?;
    console.expect_within(OVER, PATIENCE)?;
    let text = console.text();
    let name = format!("attack-{}", device.name());
    let attempts = |what: &str| text.lines().filter(|line| line.contains(&name) && line.contains(what)).count();
    let (writes, reads) = (attempts("tried to write 0x"), attempts("tried to read 0x"));
    ensure!(writes + reads == ATTEMPTS, "{writes} writes and {reads} reads were stopped:\n{text}");
    ensure!(
        attempts(": the device writes to ") == 4 && attempts(": the device reads ") == 4,
        "not all was tried:\n{text}"
    );
    ensure!(attempts("it wrote to") == 0 && attempts("it read ") == 0, "something went through:\n{text}");
    ensure!(!text.contains("CHANGED"), "memory changed:\n{text}");
    contains(&text, "attack: what was reached for is as it was")
}

fn trusted(lab: &mut Lab) -> Result<()> {
    let boot = Device::Disk.boot(lab)?;
    let mut console = lab.boot(Boot { iommu: Some(false), ..boot })?;
    console.expect_within(OVER, PATIENCE)?;
    let text = console.text();
    contains(&text, "the device says that it wrote to another process' memory")?;
    contains(&text, "what was reached for CHANGED")?;
    contains(&text, "the device says that it read another process' memory: a secret")?;
    ensure!(!text.contains("was stopped: its device"), "{text}");
    let boot = Boot { iommu: Some(false), ..pci_disk(lab)? };
    let mut console = lab.boot_to_prompt(boot)?;
    contains(&console.command("caps virtio-blk")?, "DMA: all memory, no IOMMU, trusted")?;
    let trust = console.command("devices --trust")?;
    contains(trust.lines().next().unwrap_or_default(), "virtio-blk")
}

fn pci_disk(lab: &mut Lab) -> Result<Boot> {
    Ok(Boot { bus: Some(Bus::Pci), disks: vec![Disk::File(lab.disk()?.image.clone())], ..Boot::default() })
}

fn words(lab: &mut Lab) -> Result<()> {
    let boot = pci_disk(lab)?;
    let mut console = lab.boot_to_prompt(boot)?;
    let caps = console.command("caps virtio-blk")?;
    contains(&caps, "buffers through SMMU stream 0x40")?;
    let path = "/pcie@10000000/pci1af4,1042@8,0";
    contains(&console.command(&format!("devices {path}"))?, "memory through the IOMMU at 0x9050000, stream 0x40")?;
    let trust = console.command("devices --trust")?;
    ensure!(trust.lines().next().is_some_and(|line| line.ends_with(" nobody")), "{trust}");
    contains(&trust, "virtio-blk (0x40)")
}
