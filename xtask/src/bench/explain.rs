//! `bench --explain METRIC`: one operation of a metric, instruction by instruction. The machine is stepped through QEMU's
//! debugger port from the mark that the bench program sets until the work has repeated itself, or to the second mark.

mod disassembly;
mod listing;
mod period;
mod purpose;
mod spaces;

use std::env;
use std::fs;
use std::io::{IsTerminal, Write, stderr};
use std::path::PathBuf;
use std::process::{Child, Stdio, id};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use system_tests::{Machine, Serial};

use super::boots::{Bench, NET, NVME, SMMU};
use super::goals::ROWS;
use crate::build::KERNEL;
use crate::remote::{Remote, register};
use listing::{Listing, Sum};
use spaces::{Programs, Spaces};

/// The set whose programs set marks, and that of the metrics of threads that signal each other, fault, and drive a device.
const SET: &str = "bench";
const EVENTS: &str = "bench-events";
/// The set of those who may use vector registers.
const FPU: &str = "bench-fpu";
/// The function that marks.
const MARK: &str = "bench_programs::mark";
/// The metric that ends with init's first instruction. No program can mark its beginning.
const BOOT: &str = "boot.first_user";
/// How long the machine may run to the mark, far longer than all that is measured takes.
const PATIENCE: Duration = Duration::from_secs(120);
/// Where QEMU puts the kernel's image in 512 MiB, and what is before it.
const IMAGE_AT: u64 = 0x4020_0000;
/// A space that was not looked up.
const UNKNOWN: usize = usize::MAX;
/// The instruction that waits for an interrupt.
const WFI: u32 = 0xd503_207f;
/// Instructions after which one that does not end is given up.
const MOST: usize = 3_000_000;

/// One instruction that was executed: in which address space, by its place among those seen, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub space: usize,
    pub pc: u64,
}

/// Prints one operation of a metric on a core.
pub fn explain(bench: &Bench, cpu: &str, metric: &str) -> Result<()> {
    let text = one(bench, cpu, metric, |listing| listing.text(metric, cpu))?;
    std::io::stdout().write_all(text.as_bytes()).context("standard output")
}

/// What one operation of a metric is made of.
pub fn sum(bench: &Bench, cpu: &str, metric: &str) -> Result<Sum> {
    one(bench, cpu, metric, |listing| listing.sum())
}

/// One operation of a metric on a core.
fn one<T>(bench: &Bench, cpu: &str, metric: &str, of: impl FnOnce(&Listing<'_>) -> T) -> Result<T> {
    let set = set_of(metric)?;
    let programs = Programs::read(bench.board, bench.built, set)?;
    let mut session = Session::start(bench.machine(cpu, Some(set), true)?)?;
    let mut spaces = Spaces::new(&programs, &mut session.remote)?;
    let steps = if metric == BOOT {
        session.boot(&programs, &mut spaces)?
    } else {
        session.run_to_mark(&programs, metric)?;
        session.operation(&programs, &mut spaces, metric)?
    };
    drop(session);
    Ok(of(&Listing::new(&programs, &spaces, &steps)?))
}

/// The set that measures a metric.
fn set_of(metric: &str) -> Result<&'static str> {
    ensure!(ROWS.iter().any(|row| row.name == metric), "there is no metric {metric:?}: `cargo xtask bench` lists them");
    Ok(match metric {
        "thread.create"
        | "notify.ping_pong"
        | "notify.ping_pong_urgent"
        | "irq.to_driver"
        | "fault.round_trip"
        | "fault.map_round_trip" => EVENTS,
        "ipc.call_reply_8w_fpu" | "ipc.call_reply_0w_may_fpu" => FPU,
        "net.frame_tx" | "net.frame_rx" => NET,
        _ if metric.starts_with("nvme.") => NVME,
        _ if metric.starts_with("dma.") || metric.ends_with("_smmu") => SMMU,
        "ipc.call_reply_cross_core" => {
            bail!("{metric} is time that two cores take, which cannot be stepped together: `trace --smp 2` shows them")
        }
        "ipc.scaling_2" => bail!("{metric} is a ratio of two times; its operation is ipc.call_reply_0w"),
        "latency.kernel_max" => bail!("{metric} is the largest of many stretches; `bench` says which one it was"),
        "boot.prompt" => bail!("{metric} is all of the start; {BOOT} and process.spawn are operations of it"),
        _ if metric.ends_with(".waits") || metric.ends_with(".registers") => {
            bail!("{metric} is counted beside the instructions of an operation: explain that")
        }
        _ if metric.starts_with("mem.") || metric.starts_with("image.") => {
            bail!("{metric} counts bytes, not the instructions of an operation")
        }
        _ => SET,
    })
}

/// A machine under the debugger.
struct Session {
    qemu: Child,
    socket: PathBuf,
    remote: Remote,
}

impl Drop for Session {
    fn drop(&mut self) {
        // It is ours, and there is nothing in it to be saved.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        let _ = fs::remove_file(&self.socket);
    }
}

