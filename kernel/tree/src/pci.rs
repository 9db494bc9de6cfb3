//! Windows of PCI host bridges: `ranges` of three address cells (PCI Bus Binding to IEEE 1275, revision 2.1, 2.2.1.1 and 4.1).

use crate::Range;
use crate::address::number;

/// What a window is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PciSpace {
    /// I/O ports.
    Io,
    /// Memory that 32 bits reach.
    Memory32,
    /// Memory beyond.
    Memory64,
}

/// Addresses that a host bridge passes on to its buses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PciWindow {
    /// What it is for.
    pub space: PciSpace,
    /// First address as the bus has it.
    pub bus: u64,
    /// The same as the CPU has it.
    pub cpu: Range,
}

impl PciWindow {
    /// Where the CPU finds `size` bytes that the bus has at `bus`, if all of them are in the window.
    pub fn cpu(&self, bus: u64, size: u64) -> Option<u64> {
        let offset = bus.checked_sub(self.bus)?;
        (offset.checked_add(size)? <= self.cpu.size).then(|| self.cpu.base + offset)
    }
}

/// The windows in a `ranges` of a host bridge, of entries of seven cells, or six below a bus of one address cell. Ends where it
/// is malformed; configuration space is left out.
pub fn pci_windows(ranges: &[u8]) -> impl Iterator<Item = PciWindow> + '_ {
    let entry = if ranges.len().is_multiple_of(28) { 28 } else { 24 };
    let entries = ranges.chunks_exact(entry).map(move |entry| {
        let (space, behind) = entry.split_at_checked(4)?;
        let (bus, behind) = behind.split_at_checked(8)?;
        let (base, size) = behind.split_at_checked(entry.len() - 20)?;
        let cpu = Range::new(number(base), number(size))?;
        number(bus).checked_add(cpu.size)?;
        Some((number(space) >> 24 & 0b11, PciWindow { space: PciSpace::Io, bus: number(bus), cpu }))
    });
    entries.map_while(|entry| entry).filter_map(|(code, window)| {
        let space = match code {
            1 => PciSpace::Io,
            2 => PciSpace::Memory32,
            3 => PciSpace::Memory64,
            _ => return None,
        };
        Some(PciWindow { space, ..window })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn value(cells: &[u32]) -> Vec<u8> {
        cells.iter().flat_map(|cell| cell.to_be_bytes()).collect()
    }

    #[test]
    fn windows_are_read() {
        // What QEMU's virt says.
        let cells = [
            [0x100_0000, 0, 0, 0, 0x3eff_0000, 0, 0x1_0000],
            [0x200_0000, 0, 0x1000_0000, 0, 0x1000_0000, 0, 0x2eff_0000],
            [0x4300_0000, 0x80, 0, 0x80, 0, 0x80, 0],
        ];
        let all: Vec<_> = pci_windows(&value(cells.as_flattened())).collect();
        let window = |space, bus, base, size| PciWindow { space, bus, cpu: Range { base, size } };
        let expected = [
            window(PciSpace::Io, 0, 0x3eff_0000, 0x1_0000),
            window(PciSpace::Memory32, 0x1000_0000, 0x1000_0000, 0x2eff_0000),
            window(PciSpace::Memory64, 0x80_0000_0000, 0x80_0000_0000, 0x80_0000_0000),
        ];
        assert_eq!(all, expected);
        assert_eq!(
            (all[1].cpu(0x1000_1000, 0x1000), all[1].cpu(0x3eff_0000, 0)),
            (Some(0x1000_1000), Some(0x3eff_0000))
        );
        assert_eq!(
            (all[1].cpu(0x3efe_f000, 0x1001), all[1].cpu(0xfff, 1), all[1].cpu(u64::MAX, 2)),
            (None, None, None)
        );
    }

    #[test]
    fn a_bus_of_one_cell_and_what_is_malformed() {
        let narrow = value(&[0x200_0000, 0, 0x4000_0000, 0x5000_0000, 0, 0x1000]);
        let window = pci_windows(&narrow).next().expect("one");
        assert_eq!((window.bus, window.cpu.base, window.cpu.size), (0x4000_0000, 0x5000_0000, 0x1000));
        assert_eq!(pci_windows(&narrow[..20]).count(), 0);
        let beyond = value(&[0x200_0000, u32::MAX, u32::MAX, 0, 0, 0, 2]);
        assert_eq!(pci_windows(&beyond).count(), 0);
        assert_eq!(pci_windows(&[]).count(), 0);
    }
}
