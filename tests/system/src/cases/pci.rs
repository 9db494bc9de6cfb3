//! PCI: functions behind the host bridge, and their drivers.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::console::Console;
use crate::lab::{Boot, Case, Lab, contains};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let listed = |id: &str, gic: u8, el2: bool| {
        Case::new(
            format!("pci.list.{id}"),
            "devices lists the functions of a bus, each with its registers",
            move |lab| lists(lab, gic, el2),
        )
    };
    vec![
        listed("gicv3", 3, false),
        listed("gicv2-el2", 2, true),
        Case::new("pci.driver", "a driver of a function has its registers, also after it was killed", drives),
        Case::new("pci.bridge", "a bridge driver or devmgr that was killed finds things as they were", comes_back),
        Case::new("pci.full", "a function that does not fit is named, and the others are there", full),
    ]
}

const TESTDEV: &str = "/pcie@10000000/pci1b36,5@2,0";
const NVME: &str = "/pcie@10000000/pci1b36,10@1,0";
const SAYS: &str = "pci-testdev: 0x1b36: mmio-no-eventfd";

fn boot(lab: &mut Lab, more: &[&str]) -> Result<Console> {
    let devices = ["-device", "nvme,serial=1,addr=1", "-device", "pci-testdev,addr=2"];
    let extra = devices.iter().chain(more).map(|&word| word.to_owned()).collect();
    lab.boot_to_prompt(Boot { set: Some("pci"), extra, ..Boot::default() })
}

fn lists(lab: &mut Lab, gic: u8, el2: bool) -> Result<()> {
    let extra = ["-device", "nvme,serial=1,addr=1"].map(str::to_owned).into();
    let mut console = lab.boot_to_prompt(Boot { gic: Some(gic), el2, extra, ..Boot::default() })?;
    let list = console.command("devices")?;
    let row = |path: &str| list.lines().find(|line| line.starts_with(path)).unwrap_or_default().to_owned();
    contains(&row("/pcie@10000000 "), "pci-ecam")?;
    contains(&row("/pcie@10000000/pci1b36,8@0,0"), "no driver")?;
    contains(&row(NVME), "no driver")?;
    let lines = console.command(&format!("devices {NVME}"))?;
    for part in
        ["pci1b36,10,", "pciclass,010802", "registers 0x8000000000..0x8000004000 (bar0)", "interrupt 36, level (intx)"]
    {
        contains(&lines, part)?;
    }
    contains(&console.command("caps pci-ecam")?, "device registers 0x4010000000..0x4020000000")
}

fn drives(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab, &[])?;
    console.logged(&[SAYS], "error pci", Duration::from_secs(10))?;
    let caps = console.command("caps pci-testdev")?;
    contains(&caps, "device registers 0x10000000..0x10001000")?;
    ensure!(caps.matches("device registers").count() == 1, "{caps}");
    console.command("kill pci-testdev")?;
    let log = console.logged(&["pci-testdev is started again"], "error pci", Duration::from_secs(10))?;
    ensure!(log.matches(SAYS).count() == 2, "{log}");
    contains(&console.command("devices")?, TESTDEV)
}

fn comes_back(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab, &[])?;
    console.logged(&[SAYS], "error pci", Duration::from_secs(10))?;
    let before = console.command("devices")?;
    for name in ["pci-ecam", "devmgr"] {
        console.command(&format!("kill {name}"))?;
        console.logged(&[&format!("{name} is started again")], "error pci", Duration::from_secs(10))?;
        let after = console.command("devices")?;
        ensure!(after == before, "after {name}:\n{after}");
    }
    Ok(())
}

fn full(lab: &mut Lab) -> Result<()> {
    // Its memory is larger than the window of 512 GiB.
    let mut console = boot(lab, &["-device", "pci-testdev,addr=3,membar=1024G"])?;
    let log = console.logged(&[SAYS], "error pci-testdev", Duration::from_secs(10))?;
    contains(&log, "error pci-ecam: 00:03.0: BAR 2 of 0x10000000000 bytes fits in no window of the bridge")?;
    let list = console.command("devices")?;
    ensure!(list.contains(NVME) && list.contains(TESTDEV) && !list.contains("@3,0"), "{list}");
    Ok(())
}
