//! Functions of PCI, as a driver of their bus found them: what they are called, whether their registers are the bus' to give,
//! and what a driver is given.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use ipc::broker::MAX_MESSAGES;
use ipc::devices::{Function, Route};
use tree::{Device, MessageKind, MessageRoute, Range, Tree, Trigger};
use tree_writer::Builder;

use crate::drivers::Driver;
use crate::iommu::{self, Stream};
use crate::resources::{Block, Description, Line, Messages, Trouble, reaches_as_the_cpu_does};

/// Most lines that the driver of a bus has itself.
const MOST_LINES: usize = 8;
/// A page, which is the least that a driver is given.
const PAGE: u64 = 4096;

/// Its name below its bus, as in a device tree: what it is, device and function.
pub fn name(function: &Function) -> String {
    let Function { vendor, device, address, .. } = function;
    format!("pci{vendor:x},{device:x}@{:x},{:x}", address >> 3 & 31, address & 7)
}

/// Whether it is a bridge to another bus, which the driver of the host bridge drives (class code 0x0604).
pub const fn is_bridge(function: &Function) -> bool {
    function.class >> 16 == 0x0604
}

/// How a function on the root bus is reached: as itself.
pub const fn direct(function: &Function) -> Route {
    Route { bridge: 0, device: function.address, pin: function.pin, shared: false }
}

/// What it is compatible with, the most specific name first (PCI Bus Binding to IEEE 1275, revision 2.1, 4.1.2.1).
pub fn compatible(function: &Function) -> Vec<String> {
    let Function { vendor, device, subsystem_vendor, subsystem, class, .. } = function;
    let (code, revision) = (class >> 8, class & 0xff);
    let mut names = Vec::new();
    if *subsystem_vendor != 0 {
        names.push(format!("pci{vendor:x},{device:x}.{subsystem_vendor:x}.{subsystem:x}"));
    }
    names.push(format!("pci{vendor:x},{device:x}.{revision:x}"));
    names.push(format!("pci{vendor:x},{device:x}"));
    names.push(format!("pciclass,{code:06x}"));
    names.push(format!("pciclass,{:04x}", code >> 8));
    names
}

/// Whether a `compatible` is one that functions have: `pciVVVV,DDDD` or `pciclass,CCCCCC`.
pub fn is_name(compatible: &str) -> bool {
    let vendor = compatible.strip_prefix("pci").and_then(|rest| rest.split_once(',')).map(|(vendor, _)| vendor);
    vendor.is_some_and(|vendor| vendor == "class" || u16::from_str_radix(vendor, 16).is_ok())
}

/// Its registers, if they lie where this bus passes on what the CPU does, each in pages of its own.
pub fn registers(function: &Function, ranges: &[u8]) -> Option<Vec<Block>> {
    let mut registers: Vec<Block> = Vec::new();
    for (index, bar) in function.bars.iter().enumerate().filter(|(_, bar)| bar.size != 0) {
        let range = pages(Range::new(bar.base, bar.size)?)?;
        let is_in = |cpu: Range| cpu.base <= range.base && range.end() <= cpu.end();
        let passed_on = tree::pci_windows(ranges).any(|window| is_in(window.cpu));
        let apart = registers.iter().all(|other| !overlap(other.range, range));
        if !passed_on || !apart {
            return None;
        }
        registers.push(Block { range: Range::new(bar.base, bar.size)?, name: format!("bar{index}") });
    }
    Some(registers)
}

/// The pages of registers that begin at one.
fn pages(range: Range) -> Option<Range> {
    let size = range.size.checked_next_multiple_of(PAGE)?;
    Range::new(range.base, size).filter(|pages| pages.base.is_multiple_of(PAGE))
}

/// Whether these registers have a page in common.
pub fn overlap(one: Range, other: Range) -> bool {
    let end = |range: Range| range.end().checked_next_multiple_of(PAGE).unwrap_or(u64::MAX);
    one.base < end(other) && other.base < end(one)
}

/// What its driver is given.
///
/// # Errors
/// In words.
pub fn describe(
    tree: &Tree<'_>,
    bus: &Device<'_, '_>,
    function: &Function,
    route: &Route,
    registers: Vec<Block>,
    driver: &Driver<'_>,
) -> Result<Description, String> {
    let dma = driver.manifest.dma();
    let stream = if dma { iommu::of_function(tree, bus, function)? } else { None };
    if stream.is_some() && route.shared {
        let why = "it is behind a bridge that makes the requester IDs of all functions there one: no IOMMU tells its \
                   accesses to memory from theirs";
        return Err(why.into());
    }
    if dma && stream.is_none() {
        reaches_as_the_cpu_does(bus).map_err(|(Trouble::Waiting(why) | Trouble::Refused(why))| why)?;
    }
    // What sends messages masters its bus, and is known by its requester ID.
    let messages = if dma && !route.shared { messages(bus, function)? } else { None };
    Ok(Description { registers, lines: lines(bus, route)?, messages, memory: Vec::new(), dma, stream, states: None })
}

