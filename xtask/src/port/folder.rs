//! The first folder of a board, as far as a tree says what belongs in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::page;
use super::report::Report;
use crate::board::BY_INIT;
use crate::component::Description;

/// What every board has, in the order of starting.
const ALWAYS: [&str; 4] = ["file", "shell", "devmgr", "supervisor"];

/// What a board is that nobody has booted.
const TIERS: [&str; 2] = ["its tree was read", "what it prints with was tested on fakes"];

/// Writes `board.toml` and the tree into a folder that is new or empty.
pub fn write(folder: &Path, report: &Report, tree: &[u8], known: &BTreeMap<String, Description>) -> Result<()> {
    let taken = folder.join("board.toml");
    ensure!(!taken.exists(), "{} is there already, and stays as it is", taken.display());
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, bytes) in [("board.toml", text(report, known).as_bytes()), ("board.dtb", tree)] {
        let file = folder.join(name);
        fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// The drivers of the board, and those that must be there because something asks for what they serve, though the board has no device
/// for them yet.
fn drivers<'a>(report: &'a Report, known: &'a BTreeMap<String, Description>) -> (Vec<&'a str>, Vec<&'a str>) {
    let mut own: Vec<&str> = report.drivers.bound.iter().map(|bound| bound.driver.as_str()).collect();
    own.sort_unstable();
    own.dedup();
    let mut others: Vec<&str> = Vec::new();
    loop {
        let chosen: Vec<&Description> =
            own.iter().chain(&others).copied().chain(ALWAYS).filter_map(|name| known.get(name)).collect();
        let is_there = |protocol: &String| {
            BY_INIT.contains(&protocol.as_str()) || chosen.iter().any(|it| it.manifest.provides.contains(protocol))
        };
        // All of a protocol may be none.
        let used = chosen.iter().flat_map(|it| &it.manifest.uses).filter(|protocol| !protocol.ends_with('*'));
        let mut lacking = used.filter(|protocol| !is_there(protocol));
        let found = lacking.find_map(|protocol| {
            known.values().find(|it| !it.manifest.drives.is_empty() && it.manifest.provides.contains(protocol))
        });
        match found {
            Some(provider) => others.push(&provider.name),
            None => return (own, others),
        }
    }
}

fn text(report: &Report, known: &BTreeMap<String, Description>) -> String {
    let model = report.model.as_deref().unwrap_or("a machine without a name");
    let mut text = format!("# {model}, from {}.\n", report.source.file);
    if let Some(name) = report.compatible.first() {
        let _ = writeln!(text, "compatible = {name:?}");
    }
    let _ = writeln!(text, "# How far it was seen to work: {}.", TIERS[usize::from(report.tier.min(1))]);
    let _ = writeln!(text, "tier = {}", report.tier.min(1));
    if let Some(loader) = &report.loader {
        let _ = writeln!(text, "# Its boot loader takes {}.", page::loads(loader));
    }
    for blocker in &report.blockers {
        let _ = writeln!(text, "# Before a first boot: {}: {}.", blocker.what, blocker.todo);
    }
    let (own, others) = drivers(report, known);
    let list: Vec<_> = own.iter().chain(&others).copied().chain(ALWAYS).map(|name| format!("{name:?}")).collect();
    text.push('\n');
    if !others.is_empty() {
        let _ = writeln!(
            text,
            "# No device here has a driver that serves what others ask for; until then: {}.",
            others.join(", ")
        );
    }
    let _ = write!(
        text,
        "[components]\nlist = [{}]\n\n\
         # Authority beyond what a manifest's own services and devices bring with them.\n[grants]\n\
         devmgr = [\"devices\"]\nsupervisor = [\"restarts\"]\nshell = [\"power\", \"kill\", \"inspect\", \"trace\"]\n",
        list.join(", ")
    );
    text
}
