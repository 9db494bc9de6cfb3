//! Puts names beside the raw addresses of a crash report.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use object::{Object, ObjectSymbol, SymbolKind};
use rustc_demangle::demangle;
use system_tests::Symbolise;

use crate::pack::{self, Elf};

/// Functions by address.
pub struct Symbols {
    functions: BTreeMap<u64, (u64, String)>,
}

impl Symbols {
    /// The functions of an ELF file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = pack::read(path)?;
        let elf = Elf::parse(path, &bytes)?;
        let functions = elf.file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
        let named = functions.filter_map(|symbol| {
            let name = format!("{:#}", demangle(symbol.name().ok()?));
            Some((symbol.address(), (symbol.size(), name)))
        });
        Ok(Self { functions: named.collect() })
    }

    /// `function+offset`. A function of unknown size, as assembly has them, reaches to the next.
    fn name(&self, address: u64) -> Option<String> {
        let (start, (size, name)) = self.functions.range(..=address).next_back()?;
        let offset = address - start;
        let inside = if *size == 0 { self.functions.range(address..).next().is_some() } else { offset < *size };
        inside.then(|| if offset == 0 { name.clone() } else { format!("{name}+{offset:#x}") })
    }

    /// What is appended to a line that holds addresses of functions: their names.
    pub fn annotate(&self, line: &str) -> String {
        let names: Vec<String> = addresses(line).filter_map(|address| self.name(address)).collect();
        if names.is_empty() { String::new() } else { format!("  <{}>", names.join(", ")) }
    }

    /// The same as a shared function.
    pub fn shared(self) -> Symbolise {
        Arc::new(move |line| self.annotate(line))
    }
}

/// The numbers of a line that look like addresses: `0x` and at least five digits.
fn addresses(line: &str) -> impl Iterator<Item = u64> {
    line.split("0x").skip(1).filter_map(|rest| {
        let end = rest.find(|character: char| !character.is_ascii_hexdigit()).unwrap_or(rest.len());
        (5..=16).contains(&end).then(|| u64::from_str_radix(&rest[..end], 16).ok()).flatten()
    })
}

/// Whether a line is one of a crash report: only there an address says something to a reader.
fn is_report(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('#') || ["pc ", "lr ", "elr ", "x30 "].iter().any(|word| line.contains(word))
}

/// Passes a console's bytes on at once, and puts names at the ends of the lines of crash reports.
pub struct Annotator<W> {
    to: W,
    symbols: Symbols,
    line: Vec<u8>,
}

impl<W: Write> Annotator<W> {
    pub fn new(to: W, symbols: Symbols) -> Self {
        Self { to, symbols, line: Vec::new() }
    }

    fn names(&self) -> String {
        let line = String::from_utf8_lossy(&self.line);
        if is_report(&line) { self.symbols.annotate(&line) } else { String::new() }
    }
}

impl<W: Write> Write for Annotator<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if matches!(byte, b'\r' | b'\n') {
                let names = self.names();
                self.to.write_all(names.as_bytes())?;
                self.line.clear();
            } else {
                self.line.push(*byte);
            }
            self.to.write_all(std::slice::from_ref(byte))?;
        }
        self.to.flush()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols() -> Symbols {
        let function = |address, size, name: &str| (address, (size, name.to_owned()));
        let functions = [
            function(0xffff_8000_0000_1000, 0x100, "first"),
            function(0xffff_8000_0000_1100, 0, "vectors"),
            function(0xffff_8000_0000_2000, 0x40, "last"),
        ];
        Symbols { functions: functions.into() }
    }

    #[test]
    fn addresses_get_names() {
        let symbols = symbols();
        assert_eq!(symbols.annotate("#0 0xffff800000001010"), "  <first+0x10>");
        assert_eq!(symbols.annotate("pc 0xffff800000002000 lr 0xffff800000001180"), "  <last, vectors+0x80>");
        assert_eq!(symbols.annotate("pc 0xffff800000002040"), "");
        assert_eq!(symbols.annotate("pc 0x12 0xzz 0x"), "");
    }

    #[test]
    fn only_reports_are_annotated_and_nothing_is_held_back() {
        let mut shown = Vec::new();
        let mut annotator = Annotator::new(&mut shown, symbols());
        annotator.write_all(b"heap at 0xffff800000001010\r\npc 0xffff800000001010\r\n/> ").expect("memory");
        let text = String::from_utf8(shown).expect("text");
        assert_eq!(text, "heap at 0xffff800000001010\r\npc 0xffff800000001010  <first+0x10>\r\n/> ");
    }
}
