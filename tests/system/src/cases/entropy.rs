//! Random bytes of an entropy device.

use anyhow::{Result, ensure};

use crate::lab::{Boot, Case, Lab, contains};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("entropy.random", "random bytes come from the device and differ each time", differ),
        Case::new("entropy.much", "what is more than a share comes as the device brings it", much),
        Case::new("entropy.none", "without a device the command says so in one line", none),
    ]
}

fn boot(lab: &mut Lab, device: &str, extra: &[&str]) -> Result<crate::Console> {
    let extra = extra.iter().map(|&word| word.to_owned()).collect();
    lab.boot_to_prompt(Boot { devices: vec![device.into()], extra, ..Boot::default() })
}

fn is_hex(line: &str, digits: usize) -> bool {
    line.len() == digits && line.chars().all(|digit| digit.is_ascii_hexdigit())
}

fn differ(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab, "virtio-rng-device,rng=r0", &["-object", "rng-builtin,id=r0"])?;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let text = console.command("random 32")?;
        let line = text.trim();
        ensure!(is_hex(line, 64), "not 64 digits: {text:?}");
        ensure!(!seen.contains(&line.to_owned()), "{line} twice");
        seen.push(line.to_owned());
    }
    contains(&console.command("caps virtio-rng")?, "(dma)")
}

fn much(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab, "virtio-rng-device", &[])?;
    let text = console.command("random 20000")?;
    let lines: Vec<_> = text.lines().collect();
    ensure!(lines.len() == 625 && lines.iter().all(|line| is_hex(line, 64)), "not 625 lines of 64 digits:\n{text}");
    let mut different = lines.clone();
    different.sort_unstable();
    different.dedup();
    ensure!(different.len() == lines.len(), "lines come twice:\n{text}");
    // The driver starts again, and its client goes on.
    console.command("kill virtio-rng")?;
    let again = console.command("random")?;
    ensure!(is_hex(again.trim(), 64), "not 64 digits: {again:?}");
    Ok(())
}

fn none(lab: &mut Lab) -> Result<()> {
    let text = lab.boot_to_prompt(Boot::default())?.command("random")?;
    ensure!(text.trim() == "random: there is no device for it", "{text:?}");
    Ok(())
}
