//! What a node has and needs, in words.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use tree::{Device, Interrupt, Phandle, Phandles, Tree, Trigger};

/// Most lines about one node.
const MOST: usize = 256;
/// Most names or cells in a line.
const WORDS: usize = 16;
/// Most bytes of a name; of a longer one the end is left out.
const NAME: usize = 64;

/// A line for everything that the node at this offset has and needs. What is malformed is said in its place.
pub fn lines(tree: &Tree<'_>, offset: usize) -> Vec<String> {
    let mut room = vec![Phandle::default(); Phandles::count(tree)];
    let Ok(phandles) = Phandles::of(tree, &mut room) else { return Vec::new() };
    let mut devices = tree.devices();
    while let Some(device) = devices.next() {
        if device.offset() == offset {
            let mut lines = own(tree, &device, &phandles);
            lines.extend(needed(tree, &device, &phandles));
            lines.truncate(MOST);
            return lines;
        }
    }
    Vec::new()
}

/// What belongs to it.
fn own(tree: &Tree<'_>, device: &Device<'_, '_>, phandles: &Phandles<'_>) -> Vec<String> {
    let names: Vec<&str> = device.compatible().take(WORDS).map(short).collect();
    let mut lines = vec![format!("compatible {}", names.join(", "))];
    let mut names = device.register_names();
    lines.extend(device.registers().take(MOST).map(|range| {
        let name = named(names.next());
        range.map_or_else(|e| e.to_string(), |it| format!("registers {:#x}..{:#x}{name}", it.base, it.end()))
    }));
    let mut names = device.interrupt_names();
    lines.extend(device.interrupts().take(MOST).map(|interrupt| {
        let name = named(names.next());
        interrupt.map_or_else(|error| error.to_string(), |it| format!("interrupt {}{name}", interrupt_words(tree, it)))
    }));
    lines.extend(device.memory_regions(phandles).take(MOST).map(|region| match region {
        Err(error) => error.to_string(),
        Ok(region) => {
            let (node, name) = (place(tree, region.at), named(region.name));
            let range = region.range.map_or("anywhere".into(), |it| format!("{:#x}..{:#x}", it.base, it.end()));
            format!("memory {range} of {node}{name}")
        }
    }));
    lines.extend(device.dma_windows().take(MOST).map(|window| {
        let words = |it: tree::Window| format!("reaches {:#x}..{:#x} at {:#x}", it.cpu.base, it.cpu.end(), it.bus);
        window.map_or_else(|error| error.to_string(), words)
    }));
    lines
}

/// What belongs to others.
fn needed(tree: &Tree<'_>, device: &Device<'_, '_>, phandles: &Phandles<'_>) -> Vec<String> {
    let bus = device.bus().map(|bus| {
        let address: Vec<String> = bus.address.iter().take(WORDS).map(|cell| format!("{cell:#x}")).collect();
        format!("on the bus of {} at {}", place(tree, bus.at), address.join(" "))
    });
    let references = device.references(phandles).take(MOST).map(|reference| match reference {
        Err(error) => error.to_string(),
        Ok(it) => {
            let arguments: String = it.arguments.iter().take(WORDS).map(|cell| format!(" {cell:#x}")).collect();
            format!("{} {}{arguments}{}", it.dependency.word(), place(tree, it.provider), named(it.name))
        }
    });
    bus.into_iter().chain(references).collect()
}

fn named(name: Option<&str>) -> String {
    name.filter(|name| !name.is_empty()).map_or(String::new(), |name| format!(" ({})", short(name)))
}

fn short(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME)]
}

fn interrupt_words(tree: &Tree<'_>, interrupt: Interrupt<'_>) -> String {
    match interrupt {
        Interrupt::Line(line) => {
            let trigger = if line.trigger == Trigger::Edge { "edge" } else { "level" };
            format!("{}, {trigger}", line.intid)
        }
        Interrupt::Other { controller: None, .. } => "of no controller".into(),
        Interrupt::Other { controller: Some(at), arguments } => {
            let arguments: String = arguments.iter().take(WORDS).map(|cell| format!(" {cell:#x}")).collect();
            format!("{}{arguments}", place(tree, at))
        }
    }
}

/// Label or path of the node at this offset.
pub fn place(tree: &Tree<'_>, at: usize) -> String {
    let mut walk = tree.walk();
    let path = walk.seek(at).map(|node| node.path().to_string()).unwrap_or_default();
    tree.label(&path).map_or(path, |label| format!("&{label}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tree_writer::Builder;

    #[test]
    fn a_node_that_says_much_is_said_in_short() {
        let name = "x".repeat(5_000);
        let mut builder = Builder::new();
        builder.begin("soc").cells("#address-cells", &[1]).cells("#size-cells", &[1]).flag("ranges").begin("much");
        builder.texts("compatible", &[name.as_str(); 100]).texts("reg-names", &[name.as_str(); 2]);
        let bytes = builder.cells("reg", &[0x1000, 0x100, 0x2000, 0x100]).end().end().finish();
        let tree = Tree::parse(&bytes).unwrap();
        let offset = tree.walk().find("/soc/much").unwrap().offset();
        let lines = lines(&tree, offset);
        assert!(lines.iter().any(|line| line.starts_with("registers 0x2000..0x2100 (xxx")), "{lines:?}");
        assert!(lines.iter().all(|line| line.len() <= WORDS * (NAME + 2) + 20), "{:?}", lines.iter().map(String::len));
    }
}
