//! The operations of the kernel on the pages of its objects: what stands between `<!-- operation NAME -->` and `<!-- end -->`
//! is taken from the code. Each operation stands on one page.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use abi::Op;
use anyhow::{Context, Result, bail, ensure};

use super::Generated;

const BEGIN: &str = "<!-- operation ";
const END: &str = "<!-- end -->";

/// What the code says of operations.
struct Code {
    /// `kernel/abi/src/op.rs`: the arguments.
    numbers: String,
    /// `kernel/src/syscall.rs`: the function that an operation is.
    dispatch: String,
    /// `kernel/src/object/mod.rs`: in which file it is, and what it is called there.
    names: String,
    /// `kernel/src/ipc.rs` and the files of the objects, by name of the module.
    files: BTreeMap<String, String>,
    /// The runtime's functions: those of capabilities, and what they are made of.
    runtime: [String; 2],
}

/// The pages with what stands there now.
pub fn pages(root: &Path) -> Result<Vec<Generated>> {
    let code = Code::read(root)?;
    let mut found = BTreeMap::new();
    let mut pages = Vec::new();
    for path in files(&root.join("docs/objects"))? {
        let have = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = fill(&have, &mut |op| {
            if let Some(other) = found.insert(op as u8, path.clone()) {
                bail!("{op:?} stands in {} already", other.display());
            }
            code.section(op, &have)
        });
        pages.push(Generated { text: text.with_context(|| path.display().to_string())?, path });
    }
    let missing: Vec<_> = Op::ALL.iter().filter(|&&op| !found.contains_key(&(op as u8))).collect();
    ensure!(missing.is_empty(), "docs/objects: no page has {BEGIN}NAME --> for {missing:?}");
    Ok(pages)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "md"));
    files.sort();
    Ok(files)
}

/// A page whose parts between the marks are replaced.
fn fill(page: &str, section: &mut dyn FnMut(Op) -> Result<String>) -> Result<String> {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(" -->").with_context(|| format!("{BEGIN}is not closed"))?;
        let named = |op: &&Op| format!("{op:?}") == name;
        let op = *Op::ALL.iter().find(named).with_context(|| format!("there is no operation {name}"))?;
        let (_, after) = after.split_once(END).with_context(|| format!("{BEGIN}{name} -->: no {END} follows"))?;
        let _ = write!(text, "{before}{BEGIN}{name} -->\n{}{END}", section(op)?);
        rest = after;
    }
    Ok(text + rest)
}

impl Code {
    fn read(root: &Path) -> Result<Self> {
        let read = |path: &str| fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"));
        let mut files = BTreeMap::from([("ipc".into(), read("kernel/src/ipc.rs")?)]);
        for entry in root.join("kernel/src/object").read_dir()?.flatten() {
            let name = entry.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(name, fs::read_to_string(entry.path())?);
        }
        Ok(Self {
            numbers: read("kernel/abi/src/op.rs")?,
            dispatch: read("kernel/src/syscall.rs")?,
            names: read("kernel/src/object/mod.rs")?,
            files,
            runtime: [read("userland/rt/src/cap.rs")?, read("userland/rt/src/message.rs")?],
        })
    }

    /// What stands on a page about an operation.
    fn section(&self, op: Op, page: &str) -> Result<String> {
        let (object, arguments) = self.arguments(op)?;
        let title = page.lines().next().unwrap_or_default();
        ensure!(title.split(' ').any(|word| word == object), "{op:?} is an operation of {object}: not for {title:?}");
        let doc = self.documentation(op)?;
        let parts = Parts::of(&doc).with_context(|| format!("the documentation of {op:?}"))?;
        let mut text = format!("### {op:?}\n\n{}\n\n", parts.what);
        let _ = writeln!(text, "- **Number**: {}", op as u8);
        // Those that have none say again what they do.
        if arguments.contains(|letter: char| letter.is_ascii_digit()) {
            let _ = writeln!(text, "- **Arguments**: {arguments}");
        }
        let _ = writeln!(text, "- **Rights**: {}", parts.rights);
        let _ = writeln!(text, "- **Returns**: {}", parts.returns);
        let _ = writeln!(text, "- **Errors**: {}", parts.errors);
        for function in self.functions(op) {
            let _ = writeln!(text, "- **In Rust**: `{function}`");
        }
        Ok(text)
    }

