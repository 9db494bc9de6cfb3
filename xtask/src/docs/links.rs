//! Links and names of files in the pages, and names of pages in the code.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::page::{self, Page, resolve};

/// Folders whose files the pages name.
const FOLDERS: [&str; 7] = ["board/", "docs/", "drivers/", "kernel/", "tests/", "userland/", "xtask/"];

pub fn check(root: &Path, pages: &[Page], wrong: &mut Vec<String>) -> Result<()> {
    for page in pages {
        for (line, link) in &page.links {
            if let Err(error) = follow(root, pages, page, link) {
                wrong.push(format!("{}:{line}: {link}: {error}", page.name));
            }
        }
        // A decision names what there was when it was taken.
        for (line, code) in page.code.iter().filter(|_| !page.name.starts_with("docs/decisions/")) {
            if is_path(code) && !root.join(code).exists() {
                wrong.push(format!("{}:{line}: there is no {code}", page.name));
            }
        }
    }
    mentions(root, wrong)
}

/// Whether a link leads somewhere.
fn follow(root: &Path, pages: &[Page], page: &Page, link: &str) -> Result<(), &'static str> {
    if link.contains("://") || link.starts_with("mailto:") {
        return Ok(());
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let folder = Path::new(&page.name).parent().unwrap_or(Path::new(""));
    let target = match path {
        "" => page.name.clone().into(),
        path => resolve(folder, path).ok_or("leads out of the checkout")?,
    };
    if page.name.starts_with("docs/") && (!target.starts_with("docs") || !root.join(&target).is_file()) {
        return Err("a page of the book links to files of the book only");
    }
    if !root.join(&target).exists() {
        return Err("leads nowhere");
    }
    let Some(anchor) = anchor else { return Ok(()) };
    let target =
        pages.iter().find(|other| Path::new(&other.name) == target).ok_or("what is no page has no headings")?;
    if target.anchors.contains(anchor) { Ok(()) } else { Err("there is no such heading") }
}

/// Whether words in the font of code are the whole path of a file.
fn is_path(code: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/-_.".contains(letter);
    // `board/NAME/board.toml` is any.
    let any = code.split('/').any(|part| part.len() > 1 && part.chars().all(|letter| letter.is_ascii_uppercase()));
    FOLDERS.iter().any(|folder| code.starts_with(folder)) && code.chars().all(plain) && !any
}

/// Pages that the code names are there.
fn mentions(root: &Path, wrong: &mut Vec<String>) -> Result<()> {
    page::walk(root, &mut |path| {
        let code = path.extension().is_some_and(|end| ["rs", "toml", "py"].iter().any(|known| end == *known));
        let Some(text) = fs::read_to_string(path).ok().filter(|_| code) else { return };
        for (number, line) in text.lines().enumerate() {
            for name in named(line) {
                if !root.join(name).is_file() {
                    wrong.push(format!("{}:{}: there is no {name}", super::name(root, path), number + 1));
                }
            }
        }
    })
}

/// The pages that a line of code names.
fn named(line: &str) -> impl Iterator<Item = &str> {
    let ends = |letter: char| !letter.is_ascii_alphanumeric() && !"/-_.".contains(letter);
    let words = line.split(ends).map(|word| word.trim_end_matches('.'));
    words.filter(|word| word.starts_with("docs/") && word.ends_with(".md"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_path() {
        assert!(is_path("kernel/src/ipc.rs") && is_path("drivers/kit"));
        assert!(!is_path("main.rs") && !is_path("board/NAME/board.toml") && !is_path("kernel/src/{cap,object}"));
    }

    #[test]
    fn pages_that_code_names() {
        let found: Vec<_> = named("//! See `docs/testing.md`, docs/decisions/0007-time.md. And docs/e").collect();
        assert_eq!(found, ["docs/testing.md", "docs/decisions/0007-time.md"]);
    }
}
