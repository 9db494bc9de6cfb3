//! Finds the pages, so that none is forgotten.

use std::env;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").canonicalize()?;
    println!("cargo:rerun-if-changed={}", docs.display());
    let mut pages = Vec::new();
    find(&docs, &mut pages)?;
    pages.sort();
    let mut text = String::new();
    for page in &pages {
        let name =
            page.strip_prefix(&docs).unwrap_or(page).with_extension("").to_string_lossy().replace(['/', '-', '.'], "_");
        let _ = writeln!(text, "#[doc = include_str!({:?})]\npub mod page_{name} {{}}", page.display().to_string());
    }
    fs::write(Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join("pages.rs"), text)
}

/// Every page in a folder and those below.
fn find(folder: &Path, pages: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, pages)?;
        } else if path.extension().is_some_and(|end| end == "md") {
            pages.push(path);
        }
    }
    Ok(())
}
