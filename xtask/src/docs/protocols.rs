//! A page for each protocol, made of its trait, and the list of them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};
use ipc::{Field, Method, Protocol, common};

use super::Generated;
use super::operations::plain;
use crate::board::BY_INIT;
use crate::component;
use crate::workspace::Workspace;

/// Who provides and who uses a protocol.
#[derive(Default)]
struct Parties {
    provide: Vec<String>,
    used: Vec<String>,
}

/// The pages as they have to be.
pub fn pages(workspace: &Workspace) -> Result<Vec<Generated>> {
    let parties = parties(workspace)?;
    let folder = workspace.root.join("docs/protocols");
    let mut pages = vec![Generated { path: folder.join("index.md"), text: index(&parties) }];
    for protocol in ipc::PROTOCOLS {
        let path = folder.join(format!("{}.md", protocol.name));
        pages.push(Generated { path, text: page(protocol, parties.get(protocol.name)) });
    }
    let path = workspace.root.join("docs/SUMMARY.md");
    let have = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    pages.push(Generated { path, text: summary(&have) });
    Ok(pages)
}

/// The summary, in which the pages of protocols stand under their list.
fn summary(have: &str) -> String {
    let mut text = String::new();
    for line in have.lines().filter(|line| !line.starts_with("  - ") || !line.contains("](protocols/")) {
        let _ = writeln!(text, "{line}");
        if line.ends_with("](protocols/index.md)") {
            for Protocol { name, .. } in ipc::PROTOCOLS {
                let _ = writeln!(text, "  - [{name}](protocols/{name}.md)");
            }
        }
    }
    text
}

fn parties(workspace: &Workspace) -> Result<BTreeMap<String, Parties>> {
    let mut found = BTreeMap::<String, Parties>::new();
    for name in BY_INIT {
        found.entry(name.into()).or_default().provide.push("init".into());
    }
    let tests = workspace.root.join("tests");
    for (name, description) in component::all(workspace)?.into_iter().filter(|(_, it)| !it.file.starts_with(&tests)) {
        for protocol in description.manifest.provides {
            found.entry(protocol).or_default().provide.push(name.clone());
        }
        for protocol in description.manifest.uses {
            found.entry(protocol.trim_end_matches('*').into()).or_default().used.push(name.clone());
        }
    }
    Ok(found)
}

fn index(parties: &BTreeMap<String, Parties>) -> String {
    let mut text = "# Protocols\n\nWhat components say to each other. A component names protocols in its manifest (`provides`, \
                    `uses`) and never another component. Each is a\ndocumented trait in `userland/ipc`, of which `cargo xtask docs` \
                    makes these pages.\n\nThe label of a request is the version in its upper half and the method's number in its \
                    lower one; method 0 asks for the version that is served\nand its last method. The label of an answer is 0, or \
                    the number of a refusal. Arguments stand one behind the other, a word each where nothing else\nis said; bytes \
                    and text are a word with their number and then eight of them a word. Numbers of methods and refusals are \
                    permanent.\n\n| protocol | what it is | provided by |\n| --- | --- | --- |\n"
        .to_owned();
    for protocol in ipc::PROTOCOLS {
        let about = first_sentence(protocol.about);
        let by = parties.get(protocol.name).map(|it| names(&it.provide)).unwrap_or_default();
        let _ = writeln!(text, "| [{name}]({name}.md) | {about} | {by} |", name = protocol.name);
    }
    let _ = write!(
        text,
        "\nThese refusals every protocol has:\n\n| number | status | |\n| --- | --- | --- |\n\
         | {:#x} | `UnknownMethod` | the server does not know this method: it is older than its client |\n\
         | {:#x} | `BadMessage` | the message is not what the method takes |\n\
         | {:#x} | `WrongVersion` | the server speaks another version of the protocol |\n\
         | {:#x} | `BadCapability` | a capability that the method takes did not come, or could not be used |\n",
        common::UNKNOWN_METHOD,
        common::BAD_MESSAGE,
        common::WRONG_VERSION,
        common::BAD_CAPABILITY
    );
    text
}

