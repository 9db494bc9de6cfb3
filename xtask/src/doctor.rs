//! `doctor`: what was found, where, and what is missing.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::setup::Manager;
use crate::toolchain::{Rustc, Toolchain, triples};
use crate::tools;
use crate::workspace::{self, Workspace};

pub fn run(workspace: &Workspace) -> Result<ExitCode> {
    let mut missing = 0;
    let mut line = |name: &str, found: Option<String>, hint: &str| match found {
        Some(found) => println!("found    {name:<22} {found}"),
        None => {
            missing += 1;
            println!("MISSING  {name:<22} {hint}");
        }
    };
    line("cargo", Some(workspace.cargo_path().display().to_string()), "");
    line("rustc", Rustc::active().ok().map(|rustc| describe(&rustc)), "rustup.rs brings it");
    let hint =
        format!("`rustup target add {}`, or a compiler with its source; `cargo xtask build` sees to it", triples(" "));
    line("build for the target", Toolchain::present(workspace).map(|toolchain| toolchain.describe()), &hint);
    for tool in tools::ALL {
        let found = tool.find().map(|path| format!("{}{}", path.display(), version(&path)));
        let command = tool.missing().install_command();
        let hint = command.map_or(tool.why.to_owned(), |command| format!("{}: {command}", tool.why));
        line(tool.name, found, &hint);
    }
    let manager = Manager::find().map(|manager| manager.program().to_owned());
    line("package manager", manager, "apt-get, dnf, pacman or brew; without one, tools are installed by hand");
    println!("{}", if missing == 0 { "nothing is missing".into() } else { format!("{missing} missing") });
    Ok(if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn describe(rustc: &Rustc) -> String {
    format!("{}.{} in {}", rustc.version.0, rustc.version.1, rustc.sysroot.display())
}

/// The first line of `--version` where the tool knows it.
fn version(path: &std::path::Path) -> String {
    let output = workspace::output(Command::new(path).arg("--version")).unwrap_or_default();
    output.lines().next().filter(|line| !line.is_empty()).map_or_else(String::new, |line| format!(" ({line})"))
}
