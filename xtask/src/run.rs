//! `run`: builds everything and boots it, to the shell's prompt.

use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use system_tests::{Disk, Machine, Net, Serial, disk};

use crate::board::Board;
use crate::build::{self, Built};
use crate::component;
use crate::outside;
use crate::qemu::{self, BusName};
use crate::setup::Setup;
use crate::symbols::{Annotator, Symbols};
use crate::tools;
use crate::workspace::Workspace;

/// What `run` takes.
#[derive(Args)]
pub struct Options {
    /// A folder of board/, or the path of one anywhere
    #[arg(long, default_value = "virt")]
    board: String,
    /// The core: cortex-a53, cortex-a72, cortex-a76, max, or another of QEMU's
    #[arg(long)]
    cpu: Option<String>,
    /// How many cores, 1 to 8
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=8))]
    smp: Option<u32>,
    /// Memory, such as 512M or 8G
    #[arg(long)]
    memory: Option<String>,
    /// A raw disk image; without it a small sample disk is made
    #[arg(long, value_name = "FILE")]
    disk: Option<PathBuf>,
    /// The serial line on plain standard input and output, without QEMU's monitor and its Ctrl-A
    #[arg(long)]
    headless: bool,
    /// Wait for `cargo xtask gdb` before the first instruction
    #[arg(long)]
    gdb: bool,
    /// How much is logged
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: Level,
    /// Version of the interrupt controller, 2 or 3
    #[arg(long, value_parser = clap::value_parser!(u8).range(2..=3))]
    gic: Option<u8>,
    /// Where the virtio devices are: on PCI behind an SMMU, or where the device tree names their registers; what the board says if it is
    /// not said
    #[arg(long)]
    bus: Option<BusName>,
    /// Enter the kernel at EL2
    #[arg(long)]
    el2: bool,
    /// A set of the board: further components
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// The folder of a crate outside of the repository whose components are added; may be given several times
    #[arg(long, value_name = "DIR")]
    with: Vec<PathBuf>,
}

/// The kernel's log levels.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

pub fn run(workspace: &Workspace, setup: &Setup, options: Options) -> Result<ExitCode> {
    let mut needed = vec![&tools::QEMU];
    if options.disk.is_none() {
        needed.extend(tools::DISK);
    }
    setup.require(&needed)?;
    options.disk.as_deref().map_or(Ok(()), check_disk)?;
    options.memory.as_deref().map_or(Ok(()), check_memory)?;
    let board = Board::read(workspace, &options.board)?;
    board.selection(options.set.as_deref())?;
    options.with.iter().try_for_each(|folder| outside::check_folder(workspace, folder))?;
    let built = build::build(workspace, setup, &board)?;
    let serial = if options.headless { Serial::Pipe } else { Serial::Terminal };
    let (set, with) = (options.set.clone(), options.with.clone());
    let mut machine = machine(workspace, &board, &built, options)?;
    if !with.is_empty() {
        machine.bundle = Some(outside::bundle(workspace, setup, &board, &built, set.as_deref(), &with, "with")?);
    }
    if serial == Serial::Terminal {
        eprintln!("To leave QEMU: `poweroff` at the prompt, or Ctrl-A and then X.");
    }
    if machine.gdb {
        eprintln!("Waiting for `cargo xtask gdb` in another terminal.");
    }
    boot(&machine, serial, Symbols::new(&built.folder))
}

fn machine(workspace: &Workspace, board: &Board, built: &Built, options: Options) -> Result<Machine> {
    let machine = qemu::machine(board, built, options.set.as_deref())?;
    let has_disk = options.disk.is_some() || machine.has_disks();
    let disks = if has_disk { vec![Disk::File(disk_image(workspace, options.disk)?)] } else { Vec::new() };
    let mut machine = Machine {
        cpu: options.cpu.or(machine.cpu),
        smp: options.smp.unwrap_or(machine.smp),
        memory: options.memory.unwrap_or(machine.memory),
        gic: options.gic.or(machine.gic),
        el2: options.el2,
        bus: options.bus.map_or(machine.bus, Into::into),
        iommu: options.bus.map_or(machine.iommu, |bus| matches!(bus, BusName::Pci)),
        disks,
        bootargs: format!("log={}", format!("{:?}", options.log).to_lowercase()),
        gdb: options.gdb,
        ..machine
    };
    // As far as the board has places for them.
    if machine.places() > 0 {
        machine.nets.push(Net::user());
    }
    if machine.places() > 1 {
        machine.devices.push("virtio-rng-device".into());
    }
    Ok(machine)
}

