//! A component's manifest: `[package.metadata.component]` in its crate's Cargo.toml, or a table per program of
//! `[package.metadata.components]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use bundle::Restart;
use bundle::write::{Drive, Manifest};
use cargo_metadata::Package;
use serde::Deserialize;

use crate::toolchain::Target;
use crate::workspace::Workspace;

/// A component as its crate describes it.
#[derive(Clone, Debug)]
pub struct Description {
    /// The name of its program, which is its own.
    pub name: String,
    /// Its crate.
    pub package: String,
    /// The file that the manifest stands in, for errors.
    pub file: PathBuf,
    /// The manifest.
    pub manifest: Manifest,
}

impl Description {
    /// What it is built for.
    pub const fn target(&self) -> Target {
        if self.manifest.fpu { Target::Hard } else { Target::Soft }
    }
}

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    #[serde(default)]
    provides: Vec<String>,
    #[serde(default)]
    uses: Vec<String>,
    #[serde(default)]
    drives: Vec<String>,
    #[serde(default)]
    memory: Option<String>,
    #[serde(default)]
    stack: Option<String>,
    #[serde(default)]
    table: Option<u32>,
    #[serde(default)]
    priority: Option<u8>,
    #[serde(default)]
    restart: RestartWord,
    #[serde(default)]
    budget: Option<String>,
    #[serde(default)]
    dma: bool,
    #[serde(default)]
    fpu: bool,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    requests: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RestartWord {
    Never,
    #[default]
    Once,
    Always,
}

/// All components of the workspace, by name.
pub fn all(workspace: &Workspace) -> Result<BTreeMap<String, Description>> {
    of(&workspace.metadata.packages)
}

/// All components of these packages, by name.
pub fn of(packages: &[Package]) -> Result<BTreeMap<String, Description>> {
    let mut found = BTreeMap::new();
    for package in packages {
        let file = package.manifest_path.as_std_path();
        let tables = tables(&package.metadata, package.name.as_str());
        for (name, key, value) in tables {
            let manifest = parse(value).with_context(|| format!("{}: [{key}]", file.display()))?;
            let description =
                Description { name: name.clone(), package: package.name.to_string(), file: file.into(), manifest };
            if let Some(other) = found.insert(name.clone(), description) {
                bail!("two components are called {name}: in {} and in {}", other.file.display(), file.display());
            }
        }
    }
    Ok(found)
}

/// Name, key and value of each manifest in a crate's metadata.
fn tables<'a>(metadata: &'a serde_json::Value, package: &str) -> Vec<(String, String, &'a serde_json::Value)> {
    let one = metadata.get("component").map(|value| (package.to_owned(), "package.metadata.component".into(), value));
    let several = metadata.get("components").and_then(|value| value.as_object()).into_iter().flatten();
    let several = several.map(|(name, value)| (name.clone(), format!("package.metadata.components.{name}"), value));
    one.into_iter().chain(several).collect()
}

/// Bytes of a protocol's name: slots are called `provide:NAME`, in 24 bytes.
const LONGEST_PROTOCOL: usize = 16;

/// What only the device itself can tell more of.
const IDENTIFIED: [&str; 2] = ["virtio,mmio", "arm,primecell"];

