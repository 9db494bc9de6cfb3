//! The driver guide explains each key of a component's manifest, in a row of its table.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::page::Page;

const GUIDE: &str = "docs/driver-guide.md";

pub fn check(root: &Path, pages: &[Page], wrong: &mut Vec<String>) -> Result<()> {
    let code = fs::read_to_string(root.join("xtask/src/component.rs")).context("cannot read xtask/src/component.rs")?;
    let guide = pages.iter().find(|page| page.name == GUIDE).map_or("", |page| page.text.as_str());
    let (keys, rows) = (keys(&code), rows(guide));
    let missing = keys.iter().filter(|key| !rows.contains(key));
    wrong.extend(missing.map(|key| format!("{GUIDE}: no row explains the manifest's key `{key}`")));
    let unknown = rows.iter().filter(|key| !keys.contains(key));
    wrong.extend(unknown.map(|key| format!("{GUIDE}: a manifest has no key `{key}`")));
    Ok(())
}

/// The keys of the table in `component.rs`, as they are written in a manifest.
fn keys(code: &str) -> Vec<String> {
    let fields =
        code.split_once("struct Table {").and_then(|(_, rest)| rest.split_once("\n}")).map_or("", |(fields, _)| fields);
    let names = fields.lines().filter_map(|line| line.trim().split_once(": "));
    names.map(|(name, _)| name.replace('_', "-")).filter(|name| !name.starts_with(['#', '/'])).collect()
}

/// The keys that the guide's table has rows for: the first column, under the heading "The manifest".
fn rows(guide: &str) -> Vec<String> {
    let (_, chapter) = guide.split_once("## The manifest").unwrap_or_default();
    let chapter = chapter.split("\n## ").next().unwrap_or_default();
    let cells = chapter.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    cells.map(|(key, _)| key.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_rows_are_found() {
        let code = "struct Table {\n    #[serde(default)]\n    drives: Vec<String>,\n    /// So: so.\n    two_words: bool,\n}\nmore: x,\n";
        assert_eq!(keys(code), ["drives", "two-words"]);
        let guide = "## The manifest\n\n| key | |\n| --- | --- |\n| `drives` | a |\n\n## Next\n\n| `other` | b |\n";
        assert_eq!(rows(guide), ["drives"]);
    }
}
