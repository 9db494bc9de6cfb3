//! The shell on the board's UART before there is a driver for it, and on other consoles.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::lab::{Boot, Case, Lab, contains};
use crate::machine::{Disk, Net, Tty};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("console.early", "what is typed before there is a driver arrives whole", arrives_whole),
        Case::new("console.virtio", "the shell works on a virtio console", works),
        Case::new("console.virtio-restart", "a virtio console whose driver was killed goes on", restarts),
        Case::new("console.pci", "the shell works on a UART whose registers are I/O ports of PCI", on_pci),
    ]
}

fn arrives_whole(lab: &mut Lab) -> Result<()> {
    let disk = Disk::File(lab.sample_disk()?);
    let devices = vec!["virtio-rng-device".into()];
    let mut console = lab.boot(Boot { disks: vec![disk], devices, nets: vec![Net::user()], ..Boot::default() })?;
    console.send(b"abcdefghijklmnopqrstuvwxyz\n")?;
    console.expect("abcdefghijklmnopqrstuvwxyz: unknown command")?;
    console.prompt_within(Duration::from_secs(20)).map(drop)
}

fn boot(lab: &mut Lab, disks: Vec<Disk>) -> Result<crate::Console> {
    lab.boot_to_prompt(Boot { set: Some("virtio-console"), tty: Tty::Virtio, disks, ..Boot::default() })
}

fn works(lab: &mut Lab) -> Result<()> {
    let disk = lab.disk()?;
    let mut console = boot(lab, vec![Disk::File(disk.image)])?;
    let list = console.command("ps")?;
    contains(&list, "virtio-console")?;
    ensure!(!list.contains("pl011"), "there is another console:\n{list}");
    contains(&console.command("caps virtio-console")?, "serial")?;
    // More than all buffers hold.
    let dump = console.command("hexdump /README.TXT")?;
    contains(&dump, "73 68 6f 72 74 20 6e 61")?;
    let many = console.command("ls /many")?;
    ensure!((0..150).all(|number| many.contains(&format!("file number {number}.txt"))), "files are missing:\n{many}");
    // Typed faster than it is read, and more than the driver keeps.
    let name = "x".repeat(100);
    (0..30).try_for_each(|_| console.send_line(&format!("cat {name}")))?;
    (0..30).try_for_each(|_| console.expect(&format!("cat: {name}: no such file")).map(drop))
}

fn on_pci(lab: &mut Lab) -> Result<()> {
    let disk = lab.disk()?;
    let (set, disks) = (Some("pci-serial"), vec![Disk::File(disk.image)]);
    let mut console = lab.boot_to_prompt(Boot { set, tty: Tty::Pci, disks, ..Boot::default() })?;
    contains(&console.command("caps ns16550")?, "device registers 0x3eff1000..0x3eff2000")?;
    let many = console.command("ls /many")?;
    ensure!((0..150).all(|number| many.contains(&format!("file number {number}.txt"))), "files are missing:\n{many}");
    console.send_line("kill ns16550")?;
    console.expect("ns16550 is started again")?;
    console.prompt_within(Duration::from_secs(10))?;
    contains(&console.command("pwd")?, "/")
}

fn restarts(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab, Vec::new())?;
    console.send_line("kill virtio-console")?;
    console.expect("virtio-console is started again")?;
    console.prompt_within(Duration::from_secs(10))?;
    contains(&console.command("pwd")?, "/")
}
