//! Licences and sources of everything that the project depends on, held against `licences.toml`.

mod graph;
mod rules;

use std::fs;

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;

use crate::workspace::Workspace;
use graph::Graph;
use rules::{Report, Rules};

/// Where the rules stand.
const FILE: &str = "licences.toml";

/// Fails with every crate that the rules refuse, and prints those that are there in two versions. `roots` are the
/// packages whose programs run on the target, `triples` what they are built for.
pub fn check(workspace: &Workspace, roots: &[&str], triples: &[&str]) -> Result<()> {
    let file = workspace.root.join(FILE);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let rules = Rules::parse(&text).with_context(|| FILE.to_owned())?;
    let Report { refused, noted } = rules.judge(&graph(workspace, roots, triples)?.crates());
    noted.iter().for_each(|note| println!("note: {note}"));
    if refused.is_empty() { Ok(()) } else { bail!("{FILE} refuses:\n    {}", refused.join("\n    ")) }
}

fn graph(workspace: &Workspace, roots: &[&str], triples: &[&str]) -> Result<Graph> {
    let resolve = |triple: Option<&str>| {
        let mut command = MetadataCommand::new();
        command.cargo_path(workspace.cargo_path()).manifest_path(workspace.root.join("Cargo.toml"));
        if let Some(triple) = triple {
            command.other_options(["--filter-platform".to_owned(), triple.to_owned()]);
        }
        command.exec().context("cargo cannot resolve what the project depends on")
    };
    let mut graph = Graph::new(resolve(None)?);
    for triple in triples {
        graph.ship(&resolve(Some(triple))?, roots)?;
    }
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::toolchain::Target;

    /// A workspace of `app`, which runs on the target, and `tool`, which does not, each with a crate from outside.
    struct Project(PathBuf);

    impl Project {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("tutti-licences-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            let project = Self(folder);
            project.write("work/Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"app\", \"tool\"]\n");
            let own = "license = \"MIT OR Apache-2.0\"\n[dependencies]\n";
            project.package("work/app", &format!("{own}shipped = {{ path = \"../../shipped\" }}\n"));
            project.package("work/tool", &format!("{own}kept = {{ path = \"../../kept\" }}\n"));
            project.package("shipped", "license = \"MIT\"\n");
            project.package("kept", "license = \"GPL-3.0-only\"\n");
            project
        }

        fn package(&self, name: &str, more: &str) {
            let short = Path::new(name).file_name().expect("a name").to_string_lossy();
            let head = format!("[package]\nname = \"{short}\"\nversion = \"1.2.3\"\nedition = \"2024\"\n");
            self.write(&format!("{name}/Cargo.toml"), &(head + more));
            self.write(&format!("{name}/src/lib.rs"), "");
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }

        fn check(&self, rules: &str) -> Result<(), String> {
            self.write("work/licences.toml", rules);
            let workspace = Workspace::at(self.0.join("work")).expect("a workspace");
            check(&workspace, &["app"], &[Target::Soft.triple()]).map_err(|error| format!("{error:#}"))
        }
    }

    impl Drop for Project {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn crates_are_found_where_they_end_up() {
        let project = Project::new("places");
        let rules = "own = \"MIT OR Apache-2.0\"\ntarget.allow = [\"ISC\"]\nhost.allow = [\"MIT\"]\n";
        let error = project.check(rules).expect_err("refused");
        for line in [
            "shipped 1.2.3, MIT (app → shipped): not allowed in programs of the target; leave it out of app/Cargo.toml",
            "kept 1.2.3, GPL-3.0-only (tool → kept): not allowed in the host's tools; leave it out of tool/Cargo.toml",
            "kept 1.2.3, GPL-3.0-only (tool → kept): it comes from the folder ",
        ] {
            assert!(error.contains(line), "{line:?} in {error}");
        }
        assert_eq!(error.lines().count(), 5, "nothing about the project's own: {error}");
    }

    #[test]
    fn a_project_without_others_passes() {
        let project = Project::new("alone");
        project.package("work/app", "license = \"MIT OR Apache-2.0\"\n");
        project.package("work/tool", "license = \"MIT OR Apache-2.0\"\n");
        let rules = "own = \"MIT OR Apache-2.0\"\ntarget.allow = []\nhost.allow = []\n";
        assert_eq!(project.check(rules), Ok(()));
        project.package("work/tool", "license = \"GPL-3.0-only\"\n");
        assert!(project.check(rules).expect_err("refused").contains("put it into tool/Cargo.toml"));
    }
}
