//! `test`: on the host, then in the booted image. The last line is `N passed, N failed`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, IsTerminal, Write, stdout};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use system_tests::{Case, Lab, Machine, Outcome};

use crate::board::{self, Board};
use crate::build;
use crate::port;
use crate::pstore;
use crate::qemu::{self, BusName};
use crate::setup::Setup;
use crate::symbols::Symbols;
use crate::tools;
use crate::trial;
use crate::workspace::Workspace;

/// The board on which everything is developed.
pub const VIRT: &str = "virt";

/// Of the trees in Debian's kernel package each so-many-th is held against dtc.
const SAMPLE: usize = 8;

/// Trees with errors that are read.
const MUTATIONS: u32 = 1000;

/// What `test` takes.
#[derive(Args, Default)]
pub struct Options {
    /// Only tests whose name contains this
    filter: Option<String>,
    /// Print the names and sentences of the system tests
    #[arg(long)]
    list: bool,
    /// Only the tests on the host
    #[arg(long, conflicts_with = "system")]
    host: bool,
    /// Only the tests in the booted image
    #[arg(long)]
    system: bool,
    /// Only the tests in the image as booted by this folder of board/; else those of virt, and then the others as far as they have
    /// what a test needs
    #[arg(long, value_name = "NAME", conflicts_with = "host")]
    board: Option<String>,
    #[command(flatten)]
    machine: Deviations,
}

/// What the machine of the system tests is, where it is not the board's and the test does not say otherwise.
#[derive(Args, Clone, Default, PartialEq, Eq)]
pub struct Deviations {
    /// Where the virtio devices are in the booted image; what the board says if it is not said
    #[arg(long)]
    bus: Option<BusName>,
    /// The core
    #[arg(long)]
    cpu: Option<String>,
    /// How many cores
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=8))]
    smp: Option<u32>,
    /// Version of the interrupt controller, 2 or 3
    #[arg(long, value_parser = clap::value_parser!(u8).range(2..=3))]
    gic: Option<u8>,
    /// Enter the kernel at EL2
    #[arg(long)]
    el2: bool,
}

impl Deviations {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }

    fn apply(self, machine: &mut Machine) {
        machine.bus = self.bus.map_or(machine.bus, Into::into);
        machine.cpu = self.cpu.or_else(|| machine.cpu.clone());
        machine.smp = self.smp.unwrap_or(machine.smp);
        machine.gic = self.gic.or(machine.gic);
        machine.el2 |= self.el2;
    }
}

/// How many tests went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u32,
    pub failed: u32,
}

pub fn run(workspace: &Workspace, setup: &Setup, options: Options) -> Result<ExitCode> {
    let wanted = |case: &Case| options.filter.as_ref().is_none_or(|filter| case.id.contains(filter.as_str()));
    let cases: Vec<Case> = cases().into_iter().filter(wanted).collect();
    let missed = |filter: &str| {
        format!("no test's name contains {filter:?}; `cargo xtask test --list` shows those of the system")
    };
    if options.list {
        if let Some(filter) = options.filter.as_deref().filter(|_| cases.is_empty()) {
            bail!(missed(filter));
        }
        let list: String = cases.iter().map(|case| format!("{:<40} {}\n", case.id, case.says)).collect();
        stdout().write_all(list.as_bytes()).context("the list cannot be written")?;
        return Ok(ExitCode::SUCCESS);
    }
    let tally = tests(workspace, setup, &options, &cases)?;
    if let Some(filter) = options.filter.as_deref().filter(|_| tally == Tally::default()) {
        bail!(missed(filter));
    }
    Ok(tally.close())
}

/// The tests of the booted image: those of the system, and those that hold a verb of this tool to its word.
pub fn cases() -> Vec<Case> {
    system_tests::all().into_iter().chain(port::promise::cases()).chain(pstore::cases()).collect()
}

/// Everything that is tested.
pub fn all(workspace: &Workspace, setup: &Setup) -> Result<Tally> {
    tests(workspace, setup, &Options::default(), &cases())
}

