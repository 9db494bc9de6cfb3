//! `new`: a driver, a service or a protocol, made from the templates: it builds, its tests pass, and it starts. Inside the
//! repository it becomes a crate of the workspace; with `--path` it is a crate of its own beside a checkout.

mod names;
mod protocols;
mod register;
mod render;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};

use crate::rustfmt::{Style, format};
use crate::workspace::Workspace;
use names::Names;
use protocols::Protocol;
use render::{Kind, Template};

/// What `new` takes.
#[derive(Args)]
pub struct Options {
    #[command(subcommand)]
    what: What,
}

/// What is made.
#[derive(Subcommand)]
pub enum What {
    /// A driver of a device
    #[command(after_help = "Example: cargo xtask new driver my-clock --compatible arm,pl031 --protocol clock")]
    Driver {
        /// Its name, such as my-clock: at most 16 letters, digits and -
        name: String,
        /// What the device tree calls the device, such as arm,pl031
        #[arg(long)]
        compatible: String,
        /// The protocol that it serves; with --path one that Tutti does not have is made with it
        #[arg(long)]
        protocol: String,
        /// The folder of a crate of its own, outside of the repository
        #[arg(long, value_name = "DIR")]
        path: Option<PathBuf>,
    },
    /// A service
    #[command(after_help = "Example: cargo xtask new service my-service")]
    Service {
        /// Its name: at most 16 letters, digits and -
        name: String,
        /// The protocol that it serves; without it, one of the service's name is made
        #[arg(long)]
        protocol: Option<String>,
        /// The folder of a crate of its own, outside of the repository
        #[arg(long, value_name = "DIR")]
        path: Option<PathBuf>,
    },
    /// A protocol
    #[command(after_help = "Example: cargo xtask new protocol thermometer")]
    Protocol {
        /// Its name, of at most 16 letters, digits and -
        name: String,
        /// The folder of a crate of its own, outside of the repository
        #[arg(long, value_name = "DIR")]
        path: Option<PathBuf>,
    },
}

pub fn run(workspace: &Workspace, options: Options) -> Result<ExitCode> {
    let plan = Plan::make(workspace, &options.what)?;
    plan.write()?;
    plan.files.iter().for_each(|file| println!("{:<8} {}", file.change(), workspace.shorten(&file.path).display()));
    plan.next.iter().for_each(|line| println!("{line}"));
    Ok(ExitCode::SUCCESS)
}

/// A file to write.
struct File {
    path: PathBuf,
    text: String,
    is_new: bool,
}

impl File {
    const fn change(&self) -> &'static str {
        if self.is_new { "made" } else { "changed" }
    }
}

/// Everything that is written, worked out before anything is.
pub struct Plan {
    files: Vec<File>,
    /// What to do now, for a person.
    next: Vec<String>,
}

impl Plan {
    /// What making this comes to.
    pub fn make(workspace: &Workspace, what: &What) -> Result<Self> {
        match what {
            What::Driver { name, compatible, protocol, path } => {
                let names = Names::new(workspace, name)?;
                names::check_compatible(compatible)?;
                component(workspace, Kind::Driver, &names, Some(protocol), compatible, path.as_deref())
            }
            What::Service { name, protocol, path } => {
                let names = Names::new(workspace, name)?;
                component(workspace, Kind::Service, &names, protocol.as_deref(), "", path.as_deref())
            }
            What::Protocol { name, path } => protocol(workspace, name, path.as_deref()),
        }
    }

