//! `sizes`: how long components and drivers are, and whether they stay within their limits. Lines are those that rustfmt
//! makes in its own style, which is narrower than this project's; comments, blank lines and tests do not count.

mod crates;
mod lines;
mod walk;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use cargo_metadata::Package;

use crate::workspace::Workspace;
use walk::Size;

/// The most lines of a whole crate, register definitions included.
const LIMITS: [(&str, usize); 4] = [("hello", 20), ("pl031", 60), ("pl011", 160), ("virtio-blk", 200)];
/// The most lines of a `main.rs`.
const MAIN: usize = 30;

/// A line of the table.
struct Row<'a> {
    name: &'a str,
    size: Size,
    limit: Option<usize>,
    uses: String,
}

pub fn run(workspace: &Workspace) -> Result<ExitCode> {
    let rows = measure(workspace)?;
    print(&rows);
    println!();
    for (name, size) in libraries(workspace, &rows)? {
        println!("{name:<16}{:>6}  shared by them", size.lines);
    }
    let faults = faults(&rows);
    faults.iter().for_each(|fault| println!("{fault}"));
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Fails when a limit is passed or a driver holds `unsafe`. What does not exist yet is left out.
pub fn check(workspace: &Workspace) -> Result<()> {
    let faults = faults(&measure(workspace)?);
    if faults.is_empty() { Ok(()) } else { bail!("crates are too long:\n    {}", faults.join("\n    ")) }
}

fn measure(workspace: &Workspace) -> Result<Vec<Row<'_>>> {
    let measured = workspace.metadata.packages.iter().filter(|package| is_measured(workspace, package));
    measured.map(|package| row(workspace, package)).collect()
}

fn row<'a>(workspace: &'a Workspace, package: &'a Package) -> Result<Row<'a>> {
    let name = package.name.as_str();
    Ok(Row {
        name,
        size: size(workspace, package)?,
        limit: LIMITS.iter().find(|(limited, _)| *limited == name).map(|&(_, limit)| limit),
        uses: crates::uses(&workspace.metadata, package),
    })
}

fn size(workspace: &Workspace, package: &Package) -> Result<Size> {
    walk::size(package).with_context(|| format!("{}", workspace.shorten(package.manifest_path.as_std_path()).display()))
}

/// Every driver that is a component, and what else has a limit.
fn is_measured(workspace: &Workspace, package: &Package) -> bool {
    let is_driver = package.manifest_path.starts_with(workspace.metadata.workspace_root.join("drivers"));
    let is_component = ["component", "components"].iter().any(|key| package.metadata.get(key).is_some());
    is_driver && is_component || LIMITS.iter().any(|(name, _)| *name == package.name.as_str())
}

/// The crates of this repository that the measured ones stand on.
fn libraries<'a>(workspace: &'a Workspace, rows: &[Row]) -> Result<Vec<(&'a str, Size)>> {
    let packages = &workspace.metadata.packages;
    let measured = packages.iter().filter(|package| rows.iter().any(|row| row.name == package.name.as_str()));
    let mut libraries: Vec<&Package> =
        measured.flat_map(|package| crates::inside(&workspace.metadata, package)).map(|(_, library)| library).collect();
    libraries.sort_by(|a, b| a.name.cmp(&b.name));
    libraries.dedup_by(|a, b| a.id == b.id);
    libraries.into_iter().map(|package| Ok((package.name.as_str(), size(workspace, package)?))).collect()
}

fn print(rows: &[Row]) {
    println!("{:<16}{:>6}{:>7}  {:<9}{:>7}  uses", "crate", "lines", "limit", "main.rs", "limit");
    for row in rows {
        let limit = row.limit.map_or_else(String::new, |limit| limit.to_string());
        println!("{:<16}{:>6}{limit:>7}  {:<9}{MAIN:>7}  {}", row.name, row.size.lines, row.size.main, row.uses);
    }
}

fn faults(rows: &[Row]) -> Vec<String> {
    let mut faults = Vec::new();
    for Row { name, size, limit, .. } in rows {
        if let Some(limit) = limit.filter(|limit| size.lines > *limit) {
            faults.push(format!("{name}: {} lines, {limit} are allowed", size.lines));
        }
        if size.main > MAIN {
            faults.push(format!("{name}: its main.rs has {} lines, {MAIN} are allowed", size.main));
        }
        faults.extend(size.unsafes.iter().map(|place| format!("{name}: `unsafe` in {place}: it belongs into the kit")));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(lines: usize, main: usize, unsafes: &[&str]) -> Row<'static> {
        let unsafes = unsafes.iter().map(|&place| place.into()).collect();
        Row { name: "pl011", size: Size { lines, main, unsafes }, limit: Some(150), uses: String::new() }
    }

    #[test]
    fn what_is_within_its_limits_passes() {
        assert!(faults(&[row(150, 30, &[])]).is_empty());
        assert!(faults(&[Row { limit: None, ..row(5000, 1, &[]) }]).is_empty());
    }

    #[test]
    fn what_is_beyond_is_named() {
        let found = faults(&[row(151, 31, &["src/lib.rs:7"])]);
        assert_eq!(found.len(), 3);
        assert!(found[0].contains("151 lines, 150") && found[1].contains("31 lines, 30"), "{found:?}");
        assert!(found[2].contains("src/lib.rs:7"), "{found:?}");
    }

    #[test]
    fn the_projects_own_are_measured() {
        let workspace = Workspace::find().expect("a workspace");
        let rows = measure(&workspace).expect("sizes");
        let hello = rows.iter().find(|row| row.name == "hello").expect("hello");
        assert!((3..=20).contains(&hello.size.lines) && hello.size.main == hello.size.lines);
        assert!(rows.iter().any(|row| row.name == "virtio-blk" && row.uses.contains("virtio-drivers")));
        assert!(!rows.iter().any(|row| row.name == "tutti-kit"));
        let libraries = libraries(&workspace, &rows).expect("libraries");
        assert!(libraries.iter().any(|(name, size)| *name == "tutti-kit" && size.lines > 100));
    }
}
