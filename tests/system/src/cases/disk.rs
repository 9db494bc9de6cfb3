//! A disk that ordinary tools made, read from inside.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::disk::LARGE;
use crate::lab::{Boot, Case, Lab, Need, contains};
use crate::machine::Disk;

/// Hashing 64 MiB in the emulator takes its time.
const LONG: Duration = Duration::from_secs(180);

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("disk.list", "ls shows nested folders and long names", lists).needs([Need::Disk]),
        Case::new("disk.sha256", "sha256 inside equals sha256sum outside for every file", hashes).needs([Need::Disk]),
        Case::new("disk.cat", "cat prints a file", prints).needs([Need::Disk]),
        Case::new("disk.errors", "a wrong path is a one-line error", errors).needs([Need::Disk]),
        Case::new("disk.write", "what is written is on the disk, and is read again", writes)
            .needs([Need::Disk, Need::Set("disk")]),
    ]
}

fn with_disk(lab: &mut Lab) -> Result<crate::Console> {
    let disk = lab.disk()?;
    lab.boot_to_prompt(Boot { disks: vec![Disk::File(disk.image)], ..Boot::default() })
}

fn lists(lab: &mut Lab) -> Result<()> {
    let mut console = with_disk(lab)?;
    let root = console.command("ls")?;
    for name in ["README.TXT", "empty file", "Ordner mit Leerzeichen", "a", "many", LARGE] {
        contains(&root, name)?;
    }
    contains(&console.command("ls \"/Ordner mit Leerzeichen\"")?, "Grüße aus Köln.txt")?;
    contains(&console.command("ls /a/b/c/d")?, "deep.txt")?;
    contains(&console.command("ls /many")?, "file number 149.txt")?;
    console.command("cd a/b")?;
    contains(&console.command("ls")?, "exactly one cluster")
}

fn hashes(lab: &mut Lab) -> Result<()> {
    let disk = lab.disk()?;
    let mut console = with_disk(lab)?;
    for file in disk.files() {
        let inside = console.command_within(&format!("sha256 \"/{file}\""), LONG)?;
        contains(&inside, &disk.sha256(file)?).with_context(|| format!("the hash of {file:?} differs"))?;
    }
    Ok(())
}

fn prints(lab: &mut Lab) -> Result<()> {
    let mut console = with_disk(lab)?;
    contains(&console.command("cat /a/b/c/d/deep.txt")?, "four folders down")?;
    contains(&console.command("cat \"/Ordner mit Leerzeichen/Grüße aus Köln.txt\"")?, "Grüße")
}

fn errors(lab: &mut Lab) -> Result<()> {
    let mut console = with_disk(lab)?;
    let one_line = |text: String| {
        let lines = text.trim().lines().count();
        anyhow::ensure!(lines == 1, "{lines} lines instead of one:\n{text}");
        Ok(text)
    };
    contains(&one_line(console.command("cat /nothing-here")?)?, "nothing-here")?;
    contains(&one_line(console.command("cat /a")?)?, "/a")?;
    contains(&one_line(console.command("cd /README.TXT")?)?, "README.TXT")?;
    contains(&one_line(console.command("frobnicate")?)?, "frobnicate")
}

/// Sectors of a disk that is written: not many, and as an SD card has them, whose size is a power of two.
const SECTORS: u64 = 16 * 1024;

fn writes(lab: &mut Lab) -> Result<()> {
    let image = lab.scratch()?.join("written.img");
    File::create(&image).and_then(|file| file.set_len(SECTORS * 512)).context("cannot make the disk")?;
    let disks = vec![Disk::File(image.clone())];
    let mut console = lab.boot_to_prompt(Boot { set: Some("disk"), disks, ..Boot::default() })?;
    console.logged(&[&format!("all bytes of {SECTORS} sectors right")], "error disk-check", LONG)?;
    is_written(&image)
}

/// Whether an image holds what the program `disk-check` writes.
pub fn is_written(image: &Path) -> Result<()> {
    let bytes = fs::read(image)?;
    let wrong = bytes.chunks_exact(8).zip(0u64..).find(|(found, number)| {
        // As the program has it.
        let expected = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        *found != expected.to_le_bytes()
    });
    ensure!(wrong.is_none(), "outside a word is not what was written: {wrong:?}");
    Ok(())
}