    /// Writes it all. A file that is there already is never overwritten by a new one.
    pub fn write(&self) -> Result<()> {
        if let Some(file) = self.files.iter().find(|file| file.is_new && file.path.exists()) {
            bail!("{} is there already", file.path.display());
        }
        for File { path, text, .. } in &self.files {
            let folder = path.parent().context("a file without a folder")?;
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(path, text))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    fn new() -> Self {
        Self { files: Vec::new(), next: Vec::new() }
    }

    fn add(&mut self, path: PathBuf, text: String) {
        self.files.push(File { path, text, is_new: true });
    }

    fn change(&mut self, path: PathBuf, edit: impl FnOnce(&str) -> Result<String>) -> Result<()> {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = edit(&text).with_context(|| format!("{}", path.display()))?;
        self.files.push(File { path, text, is_new: false });
        Ok(())
    }

    /// Adds a Rust file, in the style of where it will lie.
    fn rust(&mut self, path: PathBuf, text: &str, is_outside: bool) -> Result<()> {
        let style = if is_outside { Style::Own } else { Style::Project };
        let text = format(text, style).with_context(|| format!("the template of {}", path.display()))?;
        self.add(path, text);
        Ok(())
    }
}

fn component(
    workspace: &Workspace,
    kind: Kind,
    names: &Names,
    protocol: Option<&str>,
    compatible: &str,
    outside: Option<&Path>,
) -> Result<Plan> {
    let mut plan = Plan::new();
    let wanted = protocol.unwrap_or(&names.package);
    let known = protocols::find(workspace, wanted)?;
    let served = match (known, outside) {
        (Some(known), _) => known,
        (None, Some(_)) => Protocol::own(wanted)?,
        (None, None) if protocol.is_none() => {
            let made = add_protocol(workspace, &mut plan, wanted)?;
            plan.next.push(format!("The protocol {wanted} was made too: begin with its trait."));
            plan.next.push("cargo xtask docs --generate".into());
            made
        }
        (None, None) => bail!(
            "there is no protocol {wanted:?}; there are {}. `cargo xtask new protocol {wanted}` makes it",
            protocols::names(workspace)?.join(", ")
        ),
    };
    let folder = match outside {
        Some(path) => outside_of(workspace, path)?,
        None => workspace.root.join(kind.folder()).join(&names.package),
    };
    ensure!(!folder.join("Cargo.toml").exists(), "there is a crate in {} already", folder.display());
    let template =
        Template { kind, names, protocol: &served, compatible, checkout: outside.map(|_| workspace.root.as_path()) };
    plan.add(folder.join("Cargo.toml"), template.manifest());
    plan.rust(folder.join("src/lib.rs"), &template.library(), outside.is_some())?;
    plan.rust(folder.join("src/main.rs"), &template.program(), outside.is_some())?;
    if outside.is_some() {
        if let Some(text) = served.text() {
            plan.rust(folder.join("src/protocol.rs"), text, true)?;
        }
        stand_alone(workspace, &mut plan, &folder)?;
        plan.next.push(format!("cargo test, in {}", folder.display()));
        plan.next.push(format!("cargo xtask run --with {}", folder.display()));
    } else {
        plan.change(workspace.root.join("board/virt/board.toml"), |text| register::set(text, &names.package))?;
        plan.next.push(format!("cargo test -p {}", names.package));
        plan.next.push(format!("cargo xtask run --set {}", names.package));
    }
    Ok(plan)
}

fn protocol(workspace: &Workspace, name: &str, outside: Option<&Path>) -> Result<Plan> {
    let mut plan = Plan::new();
    ensure!(protocols::find(workspace, name)?.is_none(), "there is a protocol {name:?} already");
    let Some(path) = outside else {
        add_protocol(workspace, &mut plan, name)?;
        plan.next.extend(["cargo test -p tutti-ipc", "cargo xtask docs --generate"].map(str::to_owned));
        return Ok(plan);
    };
    let folder = outside_of(workspace, path)?;
    let names = Names::new(workspace, name)?;
    let served = Protocol::own(name)?;
    let template = Template {
        kind: Kind::Protocol,
        names: &names,
        protocol: &served,
        compatible: "",
        checkout: Some(workspace.root.as_path()),
    };
    plan.add(folder.join("Cargo.toml"), template.manifest());
    plan.rust(folder.join("src/lib.rs"), &template.library(), true)?;
    plan.rust(folder.join("src/protocol.rs"), served.text().unwrap_or_default(), true)?;
    stand_alone(workspace, &mut plan, &folder)?;
    plan.next.push(format!("cargo test, in {}", folder.display()));
    Ok(plan)
}

/// A module of the crate that has all protocols, and the layouts that its tests hold it to.
fn add_protocol(workspace: &Workspace, plan: &mut Plan, name: &str) -> Result<Protocol> {
    let own = Protocol::own(name)?;
    let source = workspace.root.join("userland/ipc/src");
    let released = workspace.root.join("userland/ipc/released").join(format!("{name}-1"));
    plan.add(released, include_str!("../templates/protocol/released.txt").into());
    plan.rust(source.join(format!("{}.rs", own.module)), own.text().unwrap_or_default(), false)?;
    plan.change(source.join("lib.rs"), |text| register::protocol(text, &own.module, &own.constant()))?;
    Ok(own.in_ipc())
}

/// What a crate outside takes over from the checkout: the versions of everything.
fn stand_alone(workspace: &Workspace, plan: &mut Plan, folder: &Path) -> Result<()> {
    let lock = workspace.root.join("Cargo.lock");
    let text = fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    plan.add(folder.join("Cargo.lock"), text);
    plan.add(folder.join(".gitignore"), "/target\n".into());
    Ok(())
}

/// The folder of a crate of its own. In one of the repository's it would be a second workspace, and cargo would read neither.
fn outside_of(workspace: &Workspace, path: &Path) -> Result<PathBuf> {
    let folder = std::path::absolute(path).with_context(|| format!("--path {}", path.display()))?;
    let there = folder.ancestors().find_map(|folder| folder.canonicalize().ok());
    let inside = there.is_some_and(|there| there.starts_with(&workspace.root));
    let built = folder.starts_with(workspace.tutti());
    ensure!(
        !inside || built,
        "--path {}: it lies in the repository; without --path a crate is made there",
        path.display()
    );
    Ok(folder)
}