fn tests(workspace: &Workspace, setup: &Setup, options: &Options, cases: &[Case]) -> Result<Tally> {
    let mut tally = Tally::default();
    if !options.system {
        tally.add(host(workspace, options.filter.as_deref())?);
        if options.filter.as_deref().is_none_or(|filter| "models".starts_with(filter)) {
            tally.add(models(workspace)?);
        }
        if options.filter.as_deref().is_none_or(|filter| "templates".starts_with(filter)) {
            tally.add(templates(workspace)?);
        }
        if options.filter.as_deref().is_none_or(|filter| "port".starts_with(filter)) {
            tally.add(port::agree(workspace, setup, SAMPLE)?);
            tally.add(port::mutate(workspace, setup, MUTATIONS, 1)?);
        }
    }
    if !options.host && !cases.is_empty() {
        let boards = boards(workspace, options)?;
        for board in &boards {
            tally.add(system(workspace, setup, board, cases, options.machine.clone())?);
        }
        if boards.len() > 1 {
            tally.add(same_kernel(workspace, &boards)?);
        }
    }
    let outside = trial::board::case();
    let wanted = options.filter.as_ref().is_none_or(|filter| outside.id.contains(filter.as_str()));
    if !options.host && options.board.is_none() && options.machine.is_none() && wanted {
        tally.add(board_outside(workspace, setup, outside)?);
    }
    Ok(tally)
}

/// The boards whose images are tested: virt first, which has everything there is a test for. What deviates from a board's machine is
/// virt's.
fn boards(workspace: &Workspace, options: &Options) -> Result<Vec<String>> {
    if let Some(board) = &options.board {
        return Ok(vec![board.clone()]);
    }
    let others = board::names(workspace).into_iter().filter(|name| name != VIRT && options.machine.is_none());
    Ok([VIRT.to_owned()].into_iter().chain(others).collect())
}

/// A board of somebody else: it builds and boots, and of the checkout nothing but what is made was changed for it.
fn board_outside(workspace: &Workspace, setup: &Setup, case: Case) -> Result<Tally> {
    setup.require(&[&tools::GIT, &tools::QEMU, &tools::DTC])?;
    let before = trial::board::files(workspace)?;
    let folder = trial::board::make(workspace)?;
    let cases: Vec<Case> = std::iter::once(case).chain(trial::board::others()).collect();
    let mut tally = system(workspace, setup, &folder.to_string_lossy(), &cases, Deviations::default())?;
    let after = trial::board::files(workspace)?;
    if before != after {
        let changed: Vec<_> = after.iter().filter(|file| !before.contains(file)).map(|(path, ..)| path).collect();
        println!("FAILED  the checkout was changed by building a board outside of it: {changed:?}");
        tally.failed += 1;
    }
    Ok(tally)
}

/// All boards have the same kernel, byte for byte.
fn same_kernel(workspace: &Workspace, boards: &[String]) -> Result<Tally> {
    let image = |board: &String| {
        let file = workspace.out(board).join("Image");
        fs::read(&file).with_context(|| format!("cannot read {}", file.display()))
    };
    let images = boards.iter().map(image).collect::<Result<Vec<_>>>()?;
    let same = images.iter().all(|image| *image == images[0]);
    let (word, tally) =
        if same { ("ok     ", Tally { passed: 1, failed: 0 }) } else { ("FAILED ", Tally { passed: 0, failed: 1 }) };
    println!("{word} {:<40} {} have the same kernel file, byte for byte", "boards.kernel", boards.join(", "));
    Ok(tally)
}

/// `cargo test`, its results counted.
fn host(workspace: &Workspace, filter: Option<&str>) -> Result<Tally> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast"]);
    if let Some(filter) = filter {
        cargo.args(["--", filter]);
    }
    counted(cargo)
}

/// The kernel's concurrency under the model checker: built apart, because its atomics are other ones.
fn models(workspace: &Workspace) -> Result<Tally> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--release", "-p", "tutti-kernel", "--lib", "models::"]);
    cargo.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", workspace.target().join("models"));
    counted(cargo)
}

/// What `cargo xtask new` makes, outside of the repository and inside, passes its own tests.
fn templates(workspace: &Workspace) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut test = |folder: &Path, packages: &[&str]| {
        let mut cargo = workspace.cargo();
        cargo.current_dir(folder).args(["test", "--quiet", "--no-fail-fast"]);
        cargo.args(["--lib", "--bins"]).args(packages.iter().flat_map(|package| ["-p", package]));
        cargo.env("CARGO_TARGET_DIR", workspace.target().join("templates"));
        counted(cargo).map(|counts| tally.add(counts))
    };
    trial::crates(workspace)?.iter().try_for_each(|folder| test(folder, &[]))?;
    let (copy, packages) = trial::repository(workspace)?;
    test(&copy, &packages)?;
    Ok(tally)
}

