//! What `port` promises a driver is what `caps` shows on the running board: a test for each board that is emulated.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use bundle::Bundle;
use system_tests::{Boot, Case, Console, Disk, Lab};

use super::report::{Bound, Report, Source, Span};
use super::survey;

/// Registers and memory of devices are handed out by the page.
const PAGE: u64 = 4096;

/// The test, which any board passes.
pub fn cases() -> Vec<Case> {
    let says = "what port promises of the board's tree is what devices and caps show on it";
    vec![Case::new("port.promise", says, promise).needs([])]
}

fn promise(lab: &mut Lab) -> Result<()> {
    let report = promised(lab)?;
    // A slot without a card has a driver that gives up.
    let disks = if lab.machine().has_disks() { vec![Disk::File(lab.sample_disk()?)] } else { Vec::new() };
    let mut console = lab.boot_to_prompt(Boot { disks, ..Boot::default() })?;
    let rows = rows(&console.command("devices")?);
    ensure!(!report.drivers.bound.is_empty(), "nothing is promised");
    for bound in &report.drivers.bound {
        let (driver, state) = rows.get(&bound.node).with_context(|| format!("devices lacks {}", bound.node))?;
        ensure!(state == "running" && is_of(driver, &bound.driver), "{}: {driver} {state}, not {bound:?}", bound.node);
        check_caps(&mut console, driver, bound)?;
    }
    for node in &report.drivers.kernel {
        check_row(&rows, &node.node, "kernel")?;
    }
    for node in &report.drivers.missing {
        check_row(&rows, &node.node, "no driver")?;
    }
    for node in &report.drivers.waiting {
        check_row(&rows, &node.node, &node.why)?;
    }
    Ok(())
}

/// What is said of the tree that the board's machine gets, with the drivers that the board has.
fn promised(lab: &Lab) -> Result<Report> {
    let (tree, bundle) = (lab.device_tree()?, lab.bundle()?);
    let bundle = Bundle::parse(&bundle).map_err(|error| anyhow::anyhow!("{error}"))?;
    survey::survey(&tree, Source::default(), &bundle)
}

/// Driver and state of each node that `devices` lists.
fn rows(text: &str) -> BTreeMap<String, (String, String)> {
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let (path, driver) = (words.next()?.to_owned(), words.next()?.to_owned());
        Some((path, (driver, words.collect::<Vec<_>>().join(" "))))
    };
    text.lines().filter(|line| line.starts_with('/')).filter_map(row).collect()
}

fn check_row(rows: &BTreeMap<String, (String, String)>, node: &str, expected: &str) -> Result<()> {
    let (driver, state) = rows.get(node).with_context(|| format!("devices lacks {node}"))?;
    ensure!(state.contains(expected), "{node}: {driver} {state}, not {expected}");
    Ok(())
}

/// The second device of a driver has a process `NAME.1`.
fn is_of(process: &str, driver: &str) -> bool {
    process.strip_prefix(driver).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn check_caps(console: &mut Console, process: &str, bound: &Bound) -> Result<()> {
    let caps = console.command(&format!("caps {process}"))?;
    let same = given(&caps)
        == Given {
            registers: pages(&bound.registers),
            interrupts: bound.interrupts.iter().copied().collect(),
            memory: pages(&bound.memory),
        };
    ensure!(same, "{}: promised is {bound:?}, and there is\n{caps}", bound.node);
    let dma = caps.lines().find(|line| line.contains("DMA: "));
    match bound.dma {
        None => ensure!(dma.is_none(), "{}: no DMA is promised, and there is\n{caps}", bound.node),
        Some(stream) => {
            // One that has asked for no memory yet reaches none.
            let words = stream.map_or("all memory, no IOMMU".into(), |(_, id)| format!("through SMMU stream {id:#x} "));
            let is_so = dma.is_some_and(|line| line.contains(&words) || line.contains("DMA: nothing yet"));
            ensure!(is_so, "{}: DMA is promised: {words}, and there is\n{caps}", bound.node);
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Given {
    registers: BTreeSet<(u64, u64)>,
    interrupts: BTreeSet<u32>,
    memory: BTreeSet<(u64, u64)>,
}

/// What lines of `caps` say that a device's driver has been given.
fn given(caps: &str) -> Given {
    let part = |start: &'static str, slot: &'static str| {
        let of = move |line: &&str| line.contains(start) && line.contains(slot);
        caps.lines().filter(of).filter_map(move |line| line.split_once(start)?.1.split([',', ' ']).next())
    };
    Given {
        registers: part(" device registers ", "(reg:").filter_map(range).collect(),
        interrupts: part(" interrupt line ", "(irq:").filter_map(|word| word.parse().ok()).collect(),
        memory: part(" memory ", "(mem:").filter_map(range).collect(),
    }
}

/// Start and end of `0x1000..0x2000`.
fn range(text: &str) -> Option<(u64, u64)> {
    let number = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    let (start, end) = text.split_once("..")?;
    Some((number(start)?, number(end)?))
}

fn pages(spans: &[Span]) -> BTreeSet<(u64, u64)> {
    let page = |span: &Span| (span.base / PAGE * PAGE, (span.base + span.bytes).next_multiple_of(PAGE));
    spans.iter().map(page).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_caps_are_read() {
        let caps = "  10  reserve 0x1000..0x2000, 4 of 32 KiB in use, mapped from 0x10000000 on (own heap)\n  \
                    17  device registers 0x9030000..0x9031000, may read, write, mapped at 0x20000000..0x20001000 (reg:0)\n  \
                    18  interrupt line 39 (irq:0)\n  \
                    19  memory 0x40201000..0x40202000, may read (node)\n  \
                    20  memory 0x5c000000..0x5c400000, may read, write (mem:0)\n";
        let Given { registers, interrupts, memory } = given(caps);
        assert_eq!(registers, BTreeSet::from([(0x903_0000, 0x903_1000)]));
        assert_eq!(interrupts, BTreeSet::from([39]));
        assert_eq!(memory, BTreeSet::from([(0x5c00_0000, 0x5c40_0000)]));
        assert!(is_of("pl011.1", "pl011") && is_of("pl011", "pl011") && !is_of("pl0112", "pl011"));
    }
}
