//! Interrupts that are messages of a device, through an ITS and through a v2m frame.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::console::Console;
use crate::lab::{Boot, Case, Lab, contains};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let arrives = |id: &str, gic: u8, smp: u32, el2: bool, iommu: bool| {
        Case::new(
            format!("messages.arrive.{id}"),
            "a device interrupts by its message, also when its driver was killed",
            move |lab| arrive(lab, gic, smp, el2, iommu),
        )
    };
    vec![
        arrives("its", 3, 1, false, false),
        arrives("its-smp-el2", 3, 4, true, false),
        arrives("v2m", 2, 1, false, false),
        arrives("its-smmu", 3, 2, false, true),
        arrives("v2m-smmu", 2, 1, false, true),
        Case::new("messages.forged.its", "an ITS stops the messages of others that a device sends", forged_its),
        Case::new(
            "messages.forged.v2m",
            "with a v2m frame they arrive, and the list of what a driver holds says so",
            forged_v2m,
        ),
    ]
}

const PATIENCE: Duration = Duration::from_secs(20);
const ARRIVED: &str = "edu: its message arrived";
const FORGED: &str = "edu.1: 16 forged messages were sent";
const OTHERS: &str = "edu: an interrupt that its device did not raise";

fn boot(lab: &mut Lab, iommu: bool, boot: Boot) -> Result<Console> {
    let devices = ["-device", "edu,addr=3", "-device", "edu,addr=4"];
    let iommu: &[&str] = if iommu { &["-machine", "iommu=smmuv3"] } else { &[] };
    let extra = devices.iter().chain(iommu).map(|&word| word.to_owned()).collect();
    lab.boot_to_prompt(Boot { set: Some("pci"), extra, ..boot })
}

fn arrive(lab: &mut Lab, gic: u8, smp: u32, el2: bool, iommu: bool) -> Result<()> {
    let mut console = boot(lab, iommu, Boot { gic: Some(gic), smp: Some(smp), el2, ..Boot::default() })?;
    console.logged(&[ARRIVED, "edu.1: its message arrived"], "error edu", PATIENCE)?;
    console.command("kill edu")?;
    let log = console.logged(&["edu is started again"], "error edu", PATIENCE)?;
    ensure!(!log.contains("did not raise"), "{log}");
    let twice = |log: &str| log.matches(ARRIVED).count() == 2;
    for _ in 0..50 {
        if twice(&console.command("log")?) {
            return holds(&mut console, gic);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    ensure!(false, "it does not arrive again:\n{}", console.command("log")?);
    Ok(())
}

/// What the drivers hold, in words.
fn holds(console: &mut Console, gic: u8) -> Result<()> {
    let (first, second) = (console.command("caps edu")?, console.command("caps edu.1")?);
    let list = console.command("devices /pcie@10000000/pci1234,11e8@3,0")?;
    if gic == 3 {
        contains(&first, "device 0x18 event 0 through the ITS (irq:msi0)")?;
        contains(&second, "device 0x20 event 0 through the ITS (irq:msi0)")?;
        contains(&list, "messages 1, device 0x18 of the ITS at 0x8080000")
    } else {
        let words = "event 0 through a v2m frame: forged messages are not stopped (irq:msi0)";
        contains(&first, words)?;
        contains(&second, words)?;
        contains(&list, "messages 1, through the v2m frame at 0x8020000")
    }
}

fn forge(lab: &mut Lab, gic: u8) -> Result<String> {
    let bootargs = Some("edu.forger=4".into());
    let mut console = boot(lab, false, Boot { gic: Some(gic), bootargs, ..Boot::default() })?;
    console.logged(&[ARRIVED, FORGED, "edu.1: its message arrived"], "error edu", PATIENCE)
}

fn forged_its(lab: &mut Lab) -> Result<()> {
    let log = forge(lab, 3)?;
    ensure!(!log.contains(OTHERS) && log.matches(ARRIVED).count() == 1, "{log}");
    Ok(())
}

fn forged_v2m(lab: &mut Lab) -> Result<()> {
    let log = forge(lab, 2)?;
    contains(&log, OTHERS)
}
