//! `trace`: boots, lets the shell record what all cores do, and writes a timeline that ui.perfetto.dev opens.

mod recording;
mod timeline;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use system_tests::{Boot, Console, Disk, Lab};

use crate::board::Board;
use crate::build;
use crate::qemu;
use crate::run::disk_image;
use crate::setup::Setup;
use crate::symbols::Symbols;
use crate::tools;
use crate::workspace::Workspace;
use recording::Recording;

/// The bundle whose shell has room for records.
const SET: &str = "trace";
/// How long the shell may take to print them, beside the time that is recorded.
const PATIENCE: Duration = Duration::from_secs(180);

/// What `trace` takes.
#[derive(Args)]
pub struct Options {
    /// A folder of board/
    #[arg(long, default_value = "virt")]
    board: String,
    /// The core: cortex-a53, cortex-a72, cortex-a76, max
    #[arg(long)]
    cpu: Option<String>,
    /// How many cores
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=8))]
    smp: Option<u32>,
    /// A raw disk image; without it a small sample disk is made
    #[arg(long, value_name = "FILE")]
    disk: Option<PathBuf>,
    /// What the shell does meanwhile
    #[arg(long, value_name = "LINE", default_value = "ls")]
    command: String,
    /// Record so many seconds in the place of a command
    #[arg(long, value_name = "N", conflicts_with = "command")]
    seconds: Option<f64>,
    /// Where the timeline goes
    #[arg(short, long, value_name = "FILE", default_value = "trace.json")]
    output: PathBuf,
}

impl Options {
    /// What is typed at the prompt, and how long that takes at least.
    fn line(&self) -> Result<(String, Duration)> {
        let Some(seconds) = self.seconds else { return Ok((format!("trace {}", self.command), Duration::ZERO)) };
        let time = Duration::try_from_secs_f64(seconds).context("--seconds")?;
        Ok((format!("trace {}", time.as_millis()), time))
    }
}

pub fn run(workspace: &Workspace, setup: &Setup, options: Options) -> Result<ExitCode> {
    setup.require(&[&tools::QEMU])?;
    setup.require(&tools::DISK)?;
    let (line, time) = options.line()?;
    check_output(&options.output)?;
    let board = Board::read(workspace, &options.board)?;
    let built = build::build(workspace, setup, &board)?;
    let mut machine = qemu::machine(&board, &built, Some(SET))?;
    machine.cpu = options.cpu.or(machine.cpu);
    machine.smp = options.smp.unwrap_or(machine.smp);
    let disks = vec![Disk::File(disk_image(workspace, options.disk)?)];
    let mut lab = Lab::new(machine, &workspace.tutti(), Symbols::new(&built.folder).shared())?;
    let mut console = lab.boot_to_prompt(Boot { disks, ..Boot::default() })?;
    let text = record(&mut console, &line, time + PATIENCE)?;
    let recording = Recording::parse(&text)?;
    let timeline = timeline::of(&recording);
    fs::write(&options.output, format!("{timeline:#}\n"))
        .with_context(|| format!("cannot write {}", options.output.display()))?;
    println!("{}", recording.said);
    println!(
        "{} events on {} core{}, {} lost: open {} in https://ui.perfetto.dev",
        recording.records.len(),
        recording.cores,
        if recording.cores == 1 { "" } else { "s" },
        recording.lost(),
        options.output.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Refuses a file that cannot be written before anything is recorded for it.
fn check_output(file: &Path) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure!(folder.is_dir(), "--output {}: there is no folder {}", file.display(), folder.display());
    ensure!(!file.is_dir(), "--output {}: it is a folder", file.display());
    Ok(())
}

fn record(console: &mut Console, line: &str, patience: Duration) -> Result<String> {
    let text = console.command_within(line, patience)?;
    ensure!(text.contains("@end "), "nothing was recorded:\n{text}");
    Ok(text)
}
