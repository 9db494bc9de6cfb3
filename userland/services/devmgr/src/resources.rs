//! What a driver is given of a node.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ipc::broker::{MAX_EACH, MAX_NAME};
use tree::{Device, Interrupt, Phandles, Range, Tree, Trigger};

use crate::drivers::Driver;
use crate::function;
use crate::iommu::{self, Stream};
use crate::pins;
use crate::provider;

/// Most of each kind that are taken from a node: one more than init takes, which says that it is too much.
const ENOUGH: usize = MAX_EACH + 1;

/// Addresses with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Where, as the CPU has it.
    pub range: Range,
    /// What the node calls it; empty where it does not.
    pub name: String,
}

/// An interrupt line of the GIC with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// As the GIC counts; 0 for a hole in the node's list, so that those behind keep their index.
    pub intid: u32,
    /// It fires on an edge, not while the line is active.
    pub edge: bool,
    /// What the node calls it; empty where it does not.
    pub name: String,
}

/// Messages for interrupts that a device sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages {
    /// Where the registers of the controller that takes them begin.
    pub controller: u64,
    /// What that calls the device; a frame calls all devices the same.
    pub device: Option<u32>,
    /// How many.
    pub count: u32,
}

/// A device as a driver is given it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Registers.
    pub registers: Vec<Block>,
    /// Interrupts.
    pub lines: Vec<Line>,
    /// Messages for interrupts.
    pub messages: Option<Messages>,
    /// Memory that is reserved for it.
    pub memory: Vec<Block>,
    /// It is a bus master.
    pub dma: bool,
    /// The IOMMU that it is behind, and its stream there.
    pub stream: Option<Stream>,
    /// Of a pin control: the phandles of the states in it that devices with a driver have by default.
    pub states: Option<Vec<u32>>,
}

/// Where a device says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identification {
    /// The DeviceID of virtio over MMIO; 0 in an empty slot (Virtual I/O Device 1.2, section 4.2.2).
    Virtio,
    /// The peripheral ID at the end of the registers of a PrimeCell: part, designer, revision, configuration.
    PrimeCell,
}

impl Identification {
    /// How a device with this `compatible` is identified.
    pub fn of(compatible: &str) -> Option<Self> {
        match compatible {
            "virtio,mmio" => Some(Self::Virtio),
            "arm,primecell" => Some(Self::PrimeCell),
            _ => None,
        }
    }

    /// Whether a driver for `wanted` is for the device that says `found`. Of a PrimeCell part and designer count, not the
    /// revision.
    pub const fn fits(self, wanted: u32, found: u32) -> bool {
        match self {
            Self::Virtio => wanted == found,
            Self::PrimeCell => (wanted ^ found) & 0x000f_ffff == 0,
        }
    }
}

/// Why a driver is not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Its device needs another one, that nobody drives or whose driver does not serve it.
    Waiting(String),
    /// The tree says of its device what is wrong or cannot be had.
    Refused(String),
}

/// What `driver` is given of a device.
///
/// # Errors
/// [`Trouble`].
pub fn describe(
    tree: &Tree<'_>,
    phandles: &Phandles<'_>,
    device: &Device<'_, '_>,
    driver: &Driver<'_>,
    drivers: &[Driver<'_>],
) -> Result<Description, Trouble> {
    let refused = |error: tree::TreeError| Trouble::Refused(error.to_string());
    if let Some(bus) = device.bus() {
        return Err(Trouble::Waiting(provider::words(tree, drivers, bus.at, "its bus")));
    }
    for reference in device.references(phandles) {
        let needed = |word: &str| driver.manifest.needs().any(|need| need == word);
        match reference {
            Ok(it) if needed(it.dependency.word()) && !pins::serve(tree, driver, drivers, &it) => {
                return Err(Trouble::Waiting(provider::words(tree, drivers, it.provider, it.dependency.word())));
            }
            // What the driver does not need may be as broken as it is.
            _ => {}
        }
    }
    let dma = driver.manifest.dma();
    let stream = if dma { iommu::of_device(tree, phandles, device).map_err(Trouble::Refused)? } else { None };
    if dma && stream.is_none() {
        reaches_as_the_cpu_does(device)?;
    }
    let mut registers = Vec::new();
    let mut names = device.register_names();
    for range in device.registers().take(ENOUGH) {
        registers.push(Block { range: range.map_err(refused)?, name: named(names.next()) });
    }
    let memory = device.memory_regions(phandles).take(ENOUGH).map(|region| {
        let region = region.map_err(refused)?;
        let nowhere = || Trouble::Refused("memory-region: nobody says where that memory is".into());
        Ok(Block { range: region.range.ok_or_else(nowhere)?, name: named(region.name) })
    });
    let memory = memory.collect::<Result<_, _>>()?;
    let mut lines = lines(tree, device, drivers)?;
    if lines.is_empty() && device.text("device_type").ok().flatten() == Some("pci") {
        lines = function::own_lines(device);
    }
    let states = pins::states(tree, phandles, device, driver, drivers);
    Ok(Description { registers, lines, messages: None, memory, dma, stream, states })
}

fn lines(tree: &Tree<'_>, device: &Device<'_, '_>, drivers: &[Driver<'_>]) -> Result<Vec<Line>, Trouble> {
    let mut names = device.interrupt_names();
    let mut lines = Vec::new();
    for interrupt in device.interrupts().take(ENOUGH) {
        let name = named(names.next());
        match interrupt.map_err(|error| Trouble::Refused(error.to_string()))? {
            Interrupt::Line(tree::Line { intid, trigger }) => {
                lines.push(Line { intid, edge: trigger == Trigger::Edge, name });
            }
            Interrupt::Other { controller: Some(at), .. } => {
                return Err(Trouble::Waiting(provider::words(tree, drivers, at, "interrupts")));
            }
            // A hole in the list, or a controller that the tree does not have.
            Interrupt::Other { controller: None, .. } if device.property("interrupts-extended").is_some() => {
                lines.push(Line { intid: 0, edge: false, name });
            }
            Interrupt::Other { controller: None, .. } => {
                return Err(Trouble::Refused("interrupts: its interrupt-parent takes no interrupts".into()));
            }
        }
    }
    Ok(lines)
}

/// A name, or of one that init refuses as too long just enough.
fn named(name: Option<&str>) -> String {
    let name = name.unwrap_or_default();
    name[..name.ceil_char_boundary(MAX_NAME + 1)].into()
}

/// Nothing tells a driver yet under which address its device finds memory.
pub fn reaches_as_the_cpu_does(device: &Device<'_, '_>) -> Result<(), Trouble> {
    for window in device.dma_windows() {
        let window = window.map_err(|error| Trouble::Refused(error.to_string()))?;
        if window.bus != window.cpu.base {
            let (bus, cpu) = (window.bus, window.cpu.base);
            let text = format!("dma-ranges: it finds memory {cpu:#x} at {bus:#x}, which no driver is told yet");
            return Err(Trouble::Refused(text));
        }
    }
    Ok(())
}
