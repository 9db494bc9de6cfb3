//! The operation as text: every instruction, then sums.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::Result;

use super::spaces::{KERNEL, Programs, Spaces};
use super::{Step, disassembly, purpose};
use crate::program::{Frame, Program};

/// Instructions that cost more than an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Special {
    Barrier,
    SystemRegister,
    Ordered,
    Maintenance,
}

/// How many there are of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    instructions: usize,
    barriers: usize,
    pub system_registers: usize,
    ordered: usize,
    maintenance: usize,
}

impl Sum {
    /// Barriers, and what waits as they do.
    pub fn waits(&self) -> usize {
        self.barriers + self.ordered + self.maintenance
    }

    fn add(&mut self, special: Option<Special>) {
        self.instructions += 1;
        match special {
            Some(Special::Barrier) => self.barriers += 1,
            Some(Special::SystemRegister) => self.system_registers += 1,
            Some(Special::Ordered) => self.ordered += 1,
            Some(Special::Maintenance) => self.maintenance += 1,
            None => {}
        }
    }
}

/// What is known of an instruction, however often it was executed.
struct Line {
    symbol: String,
    text: String,
    place: String,
    purpose: String,
    special: Option<Special>,
}

/// An operation.
pub struct Listing<'a> {
    spaces: &'a Spaces<'a>,
    steps: &'a [Step],
    lines: BTreeMap<(usize, u64), Line>,
}

impl<'a> Listing<'a> {
    pub fn new(programs: &Programs, spaces: &'a Spaces<'a>, steps: &'a [Step]) -> Result<Self> {
        let mut wanted: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
        for step in steps {
            wanted.entry(step.space).or_default().insert(step.pc);
        }
        let mut lines = BTreeMap::new();
        for (space, addresses) in wanted {
            let name = spaces.name(space);
            let Some(program) = programs.get(name) else { continue };
            let texts = disassembly::read(&programs.file(name), &addresses)?;
            for address in addresses {
                let text = texts.get(&address).cloned().unwrap_or_default();
                lines.insert((space, address), line(program, name, space, address, text));
            }
        }
        Ok(Self { spaces, steps, lines })
    }

    /// All its instructions.
    pub fn sum(&self) -> Sum {
        let mut all = Sum::default();
        for step in self.steps {
            all.add(self.lines.get(&(step.space, step.pc)).and_then(|line| line.special));
        }
        all
    }

    /// All of it.
    pub fn text(&self, metric: &str, cpu: &str) -> String {
        let mut text = self.instructions();
        let mut purposes: BTreeMap<(&str, &str), Sum> = BTreeMap::new();
        let mut programs: BTreeMap<&str, Sum> = BTreeMap::new();
        let mut symbols: BTreeMap<(&str, &str), Sum> = BTreeMap::new();
        let mut all = Sum::default();
        for step in self.steps {
            let name = self.spaces.name(step.space);
            let line = self.lines.get(&(step.space, step.pc));
            let (purpose, symbol, special) =
                line.map_or(("", "", None), |line| (&line.purpose, function(&line.symbol), line.special));
            for sum in [
                purposes.entry((side(step.space), purpose)).or_default(),
                programs.entry(name).or_default(),
                symbols.entry((name, symbol)).or_default(),
                &mut all,
            ] {
                sum.add(special);
            }
        }
        let _ = writeln!(text, "\n{metric} on {cpu}, one operation");
        table(&mut text, "program", programs.into_iter().map(|(name, sum)| (name.to_owned(), sum)), all);
        table(
            &mut text,
            "purpose",
            purposes.into_iter().map(|((side, name), sum)| (format!("{side}: {name}"), sum)),
            all,
        );
        table(&mut text, "symbol", symbols.into_iter().map(|((_, name), sum)| (name.to_owned(), sum)), all);
        text
    }