/// Refuses what cannot be a disk before anything is built for it.
pub fn check_disk(file: &Path) -> Result<()> {
    ensure!(file.exists(), "--disk {}: there is no such file", file.display());
    ensure!(file.is_file(), "--disk {}: it is no plain file; a raw disk image is wanted", file.display());
    Ok(())
}

/// The least in which the board boots.
const LEAST: u64 = 16 << 20;
/// What QEMU's `virt` takes at most.
const MOST: u64 = 255 << 30;

/// Refuses what QEMU would take for something else, or the system does not fit in.
fn check_memory(text: &str) -> Result<()> {
    let fits = component::bytes(text).is_ok_and(|bytes| (LEAST..=MOST).contains(&bytes));
    ensure!(fits && text.ends_with(['M', 'G']), "--memory {text}: it is between 16M and 255G, such as 512M or 2G");
    Ok(())
}

/// The disk that was chosen, or a small one with a few files.
pub fn disk_image(workspace: &Workspace, chosen: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(file) = chosen {
        check_disk(&file)?;
        return Ok(file);
    }
    let sample = workspace.tutti().join("sample.img");
    if !sample.exists() {
        eprintln!("Making a sample disk: {}", sample.display());
    }
    disk::sample(&sample)?;
    Ok(sample)
}

/// Starts QEMU and passes its output on. Input goes to it directly.
fn boot(machine: &Machine, serial: Serial, symbols: Symbols) -> Result<ExitCode> {
    let mut command = machine.command(serial)?;
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start QEMU")?;
    let result = pass_on(&mut child, symbols);
    if result.is_err() {
        // Nobody reads any more: QEMU would wait for that for ever.
        let _ = child.kill();
    }
    let status = child.wait()?;
    result?;
    if io::stdout().is_terminal() {
        println!();
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Output that waits. QEMU makes its input non-blocking, and on a terminal that is the same open file as our output: a
/// write finds it full whenever the terminal is slower than QEMU.
struct Patient<W>(W);

impl<W: Write> Patient<W> {
    fn retry<T>(&mut self, mut attempt: impl FnMut(&mut W) -> io::Result<T>) -> io::Result<T> {
        loop {
            match attempt(&mut self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                result => return result,
            }
        }
    }
}

impl<W: Write> Write for Patient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.retry(|to| to.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.retry(Write::flush)
    }
}

fn pass_on(child: &mut Child, symbols: Symbols) -> Result<()> {
    let mut from = child.stdout.take().context("no pipe to QEMU")?;
    let mut to = Annotator::new(Patient(io::stdout().lock()), symbols);
    let mut buffer = [0; 4096];
    loop {
        let count = from.read(&mut buffer).context("QEMU's output cannot be read")?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..count])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a byte every second time, as a terminal that is slower than its writer.
    struct Slow(Vec<u8>, bool);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.0.extend_from_slice(&bytes[..1]);
            Ok(1)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_slow_terminal_loses_nothing() {
        let mut to = Patient(Slow(Vec::new(), false));
        to.write_all(b"many bytes").unwrap();
        assert_eq!(to.0.0, b"many bytes");
    }

    #[test]
    fn memory_that_cannot_be_is_refused() {
        for fine in ["16M", "512M", "255G"] {
            assert!(check_memory(fine).is_ok(), "{fine}");
        }
        for wrong in ["0", "1M", "256G", "abc", "", "512", "99999999999G", "1048576K"] {
            let error = check_memory(wrong).expect_err(wrong).to_string();
            assert!(error.starts_with(&format!("--memory {wrong}: ")), "{error}");
        }
    }
}