    /// The object that an operation is one of, and its arguments.
    fn arguments(&self, op: Op) -> Result<(String, String)> {
        let lines: Vec<&str> = self.numbers.lines().collect();
        let start = format!("    {op:?} = ");
        let at = lines.iter().position(|line| line.starts_with(&start)).with_context(|| format!("{op:?} in op.rs"))?;
        let doc = doc_above(&lines, at);
        let (object, rest) = doc.split_once(": ").with_context(|| format!("{op:?}: `Object: arguments`"))?;
        Ok((object.split(' ').next().unwrap_or_default().to_owned(), plain(rest)))
    }

    /// The documentation of the function in the kernel.
    fn documentation(&self, op: Op) -> Result<String> {
        let arm = format!("Op::{op:?} => ");
        let path = self.dispatch.split_once(&arm).and_then(|(_, rest)| rest.split_once(','));
        let (path, _) = path.with_context(|| format!("{op:?} in kernel/src/syscall.rs"))?;
        let (module, function) = match path.split_once("::") {
            Some(("ops", alias)) => self.function(alias).with_context(|| format!("{alias} in object/mod.rs"))?,
            Some((module, function)) => (module.to_owned(), function.to_owned()),
            None => bail!("{op:?} is {path}"),
        };
        let file = self.files.get(&module).with_context(|| format!("there is no file {module}.rs"))?;
        let lines: Vec<&str> = file.lines().collect();
        let start = format!("pub fn {function}(");
        let at = lines.iter().position(|line| line.starts_with(&start));
        let at = at.with_context(|| format!("there is no {function} in {module}.rs"))?;
        Ok(doc_above(&lines, at))
    }

    /// What `ops` calls so: module and function.
    fn function(&self, alias: &str) -> Option<(String, String)> {
        let (_, uses) = self.names.split_once("mod ops {")?;
        for statement in uses.split(';') {
            let Some((_, path)) = statement.split_once("pub use super::") else { continue };
            let (module, names) = path.split_once("::")?;
            for name in names.trim_matches(['{', '}', ' ', '\n']).split(',').map(str::trim) {
                let (function, called) = name.split_once(" as ").unwrap_or((name, name));
                if called == alias {
                    return Some((module.to_owned(), function.to_owned()));
                }
            }
        }
        None
    }

    /// The functions of `rt` that carry an operation out.
    fn functions(&self, op: Op) -> Vec<String> {
        let [caps, messages] = &self.runtime;
        let name = format!("Op::{op:?}");
        let within = functions(messages).into_iter().filter(|function| names(function.body, &name));
        let within: Vec<String> = within.map(|function| format!("message::{}", function.name)).collect();
        let calls = |body: &str| names(body, &name) || within.iter().any(|inner| names(body, inner));
        let found = functions(caps).into_iter().filter(|function| calls(function.body));
        found.map(|function| format!("{}::{}", function.of, function.signature)).collect()
    }
}

/// A function of the runtime.
struct Function<'a> {
    of: String,
    name: String,
    signature: String,
    body: &'a str,
}

/// The public functions of a file, in the order in which they stand there.
fn functions(file: &str) -> Vec<Function<'_>> {
    let (mut found, mut of, mut at) = (Vec::new(), String::new(), 0);
    for line in file.split_inclusive('\n') {
        let start = at;
        at += line.len();
        if let Some(name) = line.strip_prefix("impl ").and_then(|rest| rest.strip_suffix(" {\n")) {
            of = name.to_owned();
        }
        let inner = line.trim_start();
        let Some(from) = ["pub fn ", "pub(crate) fn "].iter().find_map(|word| inner.strip_prefix(word)) else {
            continue;
        };
        let indent = &line[..line.len() - inner.len()];
        let text = &file[start..];
        let end = text.find(&format!("\n{indent}}}\n")).unwrap_or(text.len());
        let Some((signature, body)) = text[..end].split_once(" {\n") else { continue };
        let name = from.split(['(', '<']).next().unwrap_or_default().to_owned();
        let signature = signature.split_whitespace().collect::<Vec<_>>().join(" ");
        let signature = signature.replace("( ", "(").replace(", )", ")").replace("pub fn ", "");
        found.push(Function { of: of.clone(), name, signature, body });
    }
    found
}

