//! What `cargo xtask new` makes, booted: a driver and a service of crates outside of the repository.

use anyhow::{Context, Result};

use crate::lab::{Boot, Case, Lab, contains};

/// The cases of this file. Their bundle is made from the templates when a case begins with `new.`.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("new.driver", "a driver from the template finds its device and reads its first register", drives),
        Case::new("new.service", "a service from the template starts and is started again", serves),
    ]
}

fn booted() -> Boot {
    Boot { set: Some("new"), ..Boot::default() }
}

/// The device is QEMU's fw_cfg, whose first register reads as the signature when nothing was selected: `QEMU`.
fn drives(lab: &mut Lab) -> Result<()> {
    let mut console = lab.boot_to_prompt(booted())?;
    let signature = u32::from_le_bytes(*b"QEMU");
    let said = format!("trial-driver: qemu,fw-cfg-mmio: the first register holds {signature:#x}");
    contains(&console.command("log")?, &said)?;
    contains(&console.command("caps trial-driver")?, "device registers 0x9020000")?;
    let devices = console.command("devices")?;
    let row = devices.lines().find(|line| line.starts_with("/fw-cfg@9020000 ")).context("the device is not listed")?;
    contains(row, "trial-driver")?;
    contains(row, "running")
}

fn serves(lab: &mut Lab) -> Result<()> {
    let mut console = lab.boot_to_prompt(booted())?;
    contains(&console.command("caps trial-service")?, "(provide:trial-service)")?;
    console.command("kill trial-service")?;
    let log = console.command("log")?;
    contains(&log, "trial-service: serves trial-service")?;
    contains(&log, "trial-service is started again")
}
