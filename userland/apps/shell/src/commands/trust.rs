//! Who has to be trusted with what: the words of `caps`, by what they mean for others.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Result;
use super::system::failed;
use crate::names;
use crate::shell::Shell;
use crate::text::Plain;

/// More lines than a component can hold capabilities.
const MOST: u32 = 1 << 16;

/// What init's words about a capability mean.
const ALL_MEMORY: &str = "DMA: all memory, no IOMMU, trusted";
const THROUGH_STREAM: &str = " through SMMU stream ";
const FORGED: &str = "forged messages are not stopped";
const REGISTERS: &str = "device registers ";
const SHARED: &str = ": one trust group";

/// Drivers by what they have to be trusted with.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// Their devices reach all memory.
    all_memory: Vec<String>,
    /// Theirs reach what they attached.
    contained: Vec<String>,
    /// Theirs can send anybody's messages.
    forgers: Vec<String>,
    /// Who shares which registers.
    shared: BTreeMap<String, Vec<String>>,
}

impl Groups {
    /// Takes note of a line of `caps`.
    fn note(&mut self, name: &str, line: &str) {
        if line.contains(ALL_MEMORY) {
            add(&mut self.all_memory, name.into());
        } else if let Some((_, stream)) = line.split_once(THROUGH_STREAM) {
            let stream = stream.split_whitespace().next().unwrap_or_default();
            add(&mut self.contained, alloc::format!("{name} ({stream})"));
        } else if line.contains(FORGED) {
            add(&mut self.forgers, name.into());
        } else if line.contains(SHARED)
            && let Some((_, rest)) = line.split_once(REGISTERS)
        {
            let range = rest.split(',').next().unwrap_or_default();
            add(self.shared.entry(range.to_string()).or_default(), name.into());
        }
    }

    /// A line for each kind of trust.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = |what: &str, who: &[String]| {
            let who = if who.is_empty() { String::from("nobody") } else { who.join(", ") };
            lines.push(alloc::format!("{what:<48} {who}"));
        };
        line("trusted with all memory (behind no IOMMU)", &self.all_memory);
        line("reach what they attach (IOMMU's stream)", &self.contained);
        line("trusted not to forge messages (v2m frame)", &self.forgers);
        if self.shared.is_empty() {
            line("share a page of registers with others", &[]);
        }
        for (range, names) in &self.shared {
            line(&alloc::format!("share the registers {range}"), names);
        }
        lines
    }
}

/// Each name once.
fn add(list: &mut Vec<String>, name: String) {
    if !list.contains(&name) {
        list.push(name);
    }
}

/// `devices --trust`
pub fn trust(shell: &mut Shell) -> Result {
    let mut all = Vec::new();
    names::for_each(&shell.supervisor, |component| all.push((component.component, component.name))).map_err(failed)?;
    let mut groups = Groups::default();
    for (number, name) in all {
        for line in 0..MOST {
            let Some(text) = shell.supervisor.caps(number, line).map_err(failed)? else { break };
            groups.note(&name, &text);
        }
    }
    groups.lines().iter().try_for_each(|line| Ok(shell.console.print(format_args!("{}\n", Plain(line)))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_are_grouped_by_what_they_are_trusted_with() {
        let mut groups = Groups::default();
        let shared = "  17  device registers 0xa003000..0xa004000, may read, write, shared with 2 devices: one trust group (reg:0)";
        for (name, line) in [
            ("virtio-blk", "  20  DMA: 3 buffers through SMMU stream 0x40 (dma)"),
            ("nvme", "  20  DMA: all memory, no IOMMU, trusted (dma)"),
            ("nvme", "  21  DMA: all memory, no IOMMU, trusted"),
            ("one", shared),
            ("other", shared),
            ("pl011", "  17  device registers 0x9000000..0x9001000, may read, write (reg:0)"),
            ("nvme", "  19  message 85: event 0 through a v2m frame: forged messages are not stopped (irq:msi0)"),
        ] {
            groups.note(name, line);
        }
        let lines = groups.lines();
        for (line, who) in lines.iter().zip(["nvme", "virtio-blk (0x40)", "nvme", "one, other"]) {
            assert!(line.ends_with(who) && !line.contains("pl011"), "{line}");
        }
        assert!(lines[3].starts_with("share the registers 0xa003000..0xa004000 "), "{}", lines[3]);
        assert!(Groups::default().lines().iter().all(|line| line.ends_with("nobody")));
    }
}
