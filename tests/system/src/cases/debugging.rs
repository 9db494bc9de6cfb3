//! What helps to find out what the system does.

use std::env;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::lab::{Case, Lab, contains};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("debug.explain", "a metric is explained instruction by instruction", explains)]
}

/// What a verb of xtask, which also runs these tests, prints.
fn xtask(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(env::current_exe().context("which program is this")?);
    let output = command.args(arguments).stdin(Stdio::null()).output().context("cannot start xtask")?;
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "xtask {arguments:?}: {}\n{text}\n{errors}", output.status);
    Ok(text.into_owned())
}

/// A poll is short: its way into the kernel and back is one exception return, and the sums are those of the lines.
fn explains(_: &mut Lab) -> Result<()> {
    let text = xtask(&["bench", "--explain", "syscall.null"])?;
    let (listing, sums) = text.split_once("syscall.null on ").with_context(|| format!("no sums in:\n{text}"))?;
    let lines: Vec<&str> = listing.lines().filter(|line| line.contains("  0x")).collect();
    ensure!((20..200).contains(&lines.len()), "{} instructions:\n{text}", lines.len());
    let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    ensure!(count(" eret") == 1 && count(" svc #0x0") == 1, "one call of the kernel is expected:\n{text}");
    ensure!(count(" bench ") > 0 && count(" tutti-kernel ") > 0, "both sides of the call are expected:\n{text}");
    contains(sums, "user: user stub")?;
    let all = sums.lines().find_map(|line| line.strip_prefix("all ")?.split_whitespace().next()?.parse().ok());
    ensure!(all == Some(lines.len()), "the sum is {all:?}, and there are {} lines:\n{text}", lines.len());
    Ok(())
}
