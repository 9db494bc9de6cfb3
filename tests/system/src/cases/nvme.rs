//! NVM Express controllers.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::disk::is_written;
use crate::console::Console;
use crate::disk::LARGE;
use crate::lab::{Boot, Case, Lab, contains};

/// Hashing 64 MiB in the emulator takes its time.
const LONG: Duration = Duration::from_secs(180);

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("nvme.files", "the files of a disk behind a controller are listed and read, on either GIC", |lab| {
            files(lab, 3, false)?;
            files(lab, 2, true)
        }),
        Case::new("nvme.killed", "a driver that was killed finds its controller switched on, and reads go on", killed),
        Case::new("nvme.write", "what is written is on the disk, and is read again", writes),
        Case::new("nvme.blocks", "blocks of 4096 bytes are refused in pieces, and the reason is in the log", blocks),
        Case::new("nvme.empty", "a controller without a namespace is named, and everything else runs", empty),
    ]
}

/// A controller with this image.
fn with(image: &Path, more: &str) -> Vec<String> {
    let path = image.to_string_lossy().replace(',', ",,");
    let drive = format!("if=none,id=nvm,format=raw,file={path}");
    ["-drive", &drive, "-device", &format!("nvme,serial=1,drive=nvm{more}")].map(str::to_owned).into()
}

fn boot(lab: &mut Lab) -> Result<Console> {
    let image = lab.disk()?.image;
    lab.boot_to_prompt(Boot { extra: with(&image, ""), ..Boot::default() })
}

fn files(lab: &mut Lab, gic: u8, el2: bool) -> Result<()> {
    let disk = lab.disk()?;
    let mut console =
        lab.boot_to_prompt(Boot { gic: Some(gic), el2, extra: with(&disk.image, ""), ..Boot::default() })?;
    let list = console.command("devices")?;
    let row = list.lines().find(|line| line.contains("pci1b36,10@")).unwrap_or_default();
    ensure!(row.contains("nvme") && row.contains("running"), "{list}");
    contains(&console.command("ls \"/Ordner mit Leerzeichen\"")?, "Grüße aus Köln.txt")?;
    for file in disk.files().filter(|&file| file != LARGE) {
        let inside = console.command(&format!("sha256 \"/{file}\""))?;
        contains(&inside, &disk.sha256(file)?).with_context(|| format!("the hash of {file:?} differs"))?;
    }
    Ok(())
}

fn killed(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab)?;
    let disk = lab.disk()?;
    contains(&console.command("sha256 /README.TXT")?, &disk.sha256("README.TXT")?)?;
    console.command("kill nvme")?;
    let inside = console.command_within(&format!("sha256 /{LARGE}"), LONG)?;
    contains(&inside, &disk.sha256(LARGE)?)?;
    contains(&console.command("log")?, "nvme is started again")
}

/// Sectors of the disk that is written.
const SECTORS: u64 = 40_000;

fn writes(lab: &mut Lab) -> Result<()> {
    let image = lab.scratch()?.join("written.img");
    File::create(&image).and_then(|file| file.set_len(SECTORS * 512)).context("cannot make the disk")?;
    let mut console = lab.boot_to_prompt(Boot { set: Some("disk"), extra: with(&image, ""), ..Boot::default() })?;
    let says = format!("all bytes of {SECTORS} sectors right");
    console.logged(&[&says], "error disk-check", LONG)?;
    is_written(&image)
}

fn blocks(lab: &mut Lab) -> Result<()> {
    let image = lab.scratch()?.join("large.img");
    File::create(&image).and_then(|file| file.set_len(SECTORS * 512)).context("cannot make the disk")?;
    let more = ",logical_block_size=4096,physical_block_size=4096";
    let mut console = lab.boot_to_prompt(Boot { set: Some("disk"), extra: with(&image, more), ..Boot::default() })?;
    console
        .logged(&["nvme: blocks of 4096 bytes", "disk-check: Request", "ended with 0x104"], "error nvme", LONG)
        .map(drop)
}

fn empty(lab: &mut Lab) -> Result<()> {
    let extra = ["-device", "nvme,serial=1"].map(str::to_owned).into();
    let mut console = lab.boot_to_prompt(Boot { extra, ..Boot::default() })?;
    console.logged(&["nvme: the controller has no namespace 1"], "panicked", Duration::from_secs(10))?;
    contains(&console.command("devices")?, "pci1b36,10@")
}
