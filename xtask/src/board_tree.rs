//! The device tree of a board, where it is not the emulator's: a file of its folder or of Debian's kernel package, with the board's
//! overlays on top.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::board::Board;
use crate::debian::Debian;
use crate::setup::Setup;
use crate::tools;
use crate::workspace::{self, Workspace};

/// Finds it, or makes it in the folder of what is built; none where the emulator makes it.
pub fn of(workspace: &Workspace, setup: &Setup, board: &Board, built: &Path) -> Result<Option<PathBuf>> {
    let Some(machine) = &board.machine else { return Ok(None) };
    let Some(name) = &machine.tree else {
        let file = board.folder.join("board.toml");
        ensure!(machine.overlays.is_empty(), "{}: overlays need a `tree` that they go on top of", file.display());
        return Ok(None);
    };
    let base = match board.folder.join(name) {
        own if own.is_file() => own,
        _ => Debian::get(workspace, setup)?.tree(name)?,
    };
    if machine.overlays.is_empty() {
        return Ok(Some(base));
    }
    setup.require(&[&tools::DTC])?;
    let overlays = machine.overlays.iter().enumerate();
    let overlays: Vec<PathBuf> =
        overlays.map(|(number, name)| compiled(&board.folder.join(name), built, number)).collect::<Result<_>>()?;
    let merged = built.join("board.dtb");
    merge(&base, &overlays, &merged)?;
    Ok(Some(merged))
}

/// An overlay as `fdtoverlay` takes it.
fn compiled(file: &Path, built: &Path, number: usize) -> Result<PathBuf> {
    ensure!(file.is_file(), "there is no overlay {}", file.display());
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("dtbo") => Ok(file.into()),
        Some("dtso" | "dts") => {
            let out = built.join(format!("overlay-{number}.dtbo"));
            let dtc = tools::DTC.find().context("dtc is not there")?;
            let mut command = Command::new(dtc);
            command.args(["-q", "-@", "-I", "dts", "-O", "dtb", "-o"]).arg(&out).arg(file);
            workspace::output(&mut command).with_context(|| format!("{} is no overlay", file.display()))?;
            Ok(out)
        }
        _ => bail!("{}: an overlay is a .dtbo, or its source, a .dtso", file.display()),
    }
}

/// Puts overlays on top of a tree, one after the other, as `fdtoverlay` does. Which of them does not fit is said.
pub fn merge(base: &Path, overlays: &[PathBuf], out: &Path) -> Result<()> {
    let program = tools::FDTOVERLAY.find().context("fdtoverlay is not there")?;
    let mut below = base.to_owned();
    let unfinished = out.with_extension("unfinished");
    for overlay in overlays {
        let mut command = Command::new(&program);
        command.arg("-i").arg(&below).arg("-o").arg(&unfinished).arg(overlay);
        workspace::output(&mut command).with_context(|| {
            format!(
                "{} does not go on top of {}: it has another board's, or the tree has no __symbols__",
                overlay.display(),
                base.display()
            )
        })?;
        fs::rename(&unfinished, out).with_context(|| format!("cannot make {}", out.display()))?;
        below = out.to_owned();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is merged one by one is what `fdtoverlay` makes of all; and what does not fit is named.
    #[test]
    fn overlays_go_on_top_as_fdtoverlay_puts_them() {
        let folder = std::env::temp_dir().join(format!("tutti-overlays-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let compile = |name: &str, text: &str| {
            let source = folder.join(format!("{name}.dtso"));
            fs::write(&source, text).unwrap();
            compiled(&source, &folder, usize::from(name.as_bytes()[0])).unwrap()
        };
        let base = compile("base", "/dts-v1/; / { one: node@1 { x = <1>; two: inner { }; }; };");
        let overlay = |target: &str, body: &str| format!("/dts-v1/; /plugin/; &{target} {{ {body} }};");
        let all = [
            compile("a", &overlay("one", "x = <2>; added: new { self = <&added>; other = <&two>; };")),
            compile("c", &overlay("two", "y = \"text\";")),
        ];
        let (mine, theirs) = (folder.join("mine.dtb"), folder.join("theirs.dtb"));
        merge(&base, &all, &mine).unwrap();
        let mut command = Command::new(tools::FDTOVERLAY.find().unwrap());
        workspace::output(command.arg("-i").arg(&base).arg("-o").arg(&theirs).args(&all)).unwrap();
        let source = |file: &Path| {
            let mut dtc = Command::new(tools::DTC.find().unwrap());
            workspace::output(dtc.args(["-q", "-s", "-I", "dtb", "-O", "dts"]).arg(file)).unwrap()
        };
        assert_eq!(source(&mine), source(&theirs));
        let wrong = compile("d", &overlay("nowhere", "x = <1>;"));
        let error = merge(&base, &[wrong], &mine).unwrap_err().to_string();
        assert!(error.contains("does not go on top of"), "{error}");
        let error = compiled(&folder.join("e.txt"), &folder, 0).unwrap_err().to_string();
        assert!(error.contains("there is no overlay"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
