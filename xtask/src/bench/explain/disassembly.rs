//! The text of instructions, as the debugger writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::tools;
use crate::workspace;

/// Instructions between two wanted ones that are asked for along with them, so that there are few ranges.
const GAP: u64 = 64;

/// The instructions at these addresses of an ELF file.
pub fn read(elf: &Path, wanted: &BTreeSet<u64>) -> Result<BTreeMap<u64, String>> {
    let gdb = tools::GDB.find().context("gdb is not there")?;
    let mut command = Command::new(gdb);
    command.args(["-nx", "-batch", "-ex", "set print asm-demangle on", "-ex", "set width 0"]).arg(elf);
    for (start, end) in ranges(wanted) {
        command.args(["-ex", &format!("disassemble {start:#x},{end:#x}")]);
    }
    Ok(parse(&workspace::output(&mut command)?))
}

/// Ranges that hold all these addresses.
fn ranges(wanted: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for &address in wanted {
        match ranges.last_mut() {
            Some((_, end)) if address <= *end + GAP => *end = address + 4,
            _ => ranges.push((address, address + 4)),
        }
    }
    ranges
}

/// Lines such as `   0xffffffff80001000 <vectors+0>:    nop`, with a tab behind the colon.
fn parse(text: &str) -> BTreeMap<u64, String> {
    let instruction = |line: &str| {
        let (place, text) = line.split_once(":\t")?;
        let digits = place.trim().strip_prefix("0x")?.split_whitespace().next()?;
        Some((u64::from_str_radix(digits, 16).ok()?, text.trim().replace('\t', " ")))
    };
    text.lines().filter_map(instruction).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_addresses_share_a_range() {
        let wanted = BTreeSet::from([0x1000, 0x1004, 0x1020, 0x2000]);
        assert_eq!(ranges(&wanted), [(0x1000, 0x1024), (0x2000, 0x2004)]);
    }

    #[test]
    fn lines_of_the_debugger_are_read() {
        let text =
            "Dump of assembler code:\n   0x0000000000201a30 <run+4>:\tmrs\tx0, esr_el1\nEnd of assembler dump.\n";
        assert_eq!(parse(text), BTreeMap::from([(0x20_1a30, "mrs x0, esr_el1".to_owned())]));
    }
}
