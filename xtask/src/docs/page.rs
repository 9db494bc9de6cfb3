//! A page of Markdown: its headings, links and blocks of code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A page.
pub struct Page {
    /// Its name from the root of the checkout on.
    pub name: String,
    /// The text.
    pub text: String,
    /// What a link can name behind `#`.
    pub anchors: BTreeSet<String>,
    /// Where links lead, and the lines they stand in.
    pub links: Vec<(usize, String)>,
    /// Words in the font of code, and the lines they stand in.
    pub code: Vec<(usize, String)>,
    blocks: Vec<Block>,
}

/// A block of code.
struct Block {
    line: usize,
    /// What stands behind the fence; none where the block is only indented.
    info: Option<String>,
    text: String,
    /// The file that it is a part of.
    from: Option<String>,
}

/// All pages: those of the book, and what stands beside the code.
pub fn all(root: &Path) -> Result<Vec<Page>> {
    let mut files = Vec::new();
    walk(root, &mut |path| {
        if path.extension().is_some_and(|end| end == "md") {
            files.push(path.to_owned());
        }
    })?;
    files.sort();
    files.iter().map(|path| Page::read(root, path)).collect()
}

/// Every file of the checkout that is not a result.
pub fn walk(folder: &Path, see: &mut dyn FnMut(&Path)) -> Result<()> {
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.to_string_lossy().starts_with('.');
        if hidden || name == "target" || path.is_symlink() {
            continue;
        }
        if path.is_dir() { walk(&path, see)? } else { see(&path) }
    }
    Ok(())
}

impl Page {
    fn read(root: &Path, path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self::new(super::name(root, path), text))
    }

    fn new(name: String, text: String) -> Self {
        let mut page = Self {
            name,
            text: String::new(),
            anchors: BTreeSet::new(),
            links: Vec::new(),
            code: Vec::new(),
            blocks: Vec::new(),
        };
        page.parse(&text);
        page.text = text;
        page
    }

    /// Whether it is a page of the book.
    pub fn is_in_book(&self) -> bool {
        self.name.starts_with("docs/") && self.name != "docs/SUMMARY.md"
    }

    fn parse(&mut self, text: &str) {
        let line = |place: &Range<usize>| 1 + text[..place.start].matches('\n').count();
        let (mut heading, mut block, mut from) = (None::<String>, None::<Block>, None);
        let mut times = BTreeMap::new();
        for (event, place) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let id = slug(&heading.take().unwrap_or_default());
                    let count = times.entry(id.clone()).or_insert(0);
                    self.anchors.insert(if *count == 0 { id } else { format!("{id}-{count}") });
                    *count += 1;
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    self.links.push((line(&place), dest_url.into_string()));
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    let info = match kind {
                        CodeBlockKind::Fenced(info) => Some(info.into_string()),
                        CodeBlockKind::Indented => None,
                    };
                    block = Some(Block { line: line(&place), info, text: String::new(), from: from.take() });
                }
                Event::End(TagEnd::CodeBlock) => self.blocks.extend(block.take()),
                Event::Html(html) => from = quoted(&html).or(from.take()),
                Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) => {}
                Event::Text(words) if block.is_some() => {
                    block.iter_mut().for_each(|block| block.text.push_str(&words));
                }
                Event::Text(words) => heading.iter_mut().for_each(|heading| heading.push_str(&words)),
                Event::Code(words) => {
                    heading.iter_mut().for_each(|heading| heading.push_str(&words));
                    self.code.push((line(&place), words.into_string()));
                }
                _ => from = None,
            }
        }
    }

    /// Each block says what language it is, so that the tests compile those that are Rust and no others; what is a part of
    /// a file is so still.
    pub fn check_code(&self, root: &Path, wrong: &mut Vec<String>) {
        for block in &self.blocks {
            let mut complain = |text: String| wrong.push(format!("{}:{}: {text}", self.name, block.line));
            let language = block.info.as_deref().map(|info| info.split([',', ' ']).next().unwrap_or(""));
            match language {
                None if self.is_in_book() => complain("code is put between fences, with its language".into()),
                Some("") if self.is_in_book() => complain("the fence names no language: text, sh, toml, rust".into()),
                _ => {}
            }
            let ignored = block.info.as_deref().is_some_and(|info| info.split(',').any(|word| word == "ignore"));
            match &block.from {
                Some(from) => {
                    let text = fs::read_to_string(root.join(from));
                    if !text.is_ok_and(|text| contains(&text, &block.text)) {
                        complain(format!("this does not stand in {from} (any more)"));
                    }
                }
                None if ignored && language == Some("rust") => complain(
                    "nothing compiles this: leave `ignore` out, or name the file that it is a part of: <!-- from PATH -->"
                        .into(),
                ),
                None => {}
            }
        }
    }
}

