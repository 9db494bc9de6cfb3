//! What is printed survives a warm reset where the tree says so, in the layout in which Linux finds it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::console::Console;
use crate::lab::{Boot, Case, Lab, contains};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("kept.boot", "what the kernel and init print is in ramoops", boots),
        Case::new("kept.panic", "the last words of a kernel are in ramoops", panics),
    ]
}

const PATIENCE: Duration = Duration::from_secs(20);

/// Six records of 0x2_0000, then the console.
const OVERLAY: &str = r#"/dts-v1/;
/plugin/;
/ {
    fragment@0 {
        target-path = "/";
        __overlay__ {
            reserved-memory {
                #address-cells = <2>;
                #size-cells = <2>;
                ranges;
                ramoops@50000000 {
                    compatible = "ramoops";
                    reg = <0 0x50000000 0 0x100000>;
                    record-size = <0x20000>;
                    console-size = <0x40000>;
                };
            };
        };
    };
};
"#;
const ZONE: u64 = 0x5000_0000 + 6 * 0x2_0000;
const BYTES: usize = 0x4_0000;

/// Boots with a ramoops node beside what QEMU says; also a file for what is in it.
fn boot(lab: &mut Lab, boot: Boot) -> Result<(Console, PathBuf)> {
    let tree = lab.device_tree_for(boot.clone())?;
    let folder = lab.scratch()?;
    let [base, source, overlay, merged] =
        ["base.dtb", "overlay.dts", "overlay.dtbo", "merged.dtb"].map(|it| folder.join(it));
    fs::write(&base, tree)?;
    fs::write(&source, OVERLAY)?;
    let run = |command: &mut Command| -> Result<()> {
        let output = command.output().context("cannot run dtc or fdtoverlay (package device-tree-compiler)")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    run(Command::new("dtc").args(["-q", "-I", "dts", "-O", "dtb", "-o"]).arg(&overlay).arg(&source))?;
    run(Command::new("fdtoverlay").arg("-i").arg(&base).arg("-o").arg(&merged).arg(&overlay))?;
    Ok((lab.boot(Boot { tree: Some(merged), ..boot })?, folder.join("zone")))
}

/// The text as Linux' fs/pstore/ram_core.c takes it out of the memory.
fn kept(console: &mut Console, file: &Path) -> Result<String> {
    let arguments = json!({ "val": ZONE, "size": BYTES, "filename": file });
    console.qmp()?.execute("pmemsave", arguments)?;
    let zone = fs::read(file)?;
    ensure!(zone.len() == BYTES, "{} bytes of the zone", zone.len());
    let word = |at: usize| u32::from_le_bytes([zone[at], zone[at + 1], zone[at + 2], zone[at + 3]]) as usize;
    let (signature, start, size) = (word(0), word(4), word(8));
    if signature != 0x4347_4244 {
        return Ok(String::new());
    }
    ensure!(start <= size && size <= BYTES - 12, "start {start:#x}, size {size:#x}");
    let text = [&zone[12 + start..12 + size], &zone[12..12 + start]].concat();
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn wait_for(console: &mut Console, file: &Path, words: &[&str]) -> Result<()> {
    let start = Instant::now();
    loop {
        let text = kept(console, file)?;
        if words.iter().all(|words| text.contains(words)) {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            return words.iter().try_for_each(|words| contains(&text, words));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn boots(lab: &mut Lab) -> Result<()> {
    // Without a driver for the console init prints through the kernel.
    let (mut console, file) =
        boot(lab, Boot { set: Some("mute"), bootargs: Some("log=debug".into()), ..Boot::default() })?;
    wait_for(&mut console, &file, &["kernel: debug: entering init\n", "Tutti: ", "crash-loop"])
}

fn panics(lab: &mut Lab) -> Result<()> {
    // What halts stays until it is looked at, if nobody can switch the machine off.
    let (mut console, file) = boot(
        lab,
        Boot { bootargs: Some("selftest=panic".into()), extra: vec!["-no-shutdown".into()], ..Boot::default() },
    )?;
    console.expect("kernel halted")?;
    wait_for(&mut console, &file, &["kernel panic", "asked for by selftest=panic", "backtrace:"])
}