fn first_sentence(about: &str) -> String {
    let paragraph = plain(about.trim().split("\n\n").next().unwrap_or_default()).replace('\n', " ");
    let end = paragraph.find(". ").map_or(paragraph.len(), |at| at + 1);
    paragraph[..end].trim().trim_end_matches('.').to_owned()
}

fn names(list: &[String]) -> String {
    list.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn page(protocol: &Protocol, parties: Option<&Parties>) -> String {
    let mut text = format!("# {}\n\n{}\n\n", protocol.name, paragraphs(protocol.about));
    let _ = write!(text, "Version {}.", protocol.version);
    for (word, list) in parties.into_iter().flat_map(|it| [("Provided", &it.provide), ("Used", &it.used)]) {
        if !list.is_empty() {
            let _ = write!(text, " {word} by {}.", names(list));
        }
    }
    text.push_str("\n\n## Methods\n");
    protocol.methods.iter().for_each(|it| method(it, &mut text));
    let statuses: BTreeMap<u32, &str> = protocol.methods.iter().flat_map(|it| it.statuses).copied().collect();
    text.push_str("\n## Refusals\n\n");
    if statuses.is_empty() {
        text.push_str("Those that [every protocol](index.md) has.\n");
        return text;
    }
    text.push_str("Beside those that [every protocol](index.md) has:\n\n| number | what it says |\n| --- | --- |\n");
    for (number, says) in statuses {
        let _ = writeln!(text, "| {number} | {says} |");
    }
    text
}

fn method(method: &Method, text: &mut String) {
    let arguments = method.arguments.iter().map(|it| format!("{}: {}", it.name, it.written)).collect::<Vec<_>>();
    let _ = write!(text, "\n### {}\n\n{}\n\n", method.name, paragraphs(method.about));
    let _ = writeln!(text, "- **Number**: {}", method.number);
    let _ = writeln!(text, "- **In Rust**: `{}({}) -> {}`", method.name, arguments.join(", "), method.result.written);
    for argument in method.arguments {
        let _ = writeln!(text, "- **{}**: {}", argument.name, argument.shape);
    }
    let _ = writeln!(text, "- **Answer**: {}", answer(&method.result));
    let client = if method.knows_client { "Its server is told who calls. " } else { "" };
    let registers = if method.in_registers { "Request and answer stay in registers." } else { "" };
    let notes = format!("{client}{registers}");
    if !notes.is_empty() {
        let _ = writeln!(text, "\n{}", notes.trim());
    }
}

fn answer(result: &Field) -> String {
    let shape = result.shape.to_string();
    if shape == "()" { "nothing".into() } else { shape }
}

/// The documentation of an item, as it is written there; each of its lines begins with a space.
fn paragraphs(about: &str) -> String {
    let lines = about.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    plain(lines.collect::<Vec<_>>().join("\n").trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_every_method() {
        for protocol in ipc::PROTOCOLS {
            let page = page(protocol, None);
            assert!(page.starts_with(&format!("# {}\n", protocol.name)));
            for method in protocol.methods {
                assert!(page.contains(&format!("\n### {}\n", method.name)), "{}", method.name);
            }
        }
    }

    #[test]
    fn the_summary_lists_them() {
        let have = "- [Protocols](protocols/index.md)\n  - [gone](protocols/gone.md)\n- [Next](next.md)\n";
        let text = summary(have);
        assert!(text.starts_with("- [Protocols](protocols/index.md)\n  - [block](protocols/block.md)\n"));
        assert!(text.ends_with(".md)\n- [Next](next.md)\n") && !text.contains("gone"), "{text}");
        assert_eq!(summary(&text), text);
    }

    #[test]
    fn the_first_sentence_stands_in_the_list() {
        assert_eq!(first_sentence(" One thing, and\n another. More.\n\n Even more."), "One thing, and  another");
        assert_eq!(first_sentence("Sectors of 512 bytes."), "Sectors of 512 bytes");
    }
}
