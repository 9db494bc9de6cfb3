//! What a crate stands on: the libraries that do the work are named beside its length.

use std::collections::BTreeSet;

use cargo_metadata::{Dependency, DependencyKind, Metadata, Package};

/// Crates that do none of a driver's work.
const NO_WORK: [&str; 1] = ["log"];

/// `bitflags, kit (spin, virtio-drivers)`: crates of this repository with what they use of others.
pub fn uses(metadata: &Metadata, package: &Package) -> String {
    let outside = package.dependencies.iter().filter(|dependency| is_linked(dependency) && dependency.path.is_none());
    let outside = outside.map(|dependency| dependency.name.clone());
    let inside = inside(metadata, package).map(|(dependency, library)| {
        let short = dependency.rename.as_ref().unwrap_or(&dependency.name);
        let work: Vec<String> = work(library, dependency).into_iter().collect();
        if work.is_empty() { short.clone() } else { format!("{short} ({})", work.join(", ")) }
    });
    outside.filter(|name| !NO_WORK.contains(&name.as_str())).chain(inside).collect::<Vec<_>>().join(", ")
}

/// The crates of this repository that a crate depends on.
pub fn inside<'a>(metadata: &'a Metadata, package: &'a Package) -> impl Iterator<Item = (&'a Dependency, &'a Package)> {
    let linked = package.dependencies.iter().filter(|dependency| is_linked(dependency) && dependency.path.is_some());
    linked.filter_map(|dependency| {
        let library = metadata.packages.iter().find(|package| package.name.as_str() == dependency.name)?;
        Some((dependency, library))
    })
}

/// What a library uses of others when it is asked for like this.
fn work(library: &Package, asked: &Dependency) -> BTreeSet<String> {
    let features = features(library, asked);
    let optional = |name: &str| {
        let explicit = format!("dep:{name}");
        features.iter().any(|feature| *feature == explicit || feature == name)
    };
    let outside = library.dependencies.iter().filter(|dependency| is_linked(dependency) && dependency.path.is_none());
    let present = outside.filter(|dependency| !dependency.optional || optional(&dependency.name));
    present.map(|dependency| dependency.name.clone()).filter(|name| !NO_WORK.contains(&name.as_str())).collect()
}

/// The features that are on, and what they name in turn.
fn features(library: &Package, asked: &Dependency) -> BTreeSet<String> {
    let mut on = BTreeSet::new();
    let default = asked.uses_default_features.then(|| "default".to_owned());
    let mut next: Vec<String> = asked.features.iter().cloned().chain(default).collect();
    while let Some(feature) = next.pop() {
        if on.insert(feature.clone()) {
            next.extend(library.features.get(&feature).into_iter().flatten().cloned());
        }
    }
    on
}

fn is_linked(dependency: &Dependency) -> bool {
    dependency.kind == DependencyKind::Normal
}
