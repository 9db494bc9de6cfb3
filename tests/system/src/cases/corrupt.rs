//! Nonsense for virtio devices behind an IOMMU: no fault of the kernel, no byte of anybody else changed. The program is in
//! `tests/programs/iommu`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::Console;
use crate::lab::{Boot, Case, Lab};
use crate::machine::{Bus, Disk};

/// A virtio device.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// As it is called here.
    pub name: &'static str,
    /// In QEMU's words for virtio-mmio; none of a disk.
    words: Option<&'static str>,
    /// What else QEMU is told.
    extra: &'static [&'static str],
}

/// Those that are told nonsense.
pub const DEVICES: [Device; 6] = [
    Device { name: "blk", words: None, extra: &[] },
    Device { name: "net", words: Some("virtio-net-device,netdev=user"), extra: &["-netdev", "user,id=user"] },
    Device { name: "rng", words: Some("virtio-rng-device,max-bytes=65536,period=1"), extra: &[] },
    Device { name: "input", words: Some("virtio-keyboard-device"), extra: &[] },
    Device { name: "gpu", words: Some("virtio-gpu-device"), extra: &[] },
    Device {
        name: "console",
        words: Some("virtio-serial-device"),
        extra: &["-chardev", "null,id=nowhere", "-device", "virtconsole,chardev=nowhere"],
    },
];

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Corrupt {
    /// The device.
    pub device: Device,
    /// Corruptions.
    pub count: u32,
    /// What random numbers begin with.
    pub seed: u32,
}

/// The cases of this file. Others run by `cargo xtask corrupt` alone: QEMU takes gigabytes for what a source of random bytes is asked
/// for, and reports each wrong word of a keyboard and a console.
pub fn cases() -> Vec<Case> {
    let short = |device: &Device| ["blk", "net", "gpu"].contains(&device.name);
    DEVICES.into_iter().filter(short).map(|device| Corrupt { device, count: 2000, seed: 1 }.case()).collect()
}

/// It says every second how far it is. Nothing for so long is a hang, also where the machine has a busy host.
const SILENCE: Duration = Duration::from_secs(60);
/// Keys pressed between two of its lines.
const KEYS: usize = 20;

impl Corrupt {
    /// As a test.
    pub fn case(self) -> Case {
        let Self { device, count, seed } = self;
        let says = format!("{count} corruptions of what {} is told do no harm (seed {seed})", device.name);
        Case::new(format!("corrupt.{}", device.name), says, move |lab| self.run(lab))
    }

    fn boot(self) -> Boot {
        let Self { device, count, seed } = self;
        let boot = Boot {
            set: Some("corrupt"),
            bus: Some(Bus::Pci),
            bootargs: Some(format!("log=info corrupt.count={count} corrupt.seed={seed}")),
            devices: device.words.map(str::to_owned).into_iter().collect(),
            extra: device.extra.iter().map(|&word| word.into()).collect(),
            ..Boot::default()
        };
        if device.name == "blk" { Boot { disks: vec![Disk::Null(1 << 20)], ..boot } } else { boot }
    }

    fn run(self, lab: &mut Lab) -> Result<()> {
        let mut console = lab.boot(self.boot())?;
        let ends = ["corrupt: so far ", "corrupt: done: ", "corrupt broken: ", " crashed: ", "kernel halted"];
        loop {
            let which = console.expect_any(&ends, SILENCE)?;
            let line = console.expect("\n").context(ends[which])?;
            if which == 0 {
                if self.device.name == "input" {
                    press(&mut console)?;
                }
                continue;
            }
            ensure!(which == 1, "{}{line}", ends[which]);
            return self.check(&line);
        }
    }

    /// That something was stopped, and something served: else nothing was tried.
    fn check(self, summary: &str) -> Result<()> {
        let (served, stopped) = figures(summary).with_context(|| format!("no figures in {summary:?}"))?;
        let all = summary.starts_with(&format!("{} corruptions of ", self.count));
        ensure!(all && served > self.count / 50 && stopped > self.count / 50, "{summary}");
        println!("    {}", summary.trim_end());
        Ok(())
    }
}

/// What is pressed goes to a queue whose memory is nonsense.
fn press(console: &mut Console) -> Result<()> {
    for number in 0..KEYS {
        let key = json!({ "type": "qcode", "data": "a" });
        let event = json!({ "type": "key", "data": { "down": number % 2 == 0, "key": key } });
        console.qmp()?.execute("input-send-event", json!({ "events": [event] }))?;
    }
    Ok(())
}

/// Served, and given up, of a summary.
fn figures(summary: &str) -> Option<(u32, u32)> {
    let (_, rest) = summary.split_once(": ")?;
    let (served, rest) = rest.split_once(" served, ")?;
    Some((served.parse().ok()?, rest.split_once(" given up")?.0.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_summary() {
        let summary = "2000 corruptions of Block with seed 1: 80 served, 1500 given up, 9 silent";
        assert_eq!(figures(summary), Some((80, 1500)));
        assert_eq!(figures("nothing"), None);
    }
}
