//! The commands of the shell, as a person types them.

use anyhow::{Result, ensure};

use crate::lab::{Boot, Case, Lab, Need, contains};
use crate::machine::Disk;

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("shell.ps", "ps shows components, their state and memory", lists_components).needs([Need::Disk]),
        Case::new("shell.caps", "caps says in words what a component holds", shows_capabilities),
        Case::new("shell.hexdump", "hexdump shows a file as numbers", dumps).needs([Need::Disk]),
        Case::new("shell.uptime", "uptime and log tell the time", tells_the_time).needs([Need::Disk]),
        Case::new("shell.editing", "lines are edited and repeated", edits).needs([Need::Disk]),
    ]
}

fn boot(lab: &mut Lab) -> Result<crate::Console> {
    let disk = Disk::File(lab.disk()?.image);
    lab.boot_to_prompt(Boot { disks: vec![disk], ..Boot::default() })
}

fn lists_components(lab: &mut Lab) -> Result<()> {
    let list = boot(lab)?.command("ps")?;
    let machine = lab.machine();
    for name in [machine.console_driver(), machine.disk_driver(), "file", "shell"] {
        let fine = list.lines().any(|line| line.contains(name) && line.contains("running") && line.contains('K'));
        ensure!(fine, "{name} is missing:\n{list}");
    }
    Ok(())
}

/// What the shell holds is what its manifest names, and no device.
fn shows_capabilities(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab)?;
    let driver = console.command("caps pl011")?;
    contains(&driver, "0x9000000")?;
    contains(&driver, "serial")?;
    ensure!(!driver.contains("(dma)"), "a UART is no bus master:\n{driver}");
    contains(&console.command("caps virtio-blk")?, "(dma)")?;
    let shell = console.command("caps shell")?;
    contains(&shell, "file")?;
    ensure!(!shell.contains("0x9000000") && !shell.contains("Irq"), "{shell}");
    contains(&console.command("caps nobody")?, "nobody")
}

fn dumps(lab: &mut Lab) -> Result<()> {
    let dump = boot(lab)?.command("hexdump /README.TXT")?;
    contains(&dump, "73 68 6f 72 74 20 6e 61")?;
    contains(&dump, "short na")
}

fn tells_the_time(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab)?;
    contains(&console.command("uptime")?, "00:00:0")?;
    contains(&console.command("log")?, "Tutti: ")
}

fn edits(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab)?;
    // A slip, two steps back, and the letter that was missing; then the same line once more from the history.
    console.send(b"hexump\x1b[D\x1b[D\x1b[Dd\x1b[C\x1b[C\x1b[C /README.TXT")?;
    contains(&console.command("")?, "73 68 6f 72 74")?;
    console.send(b"\x1b[A")?;
    contains(&console.command("")?, "73 68 6f 72 74")?;
    console.send(b"nonsense\x15")?;
    contains(&console.command("help")?, "poweroff")
}