    fn instructions(&self) -> String {
        let mut text = String::new();
        let mut place = "";
        for (number, step) in self.steps.iter().enumerate() {
            let name = self.spaces.name(step.space);
            let _ = write!(text, "{:>6}  {:#018x}  {name:<13} ", number + 1, step.pc);
            let Some(line) = self.lines.get(&(step.space, step.pc)) else {
                text.push('\n');
                continue;
            };
            let mark = match line.special {
                Some(Special::Barrier) => "B",
                Some(Special::SystemRegister) => "S",
                Some(Special::Ordered) => "O",
                Some(Special::Maintenance) => "M",
                None => " ",
            };
            let _ = write!(text, "{:<36} {mark} {:<44}", cut(&line.symbol, 36), line.text);
            // A place in the source is written where it changes.
            if line.place != place {
                let _ = write!(text, " ; {}", line.place);
                place = &line.place;
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }
}

fn side(space: usize) -> &'static str {
    if space == KERNEL { "kernel" } else { "user" }
}

fn line(program: &Program, name: &str, space: usize, address: u64, text: String) -> Line {
    let frames = program.frames(address);
    let purpose =
        if space == KERNEL { purpose::in_kernel(program, address, &frames) } else { purpose::in_user(name, &frames) };
    let place = |frame: &Frame| format!("{}:{}", frame.file, frame.line);
    Line {
        symbol: program.name(address).unwrap_or_default(),
        special: special(&text),
        place: frames.first().map(place).unwrap_or_default(),
        text,
        purpose,
    }
}

/// A symbol without its offset.
fn function(symbol: &str) -> &str {
    symbol.rsplit_once("+0x").map_or(symbol, |(name, _)| name)
}

/// The end of a long name says more than its beginning.
fn cut(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most { text.into() } else { format!("…{}", text.chars().skip(count - most + 1).collect::<String>()) }
}

fn special(text: &str) -> Option<Special> {
    let name = text.split_whitespace().next()?;
    let starts = |list: &[&str]| list.iter().any(|start| name.starts_with(start));
    match name {
        "dmb" | "dsb" | "isb" | "sb" => Some(Special::Barrier),
        "mrs" | "msr" => Some(Special::SystemRegister),
        "tlbi" | "ic" | "dc" | "at" => Some(Special::Maintenance),
        _ if starts(&["lda", "stl", "ldx", "stx", "swp", "cas", "ldadd", "ldset", "ldclr", "ldeor"]) => {
            Some(Special::Ordered)
        }
        _ => None,
    }
}

/// Rows by size, and all of them together.
fn table(text: &mut String, title: &str, rows: impl Iterator<Item = (String, Sum)>, all: Sum) {
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by(|one, other| other.1.instructions.cmp(&one.1.instructions).then_with(|| one.0.cmp(&other.0)));
    rows.push(("all".into(), all));
    let _ = writeln!(
        text,
        "\n{title:<56}{:>13}{:>10}{:>17}{:>9}{:>13}",
        "instructions", "barriers", "system registers", "ordered", "maintenance"
    );
    for (name, sum) in rows {
        let Sum { instructions, barriers, system_registers, ordered, maintenance } = sum;
        let name = cut(&name, 55);
        let _ = writeln!(
            text,
            "{name:<56}{instructions:>13}{barriers:>10}{system_registers:>17}{ordered:>9}{maintenance:>13}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_more_than_an_instruction_is_counted_apart() {
        assert_eq!(special("dmb ish"), Some(Special::Barrier));
        assert_eq!(special("msr ttbr0_el1, x29"), Some(Special::SystemRegister));
        assert_eq!(special("stlr wzr, [x28]"), Some(Special::Ordered));
        assert_eq!(special("ldaxr w0, [x1]"), Some(Special::Ordered));
        assert_eq!(special("tlbi vmalle1is"), Some(Special::Maintenance));
        assert_eq!(special("stp x0, x1, [sp]"), None);
        assert_eq!(special(""), None);
    }

    #[test]
    fn sums_add_up() {
        let mut sum = Sum::default();
        [None, Some(Special::Barrier), Some(Special::Ordered)].into_iter().for_each(|special| sum.add(special));
        assert_eq!(sum, Sum { instructions: 3, barriers: 1, ordered: 1, ..Sum::default() });
        let mut text = String::new();
        table(&mut text, "purpose", [("save".to_owned(), sum)].into_iter(), sum);
        assert!(text.lines().nth(2).is_some_and(|line| line.starts_with("save") && line.contains(" 3 ")), "{text}");
    }

    #[test]
    fn long_names_keep_their_ends() {
        assert_eq!(cut("kernel::object::frame", 10), "…ct::frame");
        assert_eq!(function("kernel::f+0x10"), "kernel::f");
    }
}
