//! `latency.kernel_max`: the longest run of instructions in the kernel between the entry from user space, looks at what
//! waits, and the return to user space, while the conformance cases do their worst. QEMU logs every block of the kernel that
//! is executed; nothing is counted at run time.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::process::{ChildStderr, ChildStdout, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use system_tests::Serial;

use super::Metric;
use super::boots::Bench;
use crate::build::KERNEL;
use crate::program::Program;

/// The metric.
pub const NAME: &str = "latency.kernel_max";
/// The set whose programs do their worst, and with what all of them are asked for.
const SET: &str = "conformance";
const ALL: &str = "conformance.timed=1";
/// What is said when they are through.
const END: &str = " passed, ";
const PATIENCE: Duration = Duration::from_secs(600);
/// Where the kernel is linked, as QEMU takes it.
const KERNEL_RANGE: &str = "0xffffffff80000000+0x200000";
/// From a table of vectors to its entries from user space in AArch64 state (ARM DDI 0487, D1.3.1).
const ENTRIES: [u64; 4] = [0x400, 0x480, 0x500, 0x580];
/// The tables.
const VECTORS: [&str; 4] = ["vectors", "vectors_loop", "vectors_instruction", "vectors_firmware"];

/// What an instruction means for a stretch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mark {
    /// It looks at what waits: ISR_EL1, or takes the most urgent interrupt, ICC_IAR1_EL1.
    Look,
    /// Back to user space.
    Return,
    /// The core sleeps until an interrupt.
    Sleep,
}

impl Mark {
    fn of(word: u32) -> Option<Self> {
        match word {
            0xd69f_03e0 => Some(Self::Return),
            0xd503_207f => Some(Self::Sleep),
            _ if matches!(word & !0x1f, 0xd538_c100 | 0xd538_cc00) => Some(Self::Look),
            _ => None,
        }
    }
}

/// A run of instructions without a look.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stretch {
    instructions: u64,
    from: u64,
    to: u64,
    by_block: HashMap<u64, u64>,
}

/// Follows the executed blocks.
#[derive(Default)]
struct Follower {
    entries: Vec<u64>,
    /// Of each block, by its address, the instructions.
    blocks: HashMap<u64, Vec<Option<Mark>>>,
    /// The block whose instructions are being listed.
    listed: Option<u64>,
    now: Option<Stretch>,
    /// The longest for each function they begin and end in, and their number.
    longest: BTreeMap<(u64, u64), Stretch>,
}

impl Follower {
    /// A line of QEMU's log: of the listing of a new block, or that a block is executed.
    fn line(&mut self, line: &str) {
        if let Some(trace) = line.strip_prefix("Trace ") {
            self.listed = None;
            let pc = trace.split('/').nth(1).and_then(|pc| u64::from_str_radix(pc, 16).ok());
            pc.into_iter().for_each(|pc| self.executed(pc));
        } else if let Some((address, word)) = listed(line) {
            let block = *self.listed.get_or_insert(address);
            let instructions = self.blocks.entry(block).or_default();
            if block == address {
                instructions.clear();
            }
            instructions.push(Mark::of(word));
        } else {
            self.listed = None;
        }
    }

    fn executed(&mut self, pc: u64) {
        if self.entries.contains(&pc) {
            self.end(pc);
            self.now = Some(Stretch { from: pc, ..Stretch::default() });
        }
        let Some(marks) = self.blocks.remove(&pc) else { return };
        for (at, mark) in (pc..).step_by(4).zip(&marks) {
            if let Some(now) = &mut self.now {
                now.instructions += 1;
                *now.by_block.entry(pc).or_default() += 1;
            }
            match mark {
                None => {}
                Some(Mark::Return) => self.end(at),
                Some(Mark::Look | Mark::Sleep) => {
                    self.end(at);
                    self.now = Some(Stretch { from: at, ..Stretch::default() });
                }
            }
        }
        self.blocks.insert(pc, marks);
    }

    fn end(&mut self, at: u64) {
        let Some(mut stretch) = self.now.take() else { return };
        stretch.to = at;
        let longest = self.longest.entry((stretch.from, at)).or_default();
        if stretch.instructions > longest.instructions {
            *longest = stretch;
        }
    }
}

/// Address and word of a line of a listing: `0xffffffff80000000:  d503245f  bti c`.
fn listed(line: &str) -> Option<(u64, u32)> {
    let (address, rest) = line.strip_prefix("0x")?.split_once(':')?;
    let word = rest.split_whitespace().next()?;
    Some((u64::from_str_radix(address, 16).ok()?, u32::from_str_radix(word, 16).ok()?))
}

/// The metric.
pub fn measure(bench: &Bench, cpu: &str) -> Result<Metric> {
    let longest = stretches(bench, cpu)?.into_iter().next().context("the kernel was never entered")?;
    Ok(Metric::new(NAME, longest.instructions as f64, "instructions"))
}