impl Session {
    fn start(mut machine: Machine) -> Result<Self> {
        // A socket's path must be short: not below the checkout.
        let socket = env::temp_dir().join(format!("tutti-{}.gdb", id()));
        machine.extra.extend(["-S".into(), "-gdb".into(), format!("unix:{},server=on,wait=off", socket.display())]);
        let mut command = machine.command(Serial::Pipe)?;
        let qemu = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("cannot start QEMU")?;
        let remote = Remote::connect(&socket);
        let mut session = match remote {
            Ok(remote) => Self { qemu, socket, remote },
            Err(error) => {
                let mut qemu = qemu;
                let _ = qemu.kill();
                let _ = qemu.wait();
                return Err(error);
            }
        };
        session.remote.patience(PATIENCE)?;
        session.remote.step_with_interrupts()?;
        Ok(session)
    }

    /// Runs until a program marks the metric, and out of the mark.
    fn run_to_mark(&mut self, programs: &Programs, metric: &str) -> Result<()> {
        let marks = programs.addresses(MARK);
        ensure!(!marks.is_empty(), "no program of the set has the function {MARK}");
        loop {
            self.run_to(&marks).with_context(|| {
                format!("no program that measures has marked {metric:?} (is it the name of a metric?)")
            })?;
            if self.marks(metric)? {
                let back = self.remote.register(register::LR)?;
                return self.run_to(&[back]);
            }
            self.leave_behind(programs, &marks)?;
        }
    }

    /// Out of another metric's mark, or of the same address in another program. Running on would meet the breakpoint
    /// again if an interrupt comes first.
    fn leave_behind(&mut self, programs: &Programs, marks: &[u64]) -> Result<()> {
        loop {
            let pc = self.remote.register(register::PC)?;
            let space = if pc < spaces::UPPER { UNKNOWN } else { spaces::KERNEL };
            if space == UNKNOWN && !marks.contains(&pc) {
                return Ok(());
            }
            self.advance(programs, Step { space, pc }, 1)?;
        }
    }

    /// Whether the arguments of the function that is about to run name the metric.
    fn marks(&mut self, metric: &str) -> Result<bool> {
        let (text, count) = (self.remote.register(register::X0)?, self.remote.register(register::X1)?);
        Ok(count == metric.len() as u64
            && self.remote.read(text, metric.len())?.is_some_and(|bytes| bytes == metric.as_bytes()))
    }

    /// The steps of one round, or all up to the second mark.
    fn operation(&mut self, programs: &Programs, spaces: &mut Spaces, metric: &str) -> Result<Vec<Step>> {
        let marks = programs.addresses(MARK);
        let mut steps = Vec::new();
        while steps.len() < MOST {
            let step = spaces.step_at(self.remote.register(register::PC)?, &mut self.remote)?;
            if marks.contains(&step.pc) && self.marks(metric)? {
                return Ok(steps);
            }
            let enters_user =
                steps.last().is_some_and(|last: &Step| last.space == spaces::KERNEL && step.space != last.space);
            steps.push(step);
            if enters_user && let Some(round) = period::of(&steps) {
                let own = steps[0].space;
                let program = programs.get(spaces.name(own));
                let function = |address| Some(program?.symbol(address)?.0);
                return Ok(period::from_loop_head(&steps[steps.len() - round..], own, function));
            }
            self.advance(programs, step, steps.len())?;
        }
        bail!("{metric}: no end after {MOST} instructions")
    }

    /// The steps from the kernel's entry to the first instruction in user space.
    fn boot(&mut self, programs: &Programs, spaces: &mut Spaces) -> Result<Vec<Step>> {
        self.run_to(&[IMAGE_AT])?;
        spaces.image_at(IMAGE_AT)?;
        let mut steps = Vec::new();
        while steps.len() < MOST {
            let step = spaces.step_at(self.remote.register(register::PC)?, &mut self.remote)?;
            steps.push(step);
            if step.space != spaces::KERNEL {
                return Ok(steps);
            }
            self.advance(programs, step, steps.len())?;
        }
        bail!("{BOOT}: {KERNEL} does not reach user space within {MOST} instructions")
    }

    /// One instruction further; waiting is not stepped but done.
    fn advance(&mut self, programs: &Programs, step: Step, count: usize) -> Result<()> {
        if count.is_multiple_of(1000) && stderr().is_terminal() {
            eprint!("\r{count} instructions …");
        }
        let waits = step.space == spaces::KERNEL && programs.kernel_word(step.pc) == Some(WFI);
        if waits { self.run_to(&[step.pc + 4]) } else { self.remote.step() }
    }

    /// Runs to the first of these addresses.
    fn run_to(&mut self, addresses: &[u64]) -> Result<()> {
        addresses.iter().try_for_each(|&address| self.remote.set_breakpoint(address))?;
        self.remote.resume()?;
        addresses.iter().try_for_each(|&address| self.remote.clear_breakpoint(address))
    }
}

#[cfg(test)]
mod tests {
    use super::super::goals::Goal;
    use super::*;

    /// Every metric is explained, or it is said why it cannot be.
    #[test]
    fn every_metric_has_a_place_or_a_reason() {
        for row in ROWS.iter().filter(|row| row.goal != Goal::Measured) {
            match set_of(row.name) {
                Ok(set) => assert!(set.starts_with("bench"), "{}", row.name),
                Err(why) => assert!(why.to_string().starts_with(row.name), "{why}"),
            }
        }
        assert!(set_of("mem.after_boot").is_err() && set_of("cap.copy").is_ok());
        let error = set_of("nosuch").expect_err("no metric").to_string();
        assert!(error.contains("no metric \"nosuch\""), "{error}");
    }
}