/// Whether a name stands in a text as a whole.
fn names(text: &str, name: &str) -> bool {
    text.match_indices(name)
        .any(|(at, _)| !text[at + name.len()..].starts_with(|next: char| next.is_alphanumeric() || next == '_'))
}

/// The documentation above a line, its lines joined but for headings.
fn doc_above(lines: &[&str], at: usize) -> String {
    let inside = |line: &&&str| line.trim_start().starts_with("///") || line.trim_start().starts_with("#[");
    let doc: Vec<&str> = lines[..at].iter().rev().take_while(inside).copied().collect();
    let mut text = String::new();
    for line in doc.iter().rev().filter_map(|line| line.trim_start().strip_prefix("///")) {
        let (line, heading) = (line.trim(), line.trim().starts_with("# "));
        let apart = heading || line.is_empty() || text.ends_with('\n');
        if !text.is_empty() {
            text.push(if apart { '\n' } else { ' ' });
        }
        text.push_str(line);
        if heading {
            text.push('\n');
        }
    }
    text
}

/// The documentation of an operation, by its headings.
struct Parts {
    what: String,
    rights: String,
    returns: String,
    errors: String,
}

impl Parts {
    fn of(doc: &str) -> Result<Self> {
        let part = |heading: &str| {
            let (_, rest) = doc.split_once(heading).with_context(|| format!("has no {heading:?}"))?;
            Ok::<_, anyhow::Error>(plain(rest.split("# ").next().unwrap_or_default().trim()))
        };
        let what = plain(doc.split("# ").next().unwrap_or_default().trim());
        Ok(Self { what, rights: part("# Rights")?, returns: part("# Returns")?, errors: part("# Errors")? })
    }
}

/// Without the links of the documentation of code, which lead nowhere here.
pub fn plain(doc: &str) -> String {
    doc.replace("[`crate::", "`").replace("[`", "`").replace("`]", "`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_filled() {
        let page = "# Reply\n<!-- operation Reply -->\nold\n<!-- end -->\nrest\n";
        let filled = fill(page, &mut |op| Ok(format!("new {op:?}\n"))).expect("filled");
        assert_eq!(filled, "# Reply\n<!-- operation Reply -->\nnew Reply\n<!-- end -->\nrest\n");
        assert!(fill("<!-- operation Rply -->\n<!-- end -->", &mut |_| Ok(String::new())).is_err());
        assert!(fill("<!-- operation Reply -->\n", &mut |_| Ok(String::new())).is_err());
    }

    #[test]
    fn documentation_is_taken_apart() {
        let lines = [
            "/// What it",
            "/// does.",
            "///",
            "/// # Rights",
            "/// All [`x`].",
            "/// # Returns",
            "/// Nothing.",
            "/// # Errors",
            "/// `A`,",
            "/// `B`.",
            "#[inline]",
            "pub fn x() {",
        ];
        let parts = Parts::of(&doc_above(&lines, 11)).expect("parts");
        assert_eq!((parts.what.as_str(), parts.rights.as_str()), ("What it does.", "All `x`."));
        assert_eq!((parts.returns.as_str(), parts.errors.as_str()), ("Nothing.", "`A`, `B`."));
    }

    #[test]
    fn functions_are_found() {
        let file = "impl Cap<A> {\n    pub fn one(\n        self,\n        a: u64,\n    ) -> u64 {\n        invoke(Op::Map)\n    }\n}\n";
        let found = functions(file);
        assert_eq!((found[0].of.as_str(), found[0].signature.as_str()), ("Cap<A>", "one(self, a: u64) -> u64"));
        assert!(names(found[0].body, "Op::Map") && !names(found[0].body, "Op::Ma"));
    }

    #[test]
    fn every_operation_is_documented() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a folder above");
        let code = Code::read(root).expect("the code");
        for &op in Op::ALL {
            let (object, arguments) = code.arguments(op).expect("arguments");
            assert!(!object.is_empty() && !arguments.is_empty(), "{op:?}");
            let doc = code.documentation(op).expect("documentation");
            assert!(
                Parts::of(&doc).is_ok_and(|parts| !parts.what.is_empty() && !parts.errors.is_empty()),
                "{op:?}: {doc}"
            );
        }
    }
}