/// The file in `<!-- from PATH -->`.
fn quoted(html: &str) -> Option<String> {
    let path = html.trim().strip_prefix("<!-- from ")?.strip_suffix("-->")?;
    Some(path.trim().to_owned())
}

/// Whether these lines follow each other in a file, however far they are indented there.
fn contains(file: &str, part: &str) -> bool {
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    let (file, part) = (lines(file), lines(part.trim_end()));
    !part.is_empty() && file.windows(part.len()).any(|window| window == part)
}

/// What a heading is called behind `#`, in the book and where the repository is looked at.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|&letter| letter.is_alphanumeric() || " -_".contains(letter));
    kept.flat_map(char::to_lowercase).map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// A path from the root on, `..` and `.` taken out; none where it leads out of the checkout.
pub fn resolve(folder: &Path, link: &str) -> Option<PathBuf> {
    let mut path = folder.to_owned();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if !path.pop() {
                    return None;
                }
            }
            part => path.push(part),
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        Page::new("docs/testing.md".into(), text.into()).check_code(root, &mut wrong);
        wrong
    }

    #[test]
    fn a_page_is_taken_apart() {
        let text = "# One `two`\n\n[a](b.md#c) `code`\n\n## Same\n\n## Same\n";
        let page = Page::new("docs/testing.md".into(), text.into());
        assert_eq!(page.anchors.iter().collect::<Vec<_>>(), ["one-two", "same", "same-1"]);
        assert_eq!(page.links, [(3, "b.md#c".into())]);
        assert_eq!(page.code.last(), Some(&(3, "code".into())));
        assert_eq!(slug("What is `PROPOSED`, and why?"), "what-is-proposed-and-why");
    }

    #[test]
    fn code_says_what_it_is() {
        assert!(wrong("```text\na\n```\n\n```rust\nfn main() {}\n```\n").is_empty());
        assert!(wrong("a\n\n```\na\n```\n")[0].starts_with("docs/testing.md:3: the fence names no language"));
        assert!(wrong("a\n\n    indented\n")[0].contains("between fences"));
        assert!(wrong("```rust,ignore\nfn main() {}\n```\n")[0].contains("nothing compiles this"));
    }

    #[test]
    fn a_part_of_a_file_is_compared() {
        let part = "<!-- from src/main.rs -->\n```rust,ignore\nmod bench;\nmod board;\n```\n";
        assert!(wrong(part).is_empty(), "{:?}", wrong(part));
        assert_eq!(wrong(&part.replace("mod board;", "mod bored;")).len(), 1);
        assert_eq!(wrong(&part.replace("main.rs", "nowhere.rs")).len(), 1);
        // It belongs to the next block alone.
        let second = "<!-- from src/main.rs -->\n\nWords.\n\n```rust,ignore\nmod bench;\n```\n";
        assert_eq!(wrong(second).len(), 1);
    }

    #[test]
    fn paths_are_resolved() {
        assert_eq!(resolve(Path::new("docs/objects"), "../testing.md"), Some("docs/testing.md".into()));
        assert_eq!(resolve(Path::new("docs"), "../../a.md"), None);
    }
}
