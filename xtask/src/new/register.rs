//! Where the repository names its crates, its boards' components and its protocols: one line more.

use anyhow::{Context, Result, bail};

/// A board's file with a set that adds a component.
pub fn set(text: &str, name: &str) -> Result<String> {
    let board: toml::Table = toml::from_str(text)?;
    if board.get("sets").and_then(|sets| sets.get(name)).is_some() {
        bail!("there is a set {name:?} already");
    }
    let text = text.trim_end();
    Ok(format!("{text}\n\n# With {name}, until it stands in [components].\n[sets.{name}]\nadd = [\"{name}\"]\n"))
}

/// The library of all protocols with one more module.
pub fn protocol(text: &str, module: &str, constant: &str) -> Result<String> {
    let mut text = text.to_owned();
    let list = text.find("pub const PROTOCOLS: &[&Protocol] =").context("there is no list of protocols")?;
    let end = list + text[list..].find("];").context("the list of protocols has no end")?;
    let comma = if text[..end].trim_end().ends_with(',') { " " } else { ", " };
    text.insert_str(text[..end].trim_end().len(), &format!("{comma}&{module}::{constant}"));
    let line = format!("pub mod {module};\n");
    let modules = text.match_indices("\npub mod ").map(|(at, _)| at + 1);
    // Behind the last that comes before it in the alphabet, among those that have no attributes.
    let before = modules.filter(|&at| text[at..] < *line.as_str()).last();
    let place = match before {
        Some(at) => at + text[at..].find('\n').map_or(0, |end| end + 1),
        None => text.find("\npub mod ").context("there is no public module")? + 1,
    };
    text.insert_str(place, &line);
    crate::rustfmt::format(&text, crate::rustfmt::Style::Project)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    fn file(name: &str) -> String {
        let root = Workspace::find().expect("a workspace").root;
        std::fs::read_to_string(root.join(name)).expect("a file")
    }

    /// A new crate is a member of the workspace by where it lies.
    #[test]
    fn the_workspace_takes_every_crate_of_these_folders() {
        let workspace: toml::Table = toml::from_str(&file("Cargo.toml")).expect("a workspace");
        let members = workspace["workspace"]["members"].as_array().expect("a list");
        for folder in ["drivers/*", "userland/services/*"] {
            assert!(members.iter().any(|member| member.as_str() == Some(folder)), "{folder}");
        }
    }

    #[test]
    fn the_board_has_one_more_set() {
        let text = file("board/virt/board.toml");
        let more = set(&text, "some-device").expect("registered");
        let board: toml::Table = toml::from_str(&more).expect("a board");
        assert_eq!(board["sets"]["some-device"]["add"].as_array().map(Vec::len), Some(1));
        assert!(set(&more, "some-device").is_err());
    }

    #[test]
    fn the_library_has_one_more_protocol() {
        let text = "mod a;\n\npub mod block;\npub mod file;\n\npub const PROTOCOLS: &[&Protocol] = &[&block::BLOCK, &file::FILE];\n";
        let more = protocol(text, "clock", "CLOCK").expect("registered");
        assert!(more.contains("pub mod block;\npub mod clock;\npub mod file;\n"), "{more}");
        assert!(more.contains("&file::FILE, &clock::CLOCK];"), "{more}");
        let many =
            (0..9).try_fold(more, |text, number| protocol(&text, &format!("c{number}"), &format!("NAME_OF_C{number}")));
        assert_eq!(
            many.expect("registered").matches("NAME_OF_C").count(),
            9,
            "also where the list takes several lines"
        );
        assert!(protocol("pub mod a;\n", "clock", "CLOCK").is_err());
    }
}
