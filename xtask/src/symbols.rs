//! Puts names beside the raw addresses of a crash report.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use system_tests::Symbolise;

use crate::build::KERNEL;
use crate::program::Program;

/// The symbols of what was built, read when a report first needs them.
pub struct Symbols {
    /// Where `NAME.elf` lies.
    folder: PathBuf,
    /// Without its file a program has no names, and the addresses stand as they are.
    programs: Mutex<BTreeMap<String, Option<Program>>>,
}

impl Symbols {
    /// The symbols of the ELF files in a folder.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.into(), programs: Mutex::default() }
    }

    /// What is appended to a line that holds addresses of functions: a name behind it, or several below it. Empty when
    /// it is no line of a crash report.
    pub fn annotate(&self, line: &str) -> String {
        let Some(program) = program(line) else { return String::new() };
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || Program::read(&self.folder.join(format!("{program}.elf"))).ok();
        let program = programs.entry(program.to_owned()).or_insert_with(read);
        program.as_ref().map_or_else(String::new, |program| names(program, line))
    }

    /// The same as a shared function.
    pub fn shared(self) -> Symbolise {
        Arc::new(move |line| self.annotate(line))
    }
}

/// The program whose addresses a line of a crash report holds: `NAME backtrace: …` is init's report of a component,
/// lines of registers and frames are the kernel's report of itself.
fn program(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let component = line.split_once(" backtrace: ").and_then(|(before, _)| before.split_whitespace().next_back());
    let kernel = line.starts_with("#") || ["pc ", "x30 "].iter().any(|start| line.starts_with(start));
    component.or(kernel.then_some(KERNEL))
}

/// What stands behind the addresses of a line.
fn names(program: &Program, line: &str) -> String {
    let first = line.trim_start().strip_prefix('#').and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(0);
    let names: Vec<Option<String>> = (first..).zip(addresses(line)).map(|at| name(program, at)).collect();
    if let [name] = &names[..] {
        return name.as_ref().map_or_else(String::new, |name| format!("  {name}"));
    }
    let below = |(depth, name): (usize, &Option<String>)| Some(format!("\r\n    #{depth} {}", name.as_ref()?));
    names.iter().enumerate().filter_map(below).collect()
}

/// `function+offset at file:line`, and the function that was inlined there. Above the first frame an address is where a
/// call returns to: the call is the instruction before it.
fn name(program: &Program, (depth, address): (usize, u64)) -> Option<String> {
    let mut text = program.name(address)?;
    let call = if depth > 0 { address.saturating_sub(4) } else { address };
    let frames = program.frames(call);
    if let Some(inner) = frames.first() {
        if frames.len() > 1 {
            text += &format!(", in {}", inner.function);
        }
        text += &format!(" at {}:{}", inner.file, inner.line);
    }
    Some(text)
}

/// The numbers of a line that look like addresses: `0x` and at least five digits.
fn addresses(line: &str) -> impl Iterator<Item = u64> {
    line.split("0x").skip(1).filter_map(|rest| {
        let end = rest.find(|character: char| !character.is_ascii_hexdigit()).unwrap_or(rest.len());
        (5..=16).contains(&end).then(|| u64::from_str_radix(&rest[..end], 16).ok()).flatten()
    })
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
}

impl<W: Write> Write for Annotator<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if matches!(byte, b'\r' | b'\n') {
                let names = self.symbols.annotate(&String::from_utf8_lossy(&self.line));
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
        let kernel = Program::of(&[
            (0xffff_8000_0000_1000, 0x100, "first"),
            (0xffff_8000_0000_1100, 0, "vectors"),
            (0xffff_8000_0000_2000, 0x40, "last"),
        ]);
        let shell = Program::of(&[(0x20_0000, 0x100, "run")]);
        let programs = [(KERNEL.to_owned(), Some(kernel)), ("shell".to_owned(), Some(shell))];
        Symbols { folder: "/nowhere".into(), programs: Mutex::new(programs.into()) }
    }

    #[test]
    fn addresses_get_names() {
        let symbols = symbols();
        assert_eq!(symbols.annotate("    #0 0xffff800000001010"), "  first+0x10");
        let two = symbols.annotate("  pc 0xffff800000002000 lr 0xffff800000001180");
        assert_eq!(two, "\r\n    #0 last\r\n    #1 vectors+0x80");
        assert_eq!(symbols.annotate("  pc 0xffff800000002040"), "");
        assert_eq!(symbols.annotate("  pc 0x12 0xzz 0x"), "");
    }

    #[test]
    fn a_component_has_its_own() {
        let line = "[    0.05] error init: shell backtrace: #0 0x200010 #1 0x900000";
        assert_eq!(symbols().annotate(line), "\r\n    #0 run+0x10");
        assert_eq!(symbols().annotate("error init: other backtrace: #0 0x200010"), "");
        assert_eq!(symbols().annotate("mapped at 0x200010"), "");
    }

    #[test]
    fn only_reports_are_annotated_and_nothing_is_held_back() {
        let mut shown = Vec::new();
        let mut annotator = Annotator::new(&mut shown, symbols());
        annotator.write_all(b"heap at 0xffff800000001010\r\n  pc 0xffff800000001010\r\n/> ").expect("memory");
        let text = String::from_utf8(shown).expect("text");
        assert_eq!(text, "heap at 0xffff800000001010\r\n  pc 0xffff800000001010  first+0x10\r\n/> ");
    }
}