/// Runs `cargo test` and counts its results.
fn counted(mut cargo: Command) -> Result<Tally> {
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("cannot start cargo test")?;
    let output = child.stdout.take().context("no pipe to cargo test")?;
    let mut tally = Tally::default();
    for line in BufReader::new(output).lines() {
        let line = line.context("cargo test cannot be read")?;
        match counts(&line) {
            Some(counts) => tally.add(counts),
            // What passes on the host passes in silence.
            None if line.ends_with(" ... ok") || line.trim().is_empty() || is_heading(&line) => {}
            None => println!("{line}"),
        }
    }
    let status = child.wait()?;
    if !status.success() && tally.failed == 0 {
        println!("cargo test did not get through ({status}): counted as one failure");
        tally.failed += 1;
    }
    println!("on the host: {} passed, {} failed", tally.passed, tally.failed);
    Ok(tally)
}

/// The numbers of a line `test result: ok. 10 passed; 0 failed; …`.
fn counts(line: &str) -> Option<Tally> {
    let numbers = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let number = |word: &str| {
        let part = numbers.split("; ").find_map(|part| part.strip_suffix(word))?;
        part.trim().parse().ok()
    };
    Some(Tally { passed: number(" passed")?, failed: number(" failed")? })
}

fn is_heading(line: &str) -> bool {
    line.strip_prefix("running ").is_some_and(|rest| rest.ends_with(" tests") || rest.ends_with(" test"))
}

/// Boots the image for each of these cases.
pub fn system(
    workspace: &Workspace,
    setup: &Setup,
    board: &str,
    cases: &[Case],
    deviations: Deviations,
) -> Result<Tally> {
    let needed: Vec<_> = [&tools::QEMU, &tools::GDB, &tools::FDTGET].into_iter().chain(tools::DISK).collect();
    setup.require(&needed)?;
    let board = Board::read(workspace, board)?;
    let built = build::build(workspace, setup, &board)?;
    if board.name == VIRT && cases.iter().any(|case| case.id.starts_with("new.")) {
        trial::bundle(workspace, setup, &board, &built)?;
    }
    if board.name == VIRT && cases.iter().any(|case| case.id.starts_with("kept.linux")) {
        pstore::prepare(workspace, setup)?;
    }
    let symbols = Symbols::new(&built.folder);
    let mut machine = qemu::machine(&board, &built, None)?;
    deviations.apply(&mut machine);
    let mut lab = Lab::new(machine, &workspace.tutti(), symbols.shared())?;
    let mut tally = Tally::default();
    let mut skipped = BTreeMap::<String, BTreeMap<&str, u32>>::new();
    for case in cases {
        if let Some(lack) = lab.lack(case) {
            let area = case.id.split_once('.').map_or(case.id.as_str(), |(area, _)| area);
            *skipped.entry(lack).or_default().entry(area).or_default() += 1;
            continue;
        }
        if stdout().is_terminal() {
            print!("{} …", case.id);
            stdout().flush()?;
        }
        let outcome = lab.run(case);
        if stdout().is_terminal() {
            print!("\r\x1b[K");
        }
        tally.add(report(&board.name, case, &outcome));
    }
    for (lack, areas) in skipped {
        let areas: Vec<_> = areas.into_iter().map(|(area, count)| format!("{area} ({count})")).collect();
        println!("skipped on {}, {lack}: {}", board.name, areas.join(", "));
    }
    Ok(tally)
}

fn report(board: &str, case: &Case, outcome: &Outcome) -> Tally {
    let id = if board == VIRT { case.id.clone() } else { format!("{board}: {}", case.id) };
    match outcome {
        Outcome::Passed(time) => {
            println!("ok      {id:<40} {} ({:.1} s)", case.says, time.as_secs_f64());
            Tally { passed: 1, failed: 0 }
        }
        Outcome::Failed(error, logs) => {
            println!("FAILED  {id:<40} {}\n{error:#}", case.says);
            logs.iter().for_each(|log| println!("    console output: {}", log.display()));
            Tally { passed: 0, failed: 1 }
        }
    }
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Prints the last line. Nothing tested is no success.
    pub fn close(self) -> ExitCode {
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 && self.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_results_are_counted() {
        let line = "test result: FAILED. 10 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(counts(line), Some(Tally { passed: 10, failed: 2 }));
        assert_eq!(counts("test a::b ... ok"), None);
        assert!(is_heading("running 1 test") && !is_heading("running late"));
    }
}
