//! What `port` says of the trees of Debian's kernel package, held against what `dtc` makes of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bundle::Bundle;

use super::report::{Report, Source};
use super::survey;
use crate::tools;
use crate::workspace;

/// How long the report on one tree may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Controllers that the kernel drives, by what their nodes say.
const GICS: [(&str, &str); 6] = [
    ("arm,gic-v3", "gicv3"),
    ("arm,gic-400", "gicv2"),
    ("arm,cortex-a15-gic", "gicv2"),
    ("arm,cortex-a9-gic", "gicv2"),
    ("arm,cortex-a7-gic", "gicv2"),
    ("qcom,msm-qgic2", "gicv2"),
];

/// How many agree.
#[derive(Debug, Default)]
pub struct Agreement {
    pub trees: usize,
    /// The longest of them.
    pub longest: Duration,
    pub faults: Vec<String>,
}

/// Holds so many trees of a folder against dtc, each `step`th.
pub fn check(folder: &Path, drivers: &Bundle<'_>, step: usize) -> Result<Agreement> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    ensure!(!files.is_empty(), "{} holds no device trees", folder.display());
    let mut agreement = Agreement::default();
    for file in files.iter().step_by(step.max(1)) {
        agreement.trees += 1;
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let start = Instant::now();
        let report = survey::survey(&bytes, Source::default(), drivers);
        let time = start.elapsed();
        agreement.longest = agreement.longest.max(time);
        let name = file.strip_prefix(folder).unwrap_or(file).display();
        let found = report.and_then(|report| compare(&report, &Nodes::of(file)?));
        if let Err(error) = found {
            agreement.faults.push(format!("{name}: {error:#}"));
        }
        if time > PATIENCE {
            agreement.faults.push(format!("{name}: took {time:.1?}"));
        }
    }
    Ok(agreement)
}

pub fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "dtb") {
            files.push(path);
        }
    }
    Ok(())
}

/// A tree as dtc writes it: the properties of each node by path, in the order of the file.
struct Nodes(Vec<(String, BTreeMap<String, String>)>);

impl Nodes {
    fn of(file: &Path) -> Result<Self> {
        let program = tools::DTC.find().context("dtc is not there")?;
        let text = workspace::output(Command::new(program).args(["-q", "-I", "dtb", "-O", "dts"]).arg(file))?;
        let mut nodes = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_suffix(" {") {
                // A label may stand before it.
                let name = name.rsplit(": ").next().unwrap_or(name);
                let above = open.last().map_or("", |&index: &usize| nodes_path(&nodes, index));
                let path = if name == "/" { "/".into() } else { format!("{}/{name}", above.trim_end_matches('/')) };
                open.push(nodes.len());
                nodes.push((path, BTreeMap::new()));
            } else if line == "};" {
                open.pop();
            } else if let (Some(line), Some(&index)) = (line.strip_suffix(';'), open.last()) {
                let (name, value) = line.split_once(" = ").unwrap_or((line, ""));
                nodes[index].1.insert(name.into(), value.into());
            }
        }
        Ok(Self(nodes))
    }

    fn get(&self, path: &str) -> Option<&BTreeMap<String, String>> {
        self.0.iter().find(|(other, _)| other == path).map(|(_, node)| node)
    }

    /// Enabled, with all nodes above it.
    fn enabled(&self, path: &str) -> bool {
        let ends = path.char_indices().filter(|(at, it)| *it == '/' && *at > 0).map(|(at, _)| at).chain([path.len()]);
        ends.filter_map(|end| self.get(&path[..end]))
            .all(|node| matches!(node.get("status").map(String::as_str), None | Some("\"okay\"" | "\"ok\"")))
    }
}

fn nodes_path(nodes: &[(String, BTreeMap<String, String>)], index: usize) -> &str {
    &nodes[index].0
}

