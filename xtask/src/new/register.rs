//! Where the repository names its crates, its boards' components and its protocols: one line more.

use anyhow::{Context, Result, bail, ensure};

/// The workspace's `Cargo.toml` with one more member, in both lists and beside the last of its folder.
pub fn member(text: &str, member: &str) -> Result<String> {
    let mut text = text.to_owned();
    for list in ["members", "default-members"] {
        let start = text.find(&format!("\n{list} = [\n")).with_context(|| format!("there is no list {list:?}"))?;
        let end = start + text[start..].find("\n]").with_context(|| format!("the list {list:?} has no end"))?;
        let (folder, _) = member.rsplit_once('/').context("a member lies in a folder")?;
        let beside = text[start..end].rfind(&format!("\"{folder}/"));
        let beside = start + beside.with_context(|| format!("{list:?} has nothing in {folder}"))?;
        let comma = beside + text[beside..end].find(',').with_context(|| format!("{list:?} ends without a comma"))?;
        text.insert_str(comma + 1, &format!(" \"{member}\","));
    }
    let parsed: toml::Table = toml::from_str(&text)?;
    for list in ["members", "default-members"] {
        let members = parsed["workspace"][list].as_array().into_iter().flatten();
        let count = members.filter(|found| found.as_str() == Some(member)).count();
        ensure!(count == 1, "{member} stands in {list:?} {count} times");
    }
    Ok(text)
}

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

    #[test]
    fn the_workspace_has_one_more_member() {
        let text = file("Cargo.toml");
        for name in ["drivers/some-device", "userland/services/some-service"] {
            let more = member(&text, name).expect("registered");
            assert_eq!(more.matches(&format!("\"{name}\",")).count(), 2);
            assert!(member(&more, name).is_err(), "twice");
        }
        assert!(member("[workspace]\n", "drivers/x").is_err());
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
