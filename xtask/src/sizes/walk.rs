//! From a crate's root files to all of its modules. Where a module is only there for tests, what it leads to is too.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::{Package, TargetKind};

use super::lines::Source;

/// How large a crate is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Lines of all files.
    pub lines: usize,
    /// Lines of the files that its programs begin in.
    pub main: usize,
    /// `src/lib.rs:7` of every `unsafe`, in tests too.
    pub unsafes: Vec<String>,
}

/// The size of a package: library, programs, macros and build script; examples, benchmarks and tests are left out.
pub fn size(package: &Package) -> Result<Size> {
    let folder = package.manifest_path.parent().context("a manifest without a folder")?.as_std_path();
    let mut size = Size::default();
    let mut seen = Vec::new();
    for target in &package.targets {
        let is_program = target.is_kind(TargetKind::Bin);
        let counts = [TargetKind::Lib, TargetKind::ProcMacro, TargetKind::CustomBuild]
            .into_iter()
            .any(|kind| target.is_kind(kind));
        let root = target.src_path.as_std_path();
        if !(is_program || counts) || seen.iter().any(|path| path == root) {
            continue;
        }
        follow(root, true, &mut size, &mut seen)?;
        if is_program {
            size.main += Source::read(root)?.lines;
        }
    }
    for path in rust_files(folder)? {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.strip_prefix(folder).unwrap_or(&path).display();
        let lines = super::lines::unsafes(&text).with_context(|| format!("{name}"))?;
        size.unsafes.extend(lines.into_iter().map(|line| format!("{name}:{line}")));
    }
    Ok(size)
}

/// Counts a file and the modules it names. `owns_folder`: it is a root or a `mod.rs`, whose modules lie beside it.
fn follow(path: &Path, owns_folder: bool, size: &mut Size, seen: &mut Vec<PathBuf>) -> Result<()> {
    if seen.iter().any(|other| other == path) {
        return Ok(());
    }
    seen.push(path.into());
    let source = Source::read(path)?;
    size.lines += source.lines;
    let beside = path.parent().context("a file without a folder")?;
    let below = if owns_folder { beside.into() } else { path.with_extension("") };
    for module in &source.modules {
        let (next, owns_folder) = match &module.path {
            Some(path) if module.inside.as_os_str().is_empty() => (beside.join(path), true),
            Some(path) => (below.join(&module.inside).join(path), true),
            None => {
                let plain = below.join(&module.inside).join(format!("{}.rs", module.name));
                let folder = below.join(&module.inside).join(&module.name).join("mod.rs");
                if plain.is_file() { (plain, false) } else { (folder, true) }
            }
        };
        follow(&next, owns_folder, size, seen).with_context(|| format!("mod {} of {}", module.name, path.display()))?;
    }
    Ok(())
}

/// Every Rust file of a package's folder, but not of a package within it.
fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = next.read_dir().with_context(|| format!("cannot read {}", next.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() && !path.join("Cargo.toml").is_file() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use cargo_metadata::MetadataCommand;

    use super::*;

    #[test]
    fn modules_are_followed_and_those_of_tests_left_out() {
        let folder = std::env::temp_dir().join(format!("tutti-sizes-{}", std::process::id()));
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        };
        write("Cargo.toml", "[package]\nname = \"sized\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n");
        write(
            "src/lib.rs",
            "//! A crate.\nmod plain;\nmod folder;\nmod inline { pub mod deep; }\n#[cfg(test)]\nmod fake;\n",
        );
        write("src/plain.rs", "mod below;\n");
        write("src/plain/below.rs", "fn one() {}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn two() {}\n}\n");
        write("src/folder/mod.rs", "#[path = \"elsewhere.rs\"]\nmod other;\n");
        write("src/folder/elsewhere.rs", "fn three() {}\n");
        write("src/inline/deep.rs", "fn four() {}\n");
        write("src/fake.rs", "fn five() { unsafe {} }\n");
        write("src/main.rs", "// A comment.\n\nfn main() {}\n");
        write("tests/outside.rs", "fn six() {}\n");
        let metadata = MetadataCommand::new().manifest_path(folder.join("Cargo.toml")).no_deps().exec();
        let size = size(&metadata.expect("a package").packages[0]);
        fs::remove_dir_all(&folder).expect("removed");
        // lib.rs 5, plain and below 2, folder and elsewhere 3, deep 1, main 1.
        let unsafes = vec!["src/fake.rs:1".into()];
        assert_eq!(size.expect("a size"), Size { lines: 12, main: 1, unsafes });
    }
}
