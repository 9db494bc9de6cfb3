//! The tree of a machine that nobody has seen: QEMU's, with its nodes the other way round, another UART in front, and devices that are off.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::tools;
use crate::workspace;

/// A UART that is off, and that nothing is behind: whoever touches it has a bus error.
const OTHER_UART: &str = "\tserial@9040000 {\n\t\tcompatible = \"arm,pl011\", \"arm,primecell\";\n\t\treg = <0x0 0x9040000 0x0 0x1000>;\n\
                          \t\tinterrupts = <0x0 0x8 0x4>;\n\t\tstatus = \"disabled\";\n\t};\n";

/// Writes it for a machine with these options of QEMU.
pub fn write(file: &Path, machine: &[&str]) -> Result<()> {
    let (qemu, dtc) =
        (tools::QEMU.find().context("QEMU is not there")?, tools::DTC.find().context("dtc is not there")?);
    let dumped = file.with_extension("qemu.dtb");
    let mut command = Command::new(qemu);
    command.args(machine).args([
        "-display",
        "none",
        "-net",
        "none",
        "-machine",
        &format!("dumpdtb={}", dumped.display()),
    ]);
    workspace::output(&mut command)?;
    let source = workspace::output(Command::new(&dtc).args(["-q", "-I", "dtb", "-O", "dts"]).arg(&dumped))?;
    let changed = file.with_extension("dts");
    fs::write(&changed, changed_source(&source)?).with_context(|| format!("cannot write {}", changed.display()))?;
    workspace::output(Command::new(&dtc).args(["-q", "-I", "dts", "-O", "dtb", "-o"]).arg(file).arg(&changed))?;
    fs::remove_file(&dumped).with_context(|| format!("cannot remove {}", dumped.display()))
}

fn changed_source(source: &str) -> Result<String> {
    let (head, body) = source.split_once("/ {\n").context("dtc wrote no root")?;
    let (mut properties, mut nodes, mut open) = (String::new(), Vec::<String>::new(), false);
    for line in body.lines() {
        let begins = line.starts_with('\t') && !line.starts_with("\t\t") && line.ends_with('{');
        if begins {
            nodes.push(String::new());
            open = true;
        }
        match nodes.last_mut().filter(|_| open) {
            Some(node) => *node += &format!("{line}\n"),
            None if line.starts_with('\t') => properties += &format!("{line}\n"),
            None => {}
        }
        open &= line != "\t};";
    }
    ensure!(nodes.len() > 10, "only {} nodes", nodes.len());
    let off = |node: String| match node.trim_start().starts_with("pl031@") {
        true => node.replacen("{\n", "{\n\t\tstatus = \"disabled\";\n", 1),
        false => node,
    };
    let nodes: String = nodes.into_iter().rev().map(off).collect();
    let properties = properties.replace("linux,dummy-virt", "maker,phone");
    ensure!(nodes.contains("disabled") && properties.contains("maker,phone"), "QEMU's tree is another");
    Ok(format!("{head}/ {{\n{properties}\n{OTHER_UART}{nodes}}};\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_stand_the_other_way_round() {
        let node = |name: &str| format!("\t{name} {{\n\t\tinner {{\n\t\t\tx;\n\t\t}};\n\t}};\n\n");
        let names: Vec<String> = (0..11).map(|number| format!("node@{number}")).chain(["pl031@1".into()]).collect();
        let nodes: String = names.iter().map(|name| node(name)).collect();
        let source = format!("/dts-v1/;\n\n/ {{\n\tcompatible = \"linux,dummy-virt\";\n\n{nodes}}};\n");
        let changed = changed_source(&source).unwrap();
        let places: Vec<usize> = names.iter().map(|name| changed.find(&format!("\t{name} {{")).unwrap()).collect();
        assert!(places.is_sorted_by(|one, other| one > other), "{changed}");
        assert!(changed.find("serial@9040000").unwrap() < places[11]);
        assert!(changed.contains("pl031@1 {\n\t\tstatus = \"disabled\";\n"));
        assert_eq!(changed.matches("x;").count(), 12);
        assert!(changed_source("nothing").is_err());
    }
}