/// The longest stretches, with the functions in which they begin, end and spend most.
pub fn explain(bench: &Bench, cpu: &str) -> Result<()> {
    const SHOWN: usize = 20;
    let program = kernel(bench)?;
    println!("{NAME} on {cpu}: instructions between two looks at what waits\n");
    for stretch in stretches(bench, cpu)?.iter().take(SHOWN) {
        let name = |address| {
            let name = program.name(address).unwrap_or_else(|| format!("{address:#x}"));
            name.rsplit_once('+').map_or(name.clone(), |(function, _)| function.to_owned())
        };
        println!("{:>7}  from {} to {}", stretch.instructions, name(stretch.from), name(stretch.to));
        let mut by_function = BTreeMap::<String, u64>::new();
        for (&block, &count) in &stretch.by_block {
            *by_function.entry(name(block)).or_default() += count;
        }
        let mut by_function: Vec<_> = by_function.into_iter().collect();
        by_function.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        by_function.iter().take(12).for_each(|(name, count)| println!("{count:>14}  {name}"));
    }
    Ok(())
}

fn kernel(bench: &Bench) -> Result<Program> {
    Program::read(&bench.built.folder.join(format!("{KERNEL}.elf")))
}

/// All stretches that were the longest of their kind, the longest first.
fn stretches(bench: &Bench, cpu: &str) -> Result<Vec<Stretch>> {
    let kernel = kernel(bench)?;
    let tables = VECTORS.into_iter().filter_map(|name| kernel.address(name));
    let entries: Vec<u64> = tables.flat_map(|table| ENTRIES.map(|offset| table + offset)).collect();
    ensure!(!entries.is_empty(), "the kernel has no table of vectors");
    let mut follower = Follower { entries, ..Follower::default() };
    let mut machine = bench.machine(cpu, Some(SET), true)?;
    machine.bootargs = format!("{} {ALL}", machine.bootargs);
    machine.extra.extend(["-d", "exec,nochain,in_asm", "-dfilter", KERNEL_RANGE].map(str::to_owned));
    let mut command = machine.command(Serial::Pipe)?;
    let mut qemu = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start QEMU")?;
    let (console, log) = (qemu.stdout.take().context("stdout")?, qemu.stderr.take().context("stderr")?);
    let (through, is_through) = mpsc::channel();
    thread::spawn(move || through.send(wait_for_end(console)));
    let ender = thread::spawn(move || {
        let ended = is_through.recv_timeout(PATIENCE).unwrap_or(false);
        // It is ours, and there is nothing in it to be saved.
        let _ = qemu.kill();
        let _ = qemu.wait();
        ended
    });
    follow(&mut follower, log)?;
    let ended = ender.join().map_err(|_| anyhow::anyhow!("the thread that ends QEMU panicked"))?;
    ensure!(ended, "{NAME}: the set {SET} did not come to its end within {} s", PATIENCE.as_secs());
    let mut all: Vec<_> = follower.longest.into_values().collect();
    all.sort_by_key(|stretch| std::cmp::Reverse(stretch.instructions));
    Ok(all)
}

fn wait_for_end(console: ChildStdout) -> bool {
    let lines = BufReader::new(console).split(b'\n').map_while(Result::ok);
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).any(|line| line.contains(END))
}

fn follow(follower: &mut Follower, log: ChildStderr) -> Result<()> {
    let (mut log, mut line) = (BufReader::with_capacity(1 << 20, log), Vec::new());
    loop {
        line.clear();
        if log.read_until(b'\n', &mut line).context("QEMU's log")? == 0 {
            return Ok(());
        }
        follower.line(std::str::from_utf8(&line).unwrap_or("").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_end_at_looks_and_returns() {
        let mut follower = Follower { entries: vec![0x400], ..Follower::default() };
        let lines = "IN: \n0x00000400:  a90993f3  stp\n0x00000404:  14000100  b\n\n\
                     IN: \n0x00000804:  d503201f  nop\n0x00000808:  d538c100  mrs x0, isr_el1\n0x0000080c:  d69f03e0  eret\n";
        lines.lines().for_each(|line| follower.line(line));
        for pc in ["804", "400", "804", "804"] {
            follower.line(&format!("Trace 0: 0x7f [00000000/{pc}/0/0] symbol"));
        }
        let lengths: Vec<_> = follower.longest.values().map(|stretch| stretch.instructions).collect();
        assert_eq!(lengths, [4, 1]);
        assert_eq!(follower.longest[&(0x400, 0x808)].by_block, HashMap::from([(0x400, 2), (0x804, 2)]));
    }

    #[test]
    fn instructions_are_told() {
        assert_eq!(Mark::of(0xd538_c11e), Some(Mark::Look));
        assert_eq!(Mark::of(0xd538_cc00), Some(Mark::Look));
        assert_eq!(Mark::of(0xd69f_03e0), Some(Mark::Return));
        assert_eq!(Mark::of(0xd503_201f), None);
    }
}