/// The texts of a property.
fn texts(node: &BTreeMap<String, String>, name: &str) -> Vec<String> {
    let value = node.get(name).map_or("", String::as_str);
    value.trim_matches('"').split("\\0").filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// The cells of a property.
fn cells(node: &BTreeMap<String, String>, name: &str) -> Vec<u64> {
    let value = node.get(name).map_or("", String::as_str);
    let words = value.trim_start_matches('<').trim_end_matches('>').split_whitespace();
    words.filter_map(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()).collect()
}

fn joined(cells: &[u64]) -> u64 {
    cells.iter().fold(0, |number, cell| number << 32 | cell)
}

fn compare(report: &Report, nodes: &Nodes) -> Result<()> {
    let cores: Vec<u64> = in_folder(nodes, "/cpus/")
        .filter(|(path, node)| path.starts_with("/cpus/cpu@") || texts(node, "device_type") == ["cpu"])
        .map(|(_, node)| joined(&cells(node, "reg")))
        .collect();
    let have: Vec<u64> = report.cores.iter().map(|core| core.mpidr).collect();
    // The kernel keeps as many as it can use.
    ensure!(have == cores[..cores.len().min(have.len().max(tree::MAX_CPUS))], "cores {have:x?}, and dtc {cores:x?}");

    let psci = nodes.0.iter().find(|(path, node)| {
        nodes.enabled(path) && texts(node, "compatible").iter().any(|it| it == "arm,psci-1.0" || it == "arm,psci-0.2")
    });
    let method = psci.and_then(|(_, node)| texts(node, "method").into_iter().next());
    ensure!(report.psci.method == method.as_deref(), "PSCI {:?}, and dtc {method:?}", report.psci.method);

    let gic = nodes.0.iter().filter(|(path, _)| nodes.enabled(path)).find_map(|(_, node)| {
        let names = texts(node, "compatible");
        GICS.iter().find(|(name, _)| names.iter().any(|it| it == name)).map(|(_, kind)| *kind)
    });
    // Where there is no GIC.
    let is_pi = nodes.0.iter().any(|(path, node)| {
        nodes.enabled(path) && texts(node, "compatible").iter().any(|it| it == "brcm,bcm2836-l1-intc")
    });
    let gic = gic.or(is_pi.then_some("bcm2836"));
    let have = report.interrupt_controller.as_ref().map(|it| it.kind);
    ensure!(have == gic, "interrupt controller {have:?}, and dtc {gic:?}");

    let root = nodes.get("/").context("dtc finds no root")?;
    let width = |name: &str, default| cells(root, name).first().map_or(default, |cells| *cells as usize);
    let (addresses, sizes) = (width("#address-cells", 2), width("#size-cells", 1));
    let mut memory = Vec::new();
    for (path, node) in in_folder(nodes, "/") {
        let is_memory = path == "/memory" || path.starts_with("/memory@") || texts(node, "device_type") == ["memory"];
        if is_memory && nodes.enabled(path) {
            let reg = cells(node, "reg");
            let pairs = reg.chunks_exact(addresses + sizes);
            memory.extend(
                pairs.map(|pair| (joined(&pair[..addresses]), joined(&pair[addresses..]))).filter(|it| it.1 > 0),
            );
        }
    }
    let have: Vec<(u64, u64)> = report.memory.ranges.iter().map(|span| (span.base, span.bytes)).collect();
    ensure!(have == memory, "memory {have:x?}, and dtc {memory:x?}");

    let path = nodes.get("/chosen").and_then(|node| texts(node, "stdout-path").into_iter().next());
    let path = path.map(|path| path.split(':').next().unwrap_or_default().to_owned());
    let path = path.map(|path| match path.starts_with('/') {
        true => path,
        false => nodes.get("/aliases").and_then(|node| texts(node, &path).into_iter().next()).unwrap_or_default(),
    });
    let name = path.as_deref().and_then(|path| nodes.get(path).and(path.rsplit('/').next()));
    let have = report.console.uart.as_ref().map(|uart| uart.node.as_str());
    ensure!(have == name, "console {have:?}, and dtc {name:?}");
    Ok(())
}

/// The nodes right below one.
fn in_folder<'a>(nodes: &'a Nodes, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a BTreeMap<String, String>)> {
    let below = move |path: &str| path.strip_prefix(folder).is_some_and(|rest| !rest.is_empty() && !rest.contains('/'));
    nodes.0.iter().filter(move |(path, _)| below(path)).map(|(path, node)| (path.as_str(), node))
}