fn parse(value: &serde_json::Value) -> Result<Manifest> {
    let table: Table = Table::deserialize(value)?;
    ensure!(!table.dma || !table.drives.is_empty(), "dma: what drives no device has no use for it");
    ensure!(table.needs.is_empty() || !table.drives.is_empty(), "needs: what drives no device needs nothing for one");
    for word in &table.needs {
        ensure!(
            tree::Dependency::from_word(word).is_some(),
            "needs: {word:?} is none of {}",
            tree::Dependency::ALL.map(tree::Dependency::word).join(", ")
        );
    }
    for name in &table.provides {
        ensure!(is_protocol(name), "`{name}`: a protocol's name has no `.` and no `*`: those are for its servers");
    }
    for name in table.provides.iter().map(String::as_str).chain(table.uses.iter().map(|name| protocol(name))) {
        ensure!(is_protocol(name), "`{name}`: of a protocol all servers are used as `NAME*`, or the first as `NAME`");
        ensure!(
            name.len() <= LONGEST_PROTOCOL,
            "`{name}`: a protocol's name has at most {LONGEST_PROTOCOL} bytes: the slot `provide:{name}` would be cut"
        );
    }
    Ok(Manifest {
        provides: table.provides,
        uses: table.uses,
        drives: table.drives.iter().map(|text| drive(text)).collect::<Result<_>>()?,
        memory: table.memory.as_deref().map_or(Ok(0), |text| bytes(text).context("memory"))?,
        stack: table.stack.as_deref().map_or(Ok(bundle::DEFAULT_STACK), |text| bytes(text).context("stack"))?,
        table: table.table.unwrap_or(bundle::DEFAULT_TABLE),
        priority: table.priority.unwrap_or(bundle::DEFAULT_PRIORITY),
        restart: match table.restart {
            RestartWord::Never => Restart::Never,
            RestartWord::Once => Restart::Once,
            RestartWord::Always => Restart::Always,
        },
        budget: table.budget.as_deref().map(|text| budget(text).context("budget")).transpose()?,
        dma: table.dma,
        fpu: table.fpu,
        needs: table.needs,
        requests: table.requests,
    })
}

/// The protocol of what a component uses: `block*` is all servers of `block`.
pub fn protocol(used: &str) -> &str {
    used.strip_suffix('*').unwrap_or(used)
}

fn is_protocol(name: &str) -> bool {
    !name.contains(['.', '*'])
}

/// `2ms/10ms`: 2 milliseconds in any window of 10; also in `us` and `s`.
fn budget(text: &str) -> Result<(u32, u32)> {
    let (budget, period) = text.split_once('/').context("it is written as 2ms/10ms")?;
    let (budget, period) = (microseconds(budget.trim())?, microseconds(period.trim())?);
    ensure!(budget > 0 && budget <= period, "{text:?}: the first must not be 0, nor more than the second");
    Ok((budget, period))
}

fn microseconds(text: &str) -> Result<u32> {
    let units = [("us", 1), ("ms", 1000), ("s", 1_000_000)];
    let found =
        units.iter().find_map(|&(unit, each)| Some((text.strip_suffix(unit)?.trim().parse::<u32>().ok()?, each)));
    let (number, each) = found.with_context(|| format!("{text:?} is no time: 500us, 2ms and 1s are"))?;
    number.checked_mul(each).with_context(|| format!("{text:?} is too long"))
}

/// `compatible`, or `compatible#id`.
fn drive(text: &str) -> Result<Drive> {
    match text.split_once('#') {
        None => Ok(Drive { compatible: text.into(), id: None }),
        Some((compatible, id)) => {
            let parsed = match id.strip_prefix("0x") {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => id.parse(),
            };
            let id = parsed.with_context(|| format!("drives: {text:?}: what follows # is a number"))?;
            ensure!(
                IDENTIFIED.contains(&compatible),
                "drives: {text:?}: only of {} it is known where the device says what it is",
                IDENTIFIED.join(" and ")
            );
            Ok(Drive { compatible: compatible.into(), id: Some(id) })
        }
    }
}

