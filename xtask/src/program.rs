//! What a program's ELF file says of its addresses: functions, source lines, what was inlined where.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use gimli::{EndianArcSlice, LittleEndian};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use rustc_demangle::demangle;

use crate::pack::{self, Elf};

/// What a label begins with that says what the assembly behind it is for: `purpose.NAME.NUMBER`.
pub const PURPOSE: &str = "purpose.";

/// A program as the debugger needs it.
pub struct Program {
    symbols: BTreeMap<u64, Symbol>,
    segments: Vec<Segment>,
    lines: Option<addr2line::Context<EndianArcSlice<LittleEndian>>>,
}

/// A name and how many bytes it stands for: 0 where nobody said, as with a label in assembly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    pub name: String,
    pub size: u64,
}

/// Bytes that are loaded.
pub struct Segment {
    pub address: u64,
    pub bytes: Vec<u8>,
}

/// A function that an instruction belongs to, and its place in the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    pub function: String,
    /// The path below the workspace where it lies there.
    pub file: String,
    pub line: u32,
}

impl Program {
    /// Reads the ELF file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = pack::read(path)?;
        let elf = Elf::parse(path, &bytes)?;
        let segments =
            elf.loads()?.into_iter().map(|load| Segment { address: load.address, bytes: load.bytes.to_vec() });
        Ok(Self { symbols: symbols(&elf), segments: segments.collect(), lines: lines(&elf) })
    }

    /// A program of these symbols alone.
    #[cfg(test)]
    pub fn of(symbols: &[(u64, u64, &str)]) -> Self {
        let entry = |(address, size, name): &(u64, u64, &str)| (*address, Symbol { name: (*name).into(), size: *size });
        Self { symbols: symbols.iter().map(entry).collect(), segments: Vec::new(), lines: None }
    }

    /// The symbol that covers an address, and its start. One of unknown size reaches to the next.
    pub fn symbol(&self, address: u64) -> Option<(u64, &Symbol)> {
        let (start, symbol) = self.symbol_before(address, |symbol| !symbol.name.starts_with(PURPOSE))?;
        let inside = match symbol.size {
            0 => self.symbols.range(address..).next().is_some() || self.bytes(address, 4).is_some(),
            size => address - start < size,
        };
        inside.then_some((start, symbol))
    }

    /// The last symbol up to an address for which this holds.
    pub fn symbol_before(&self, address: u64, wanted: impl Fn(&Symbol) -> bool) -> Option<(u64, &Symbol)> {
        let mut before = self.symbols.range(..=address).rev();
        before.find(|(_, symbol)| wanted(symbol)).map(|(&start, symbol)| (start, symbol))
    }

    /// `function+offset`.
    pub fn name(&self, address: u64) -> Option<String> {
        let (start, symbol) = self.symbol(address)?;
        let offset = address - start;
        Some(if offset == 0 { symbol.name.clone() } else { format!("{}+{offset:#x}", symbol.name) })
    }

    /// Where a function begins.
    pub fn address(&self, name: &str) -> Option<u64> {
        self.symbols.iter().find(|(_, symbol)| symbol.name == name).map(|(&address, _)| address)
    }

    /// Loaded bytes.
    pub fn bytes(&self, address: u64, count: usize) -> Option<&[u8]> {
        self.segments.iter().find_map(|segment| {
            let start = usize::try_from(address.checked_sub(segment.address)?).ok()?;
            segment.bytes.get(start..start.checked_add(count)?)
        })
    }

    /// What is loaded.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The functions that the instruction at an address belongs to, the innermost inlined one first.
    pub fn frames(&self, address: u64) -> Vec<Frame> {
        let Some(lines) = &self.lines else { return Vec::new() };
        let Ok(mut found) = lines.find_frames(address).skip_all_loads() else { return Vec::new() };
        let mut frames = Vec::new();
        while let Ok(Some(frame)) = found.next() {
            let name = frame.function.as_ref().and_then(|name| name.raw_name().map(|name| short(&name)).ok());
            let location = frame.location.as_ref();
            frames.push(Frame {
                function: name.unwrap_or_default(),
                file: location.and_then(|location| location.file).map_or_else(String::new, relative),
                line: location.and_then(|location| location.line).unwrap_or(0),
            });
        }
        frames
    }
}

/// Functions, and labels of assembly.
fn symbols(elf: &Elf) -> BTreeMap<u64, Symbol> {
    let mut symbols = BTreeMap::new();
    let code = |symbol: &object::read::elf::ElfSymbol64<'_, '_, object::LittleEndian>| {
        let section = symbol.section_index().and_then(|index| elf.file.section_by_index(index).ok());
        section.is_some_and(|section| section.kind() == object::SectionKind::Text)
    };
    for symbol in elf.file.symbols().filter(code) {
        let label = matches!(symbol.kind(), SymbolKind::Unknown | SymbolKind::Label);
        let Ok(name) = symbol.name() else { continue };
        if name.is_empty() || name.starts_with('$') || !(label || symbol.kind() == SymbolKind::Text) {
            continue;
        }
        let new = Symbol { name: short(name), size: symbol.size() };
        let entry = symbols.entry(symbol.address()).or_insert_with(|| new.clone());
        if entry.size == 0 && new.size > 0 {
            *entry = new;
        }
    }
    symbols
}

/// A name as one reads it.
fn short(name: &str) -> String {
    format!("{:#}", demangle(name))
}

fn lines(elf: &Elf) -> Option<addr2line::Context<EndianArcSlice<LittleEndian>>> {
    let load = |id: gimli::SectionId| {
        let section = elf.file.section_by_name(id.name());
        let bytes = section.and_then(|section| section.data().ok()).unwrap_or_default();
        Ok::<_, gimli::Error>(EndianArcSlice::new(Arc::from(bytes), LittleEndian))
    };
    // Without line tables there are still the names of functions.
    addr2line::Context::from_dwarf(gimli::Dwarf::load(load).ok()?).ok()
}

/// A path as it stands below the workspace, or from the crate's folder on.
fn relative(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(|root| root.to_string_lossy().into_owned());
    if let Some(inside) = root.and_then(|root| file.strip_prefix(root.as_str())) {
        return inside.trim_start_matches('/').into();
    }
    let cut = ["/library/", "/registry/src/"].iter().find_map(|mark| file.split_once(mark));
    cut.map_or(file, |(_, inside)| inside).into()
}
