//! `docs`: writes the generated parts of the pages and builds the book. What must hold of the pages without the book is
//! [`check`]'s.

mod links;
mod manifest;
mod operations;
mod page;
mod protocols;
mod summary;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::setup::{Setup, find_program};
use crate::workspace::{self, Workspace};

/// The version of mdbook that is installed where none is found.
const MDBOOK: &str = "0.5.4";

/// What `docs` takes.
#[derive(Args)]
pub struct Options {
    /// Only write the generated parts: mdbook is not needed
    #[arg(long)]
    generate: bool,
}

/// A page, or a part of one, that is computed from the code: where it stands and what it has to be.
struct Generated {
    path: PathBuf,
    text: String,
}

pub fn run(workspace: &Workspace, setup: &Setup, options: Options) -> Result<ExitCode> {
    for page in generated(workspace)? {
        if stale(&page).is_some() {
            std::fs::write(&page.path, &page.text).with_context(|| format!("cannot write {}", page.path.display()))?;
            println!("written: {}", page.path.display());
        }
    }
    check(workspace)?;
    if options.generate {
        return Ok(ExitCode::SUCCESS);
    }
    let mdbook = mdbook(workspace, setup)?;
    workspace::run(
        Command::new(mdbook)
            .arg("build")
            .arg(workspace.root.join("docs"))
            .arg("--dest-dir")
            .arg(workspace.target().join("book")),
    )?;
    println!("the book: {}", workspace.target().join("book/index.html").display());
    Ok(ExitCode::SUCCESS)
}

/// What must hold of the pages: nothing generated is stale, the summary lists them all, links lead somewhere, examples are
/// such that the tests compile them.
pub fn check(workspace: &Workspace) -> Result<()> {
    let mut wrong: Vec<String> = generated(workspace)?.iter().filter_map(stale).collect();
    let pages = page::all(&workspace.root)?;
    summary::check(&pages, &mut wrong);
    pages.iter().for_each(|page| page.check_code(&workspace.root, &mut wrong));
    links::check(&workspace.root, &pages, &mut wrong)?;
    manifest::check(&workspace.root, &pages, &mut wrong)?;
    if wrong.is_empty() { Ok(()) } else { bail!("the documentation is wrong:\n    {}", wrong.join("\n    ")) }
}

fn generated(workspace: &Workspace) -> Result<Vec<Generated>> {
    let mut pages = operations::pages(&workspace.root)?;
    pages.extend(protocols::pages(workspace)?);
    Ok(pages)
}

fn stale(page: &Generated) -> Option<String> {
    let have = std::fs::read_to_string(&page.path).unwrap_or_default();
    (have != page.text).then(|| format!("{}: stale; `cargo xtask docs --generate` writes it", page.path.display()))
}

/// mdbook: the one that is installed, or one for this checkout alone.
fn mdbook(workspace: &Workspace, setup: &Setup) -> Result<PathBuf> {
    let root = workspace.tutti().join("tools");
    let own = root.join("bin/mdbook");
    if let Some(found) = find_program("mdbook").or_else(|| own.is_file().then(|| own.clone())) {
        return Ok(found);
    }
    if !setup.may_download() {
        bail!("mdbook builds the book and is missing: cargo install --locked mdbook@{MDBOOK}");
    }
    println!("mdbook is missing: cargo builds it into {}, once, which takes some minutes", root.display());
    let mut cargo = workspace.cargo();
    cargo.args(["install", "--locked", "--quiet", &format!("mdbook@{MDBOOK}"), "--root"]).arg(&root);
    // Not beside the workspace: `cargo install` here would take its settings along.
    workspace::run(cargo.current_dir(std::env::temp_dir()))?;
    Ok(own)
}

/// A file of the checkout as one names it.
fn name(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}