/// `256K`, `4M`, `1G`, or a number of bytes.
pub fn bytes(text: &str) -> Result<u64> {
    let (digits, shift) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(digits) if text.ends_with('K') => (digits, 10),
        Some(digits) if text.ends_with('M') => (digits, 20),
        Some(digits) => (digits, 30),
        None => (text, 0),
    };
    let number: u64 = digits.parse().with_context(|| format!("{text:?} is no size such as 256K, 4M or 1G"))?;
    number.checked_mul(1 << shift).with_context(|| format!("{text:?} is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes("256K").ok(), Some(256 * 1024));
        assert_eq!(bytes("3M").ok(), Some(3 << 20));
        assert_eq!(bytes("1G").ok(), Some(1 << 30));
        assert_eq!(bytes("4096").ok(), Some(4096));
        assert!(bytes("4X").is_err() && bytes("").is_err() && bytes("99999999999G").is_err());
    }

    #[test]
    fn a_manifest_is_read() {
        let manifest = parse(&serde_json::json!({
            "provides": ["block"], "drives": ["virtio,mmio#2"], "memory": "256K", "priority": 150, "restart": "always",
        }));
        let manifest = manifest.expect("manifest");
        assert_eq!(manifest.drives, [Drive { compatible: "virtio,mmio".into(), id: Some(2) }]);
        assert_eq!((manifest.memory, manifest.stack, manifest.priority), (256 * 1024, 16 * 1024, 150));
        assert_eq!(manifest.restart, Restart::Always);
        assert!(!manifest.dma);
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = parse(&serde_json::json!({ "provide": ["block"] })).expect_err("refused").to_string();
        assert!(error.contains("`provide`"), "{error}");
    }

    #[test]
    fn a_protocol_whose_slot_would_be_cut_is_refused() {
        assert!(parse(&serde_json::json!({ "provides": ["exactly-sixteen-"] })).is_ok());
        let error = parse(&serde_json::json!({ "uses": ["more-than-sixteen"] })).expect_err("refused").to_string();
        assert!(error.contains("`more-than-sixteen`"), "{error}");
    }

    #[test]
    fn all_servers_of_a_protocol_are_used_with_a_star() {
        assert!(parse(&serde_json::json!({ "uses": ["block*", "exactly-sixteen-*"] })).is_ok());
        for bad in [serde_json::json!({ "uses": ["bl*ck"] }), serde_json::json!({ "provides": ["block*"] })] {
            assert!(parse(&bad).is_err(), "{bad}");
        }
        assert!(parse(&serde_json::json!({ "provides": ["block.1"] })).is_err());
    }

    #[test]
    fn what_a_device_needs_of_others_is_known() {
        let driver = parse(&serde_json::json!({ "drives": ["maker,uart"], "needs": ["clocks"] })).expect("manifest");
        assert_eq!(driver.needs, ["clocks"]);
        let error = parse(&serde_json::json!({ "drives": ["maker,uart"], "needs": ["clock"] })).expect_err("refused");
        assert!(error.to_string().starts_with("needs: \"clock\" is none of clocks, resets"), "{error}");
        assert!(parse(&serde_json::json!({ "needs": ["clocks"] })).is_err());
    }

    #[test]
    fn identification_is_known_where_it_is_asked_for() {
        let drives = |text| drive(text).map(|drive| drive.id);
        assert_eq!(drives("arm,primecell#0x41061").ok(), Some(Some(0x41061)));
        assert_eq!(drives("virtio,mmio#2").ok(), Some(Some(2)));
        assert!(drives("arm,pl011#3").is_err() && drives("virtio,mmio#two").is_err());
    }

    #[test]
    fn budgets() {
        assert_eq!(budget("2ms/10ms").ok(), Some((2000, 10_000)));
        assert_eq!(budget("1s / 1s").ok(), Some((1_000_000, 1_000_000)));
        assert_eq!(budget("50us/1ms").ok(), Some((50, 1000)));
        for bad in ["2ms", "0ms/1ms", "2ms/1ms", "2/10", "5000s/9000s", "-1ms/1ms"] {
            assert!(budget(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dma_is_for_drivers() {
        let driver = parse(&serde_json::json!({ "drives": ["virtio,mmio#2"], "dma": true }));
        assert!(driver.is_ok_and(|manifest| manifest.dma));
        let error = parse(&serde_json::json!({ "dma": true })).expect_err("refused").to_string();
        assert!(error.starts_with("dma: "), "{error}");
    }

    #[test]
    fn the_fpu_is_for_those_who_ask() {
        let asks = |value| parse(&value).is_ok_and(|manifest| manifest.fpu);
        assert!(asks(serde_json::json!({ "fpu": true })));
        assert!(!asks(serde_json::json!({})));
    }

    #[test]
    fn a_crate_may_hold_several() {
        let metadata = serde_json::json!({ "components": { "one": {}, "two": {} } });
        let names: Vec<_> = tables(&metadata, "package").into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["one", "two"]);
    }
}