/// Its interrupt: the line behind its pin.
///
/// # Errors
/// In words.
pub fn lines(bus: &Device<'_, '_>, route: &Route) -> Result<Vec<Line>, String> {
    if !(1..=4).contains(&route.pin) {
        return Ok(Vec::new());
    }
    let line = bus.function_line(u32::from(route.device) << 8, route.pin.into());
    let line = line.map_err(|error| error.to_string())?.ok_or("its interrupt goes to no interrupt controller")?;
    Ok(vec![Line { intid: line.intid, edge: line.trigger == Trigger::Edge, name: "intx".into() }])
}

/// The lines of the GIC that the pins of functions lead to, each once: those that the driver of their bus has itself.
pub fn own_lines(bus: &Device<'_, '_>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (device, pin) in (0..32u32).flat_map(|device| (1..=4u32).map(move |pin| (device, pin))) {
        // A pin that goes nowhere, or that the map has wrong, is said of the function that is there.
        let Ok(Some(line)) = bus.function_line(device << 11, pin) else { continue };
        if lines.len() < MOST_LINES && lines.iter().all(|it| it.intid != line.intid) {
            let name = format!("intx{}", lines.len());
            lines.push(Line { intid: line.intid, edge: line.trigger == Trigger::Edge, name });
        }
    }
    lines
}

/// Its messages for interrupts, as many as a driver is given, if the bus says where they go.
///
/// # Errors
/// In words.
pub fn messages(bus: &Device<'_, '_>, function: &Function) -> Result<Option<Messages>, String> {
    let count = u32::from(function.messages).min(MAX_MESSAGES);
    if count == 0 {
        return Ok(None);
    }
    let route = bus.function_messages(function.address).map_err(|error| error.to_string())?;
    Ok(route.map(|MessageRoute { controller, device }| {
        let device = (controller.kind == MessageKind::Its).then_some(device);
        Messages { controller: controller.registers.base, device, count }
    }))
}

/// What it says, as a node of its own.
pub fn node(bus: &Device<'_, '_>, function: &Function) -> Vec<u8> {
    let names = compatible(function);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut node = Builder::new();
    node.texts("compatible", &names).cells("reg", &[u32::from(function.address) << 8, 0, 0, 0, 0]);
    node.cells("vendor-id", &[function.vendor.into()]).cells("device-id", &[function.device.into()]);
    node.cells("class-code", &[function.class >> 8]).cells("revision-id", &[function.class & 0xff]);
    if bus.is_dma_coherent() {
        node.flag("dma-coherent");
    }
    node.finish()
}

/// What it has, in words.
pub fn words(
    function: &Function,
    registers: &[Block],
    lines: &Result<Vec<Line>, String>,
    stream: &Result<Option<Stream>, String>,
    messages: &Result<Option<Messages>, String>,
) -> Vec<String> {
    let mut words = vec![format!("compatible {}", compatible(function).join(", "))];
    words.extend(registers.iter().map(|block| {
        let Block { range, name } = block;
        format!("registers {:#x}..{:#x} ({name})", range.base, range.end())
    }));
    match lines {
        Ok(lines) => words.extend(lines.iter().map(|line| {
            let trigger = if line.edge { "edge" } else { "level" };
            format!("interrupt {}, {trigger} ({})", line.intid, line.name)
        })),
        Err(error) => words.push(error.clone()),
    }
    match messages {
        Ok(None) => {}
        Ok(Some(Messages { controller, device: Some(device), count })) => {
            words.push(format!("messages {count}, device {device:#x} of the ITS at {controller:#x}"));
        }
        Ok(Some(Messages { controller, device: None, count })) => {
            words.push(format!("messages {count}, through the v2m frame at {controller:#x}"));
        }
        Err(error) => words.push(error.clone()),
    }
    match stream {
        Ok(Some((iommu, stream))) => words.push(format!("memory through the IOMMU at {iommu:#x}, stream {stream:#x}")),
        Ok(None) => {}
        Err(error) => words.push(error.clone()),
    }
    words
}
