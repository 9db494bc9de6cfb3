//! Which crates there are, which of them end up in programs of the target, and who asked for each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, Node, NodeDep, Package, PackageId, TargetKind};

/// Where a crate's code ends up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a program that runs on the target.
    Target,
    /// In xtask, tests, macros and build scripts.
    Host,
}

/// Where a crate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It belongs to the project.
    Own,
    /// The public registry.
    CratesIo,
    /// Something else, as cargo names it.
    Elsewhere(String),
}

/// A crate as the rules see it.
#[derive(Clone, Debug)]
pub struct Crate {
    pub name: String,
    pub version: String,
    pub licence: Option<String>,
    pub licence_file: Option<String>,
    pub origin: Origin,
    pub place: Place,
    /// From one of the project's crates to this one.
    pub path: Vec<String>,
    /// The manifest where that path begins: its own, if it belongs to the project.
    pub manifest: String,
}

/// Everything that the project depends on, on every platform.
pub struct Graph {
    metadata: Metadata,
    shipped: BTreeSet<PackageId>,
}

impl Graph {
    /// What cargo resolved; so far all of it counts as the host's.
    pub const fn new(metadata: Metadata) -> Self {
        Self { metadata, shipped: BTreeSet::new() }
    }

    /// Marks what is linked into these packages' programs on a platform.
    pub fn ship(&mut self, resolved: &Metadata, roots: &[&str]) -> Result<()> {
        let nodes = nodes(resolved)?;
        let macros: BTreeSet<&PackageId> =
            resolved.packages.iter().filter(|package| is_macro(package)).map(|package| &package.id).collect();
        let is_root = |package: &&Package| roots.contains(&package.name.as_str());
        let mut next: Vec<&PackageId> =
            resolved.workspace_packages().into_iter().filter(is_root).map(|package| &package.id).collect();
        while let Some(id) = next.pop() {
            if macros.contains(id) || !self.shipped.insert(id.clone()) {
                continue;
            }
            let linked = nodes.get(id).into_iter().flat_map(|node| &node.deps).filter(|dep| is_linked(dep));
            next.extend(linked.map(|dep| &dep.pkg));
        }
        Ok(())
    }

    /// All crates, by name and version.
    pub fn crates(&self) -> Vec<Crate> {
        let paths = self.paths();
        let mut crates: Vec<Crate> =
            self.metadata.packages.iter().map(|package| self.describe(package, &paths)).collect();
        crates.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        crates
    }

    fn describe(&self, package: &Package, paths: &BTreeMap<&PackageId, Vec<&PackageId>>) -> Crate {
        let path = paths.get(&package.id).cloned().unwrap_or_else(|| vec![&package.id]);
        let name = |id: &&PackageId| self.metadata[*id].name.to_string();
        let first = path.first().map_or(package, |id| &self.metadata[*id]);
        let root = &self.metadata.workspace_root;
        Crate {
            name: package.name.to_string(),
            version: package.version.to_string(),
            licence: package.license.clone(),
            licence_file: package.license_file.as_ref().map(ToString::to_string),
            origin: self.origin(package),
            place: if self.shipped.contains(&package.id) { Place::Target } else { Place::Host },
            path: path.iter().map(name).collect(),
            manifest: first.manifest_path.strip_prefix(root).unwrap_or(&first.manifest_path).to_string(),
        }
    }

    fn origin(&self, package: &Package) -> Origin {
        match &package.source {
            Some(source) if source.is_crates_io() => Origin::CratesIo,
            Some(source) => Origin::Elsewhere(source.repr.clone()),
            None if self.metadata.workspace_members.contains(&package.id) => Origin::Own,
            None => Origin::Elsewhere(format!("the folder {}", package.manifest_path.with_file_name(""))),
        }
    }

    /// The shortest way from the project's crates to each crate. Those that run on the target come first, so that what
    /// ends up there is shown on its way there.
    fn paths(&self) -> BTreeMap<&PackageId, Vec<&PackageId>> {
        let nodes = nodes(&self.metadata).unwrap_or_default();
        let (first, then): (Vec<_>, Vec<_>) =
            self.metadata.workspace_members.iter().partition(|id| self.shipped.contains(*id));
        let mut paths: BTreeMap<&PackageId, Vec<&PackageId>> = BTreeMap::new();
        for starts in [first, then] {
            let mut next: VecDeque<&PackageId> = starts.iter().copied().collect();
            starts.iter().for_each(|&id| drop(paths.insert(id, vec![id])));
            while let Some(id) = next.pop_front() {
                let way = paths.get(id).cloned().unwrap_or_default();
                for dep in nodes.get(id).into_iter().flat_map(|node| &node.deps) {
                    if !paths.contains_key(&dep.pkg) {
                        paths.insert(&dep.pkg, way.iter().copied().chain([&dep.pkg]).collect());
                        next.push_back(&dep.pkg);
                    }
                }
            }
        }
        paths
    }
}

fn nodes(metadata: &Metadata) -> Result<BTreeMap<&PackageId, &Node>> {
    let resolve = metadata.resolve.as_ref().context("cargo has not resolved what the project depends on")?;
    Ok(resolve.nodes.iter().map(|node| (&node.id, node)).collect())
}

fn is_linked(dep: &NodeDep) -> bool {
    dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
}

/// A macro runs in the compiler; what it depends on does too.
fn is_macro(package: &Package) -> bool {
    package.targets.iter().any(|target| target.is_kind(TargetKind::ProcMacro))
}
