//! `compare`: the disk under Tutti and under Debian's Linux, in the same emulator, on the same disk, by the host's clock.
//! They take turns, so that whatever else the host does meets both. It takes minutes, and is no part of `ci`.

pub mod initramfs;
mod stamps;
mod table;

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use disk_jobs::{BEGIN, DONE, END, FAILED, JOBS};
use system_tests::{Boot, Bus, Case, Console, Disk, Lab, Outcome};

use crate::board::Board;
use crate::build::{self, Built};
use crate::debian::Debian;
use crate::qemu;
use crate::setup::Setup;
use crate::symbols::Symbols;
use crate::toolchain::{Target, Toolchain};
use crate::tools;
use crate::workspace::{self, Workspace};
use initramfs::Archive;
use table::Table;

/// The package and program of the Linux side.
pub const LINUX: &str = "linux-disk";
/// The board's set of the Tutti side.
const SET: &str = "bench-disk";
/// How long a boot or a job may take.
const PATIENCE: Duration = Duration::from_secs(240);

/// What `compare` takes.
#[derive(Args)]
pub struct Options {
    /// How often each system is booted
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The core
    #[arg(long, default_value = "cortex-a53")]
    cpu: String,
    /// Write all times to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The two that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    Tutti,
    Linux,
}

impl System {
    pub const BOTH: [Self; 2] = [Self::Tutti, Self::Linux];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Tutti => "Tutti",
            Self::Linux => "Linux",
        }
    }
}

pub fn run(workspace: &Workspace, setup: &Setup, options: Options) -> Result<ExitCode> {
    setup.require(&[&tools::QEMU])?;
    let board = Board::read(workspace, "virt")?;
    let built = build::build(workspace, setup, &board)?;
    let folder = workspace.tutti().join("compare");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let debian = Debian::get(workspace, setup)?;
    let program = linux_program(workspace, setup)?;
    let ramdisk = folder.join("initramfs.cpio");
    write(&ramdisk, &initramfs(&debian, &program)?)?;
    let disk = folder.join("disk.img");
    let bench = Bench { workspace, board: &board, built: &built, debian: &debian, ramdisk, disk, cpu: &options.cpu };
    let mut table = Table::new(&debian.version);
    for round in 1..=options.rounds {
        for system in System::BOTH {
            println!("round {round} of {}: {}", options.rounds, system.name());
            table.add(system, bench.measure(system)?);
        }
    }
    table.print();
    options.json.as_ref().map_or(Ok(()), |file| table.write(file))?;
    Ok(if table.is_reached() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// An initial ramdisk of this program and the kernel's modules.
fn initramfs(debian: &Debian, program: &[u8]) -> Result<Vec<u8>> {
    let mut archive = Archive::new();
    archive.folder("dev");
    archive.folder("sys");
    archive.console("dev/console");
    archive.file("init", 0o755, program);
    for module in debian.modules() {
        let (name, bytes) = module?;
        archive.file(name, 0o644, &bytes);
    }
    Ok(archive.finish())
}

/// Linux runs a program built like the kernel, because it needs nothing from any system's library.
fn linux_program(workspace: &Workspace, setup: &Setup) -> Result<Vec<u8>> {
    let toolchain = Toolchain::find(workspace, setup)?;
    let mut cargo = toolchain.cargo(workspace, "build", Target::Soft);
    workspace::run(cargo.args(["-p", LINUX, "--bin", LINUX]))?;
    let path = workspace.bare().join(Target::Soft.triple()).join("release").join(LINUX);
    std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Everything needed to boot either.
struct Bench<'a> {
    workspace: &'a Workspace,
    board: &'a Board,
    built: &'a Built,
    debian: &'a Debian,
    ramdisk: PathBuf,
    disk: PathBuf,
    cpu: &'a str,
}

impl Bench<'_> {
    /// The time of each job, in the order of [`JOBS`]; afterwards the disk must hold what was written.
    fn measure(&self, system: System) -> Result<Vec<Duration>> {
        stamps::fill(&self.disk)?;
        let times = self.boot(system)?;
        stamps::check(&self.disk).with_context(|| format!("after {} has written", system.name()))?;
        Ok(times)
    }

    fn boot(&self, system: System) -> Result<Vec<Duration>> {
        let mut machine = qemu::machine(self.board, self.built, Some(SET))?;
        (machine.bus, machine.iommu) = (Bus::Mmio, false);
        machine.cpu = Some(self.cpu.into());
        machine.smp = 1;
        machine.extra = ["-accel", "tcg"].map(str::to_owned).into();
        machine.bootargs = format!("{} mitigations=off", machine.bootargs);
        if system == System::Linux {
            machine.kernel.clone_from(&self.debian.kernel);
            machine.bundle = Some(self.ramdisk.clone());
            machine.bootargs = "console=ttyAMA0 quiet mitigations=off".into();
        }
        let disk = self.disk.clone();
        let symbols = Symbols::new(&self.built.folder);
        let mut lab = Lab::new(machine, &self.workspace.tutti(), symbols.shared())?;
        let times = Rc::new(RefCell::new(Vec::new()));
        let result = times.clone();
        let case = Case::new(format!("compare.{}", system.name()), "measures", move |lab: &mut Lab| {
            let mut console = lab.boot(Boot { disks: vec![Disk::File(disk.clone())], ..Boot::default() })?;
            result.borrow_mut().extend(watch(&mut console)?);
            Ok(())
        });
        match lab.run(&case) {
            Outcome::Passed(_) => Ok(times.take()),
            Outcome::Failed(error, logs) => {
                let logs: Vec<_> = logs.iter().map(|log| log.display().to_string()).collect();
                Err(error.context(format!("{}: console output: {}", system.name(), logs.join(", "))))
            }
        }
    }
}

/// Waits for each job's two lines. The times are those at which they arrive.
fn watch(console: &mut Console) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for job in JOBS {
        line(console, &format!("{BEGIN}{}\n", job.name))?;
        let start = Instant::now();
        line(console, &format!("{END}{}\n", job.name))?;
        times.push(start.elapsed());
    }
    line(console, DONE)?;
    Ok(times)
}

fn line(console: &mut Console, text: &str) -> Result<()> {
    match console.expect_any(&[text, FAILED], PATIENCE)? {
        0 => Ok(()),
        _ => bail!("{}", console.expect("\n")?.trim()),
    }
}

/// Writes a file whole.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
