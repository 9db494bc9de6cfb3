//! The boots that measure, and what is found on their consoles.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use system_tests::{Boot, Bus, Case, Console, Disk, Lab, Machine, Net, Outcome};

use super::Metric;
use crate::board::Board;
use crate::build::Built;
use crate::qemu;
use crate::symbols::Symbols;
use crate::workspace::Workspace;

/// What the programs print when they have measured everything.
const END: &str = "bench: end";
const PATIENCE: Duration = Duration::from_secs(240);
/// Zeros without a host file behind them.
const NULL_DISK: u64 = 256 << 20;

/// The set that measures frames: two interfaces on a hub, with somebody else there who takes frames and says nothing.
pub const NET: &str = "bench-net";
const HUB: &str = "hubport,hubid=0";
const SINK: [&str; 4] = ["-netdev", "user,id=sink", "-netdev", "hubport,hubid=0,id=hub,netdev=sink"];

/// The set that measures a controller of its own: the disk is behind it.
pub const NVME: &str = "bench-nvme";

/// The set that measures behind an SMMU: the disk is on PCI.
pub const SMMU: &str = "bench-smmu";

/// A boot of one of the board's sets.
struct Plan {
    set: &'static str,
    cores: u32,
    /// One instruction takes one nanosecond of the machine's time. Without it the host's clock counts.
    icount: bool,
}

/// The sets that measure. A board that lacks one goes without its metrics.
const PLANS: [Plan; 9] = [
    Plan { set: "bench", cores: 1, icount: true },
    Plan { set: "bench-events", cores: 1, icount: true },
    Plan { set: "bench-handler", cores: 1, icount: true },
    Plan { set: NET, cores: 1, icount: true },
    Plan { set: NVME, cores: 1, icount: true },
    Plan { set: SMMU, cores: 1, icount: true },
    Plan { set: "bench-fpu", cores: 1, icount: true },
    Plan { set: "bench-cores", cores: 2, icount: true },
    Plan { set: "bench-scaling", cores: 2, icount: false },
];

/// Everything needed to boot.
pub struct Bench<'a> {
    pub workspace: &'a Workspace,
    pub board: &'a Board,
    pub built: &'a Built,
    /// What the command line says about them.
    pub mitigations: &'a str,
}

impl Bench<'_> {
    /// What the boots on this core say.
    pub fn measure(&self, cpu: &str) -> Result<Vec<Metric>> {
        let mut metrics = self.quietest_boot(cpu)?;
        for plan in PLANS.iter().filter(|plan| self.board.sets.contains_key(plan.set)) {
            let mut machine = self.machine(cpu, Some(plan.set), plan.icount)?;
            machine.smp = plan.cores;
            metrics.extend(self.boot(machine, plan.set, |mut console| parse(&console.expect_within(END, PATIENCE)?))?);
        }
        Ok(metrics)
    }

    /// The least of three boots of what is shipped: while the machine waits for the host to read the disk image, its
    /// clock jumps ahead, and that is no work of ours.
    fn quietest_boot(&self, cpu: &str) -> Result<Vec<Metric>> {
        let to_prompt = || {
            let machine = self.machine(cpu, None, true)?;
            self.boot(machine, "boot", |mut console| {
                console.prompt_within(PATIENCE)?;
                after_boot(&mut console)
            })
        };
        let mut least = to_prompt()?;
        for _ in 0..2 {
            let again = to_prompt()?;
            least.iter_mut().zip(again).for_each(|(metric, again)| metric.value = metric.value.min(again.value));
        }
        Ok(least)
    }

    pub fn machine(&self, cpu: &str, set: Option<&str>, icount: bool) -> Result<Machine> {
        let mut machine = qemu::machine(self.board, self.built, set)?;
        let counted = if icount { vec!["-icount", "shift=0,sleep=off"] } else { Vec::new() };
        machine.extra = counted.into_iter().chain(["-seed", "1"]).map(str::to_owned).collect();
        if set == Some(NET) {
            machine.nets = vec![Net { backend: HUB.into(), mac: None }; 2];
            machine.extra.extend(SINK.map(str::to_owned));
        }
        machine.cpu = Some(cpu.into());
        machine.bootargs = format!("{} mitigations={}", machine.bootargs, self.mitigations);
        machine.smp = 1;
        // The others go on measuring what they always did.
        let on_pci = set.is_none() || set == Some(SMMU);
        machine.bus = if on_pci { machine.bus } else { Bus::Mmio };
        if set == Some(NVME) {
            let drive =
                format!("if=none,id=null,format=raw,file.driver=null-co,file.size={NULL_DISK},file.read-zeroes=on");
            machine.extra.extend(["-drive", &drive, "-device", "nvme,serial=1,drive=null"].map(str::to_owned));
        }
        machine.disks = match set {
            Some(NVME) => Vec::new(),
            Some(_) => vec![Disk::Null(NULL_DISK)],
            None => {
                let sample = self.workspace.tutti().join("sample.img");
                system_tests::disk::sample(&sample)?;
                vec![Disk::File(sample)]
            }
        };
        Ok(machine)
    }

    fn boot(
        &self,
        machine: Machine,
        name: &str,
        read: impl Fn(Console) -> Result<Vec<Metric>> + 'static,
    ) -> Result<Vec<Metric>> {
        let symbols = Symbols::new(&self.built.folder);
        let (disks, nets) = (machine.disks.clone(), machine.nets.clone());
        let mut lab = Lab::new(machine, &self.workspace.tutti(), symbols.shared())?;
        let found = Rc::new(RefCell::new(Vec::new()));
        let result = found.clone();
        let case = Case::new(format!("bench.{name}"), "measures", move |lab: &mut Lab| {
            let console = lab.boot(Boot { disks: disks.clone(), nets: nets.clone(), ..Boot::default() })?;
            result.borrow_mut().extend(read(console)?);
            Ok(())
        });
        if let Outcome::Failed(error, logs) = lab.run(&case) {
            let logs: Vec<_> = logs.iter().map(|log| log.display().to_string()).collect();
            return Err(error.context(format!("console output: {}", logs.join(", "))));
        }
        Ok(found.take())
    }
}

/// What init noted when the prompt was there. Under `-icount` its nanoseconds are instructions.
fn after_boot(console: &mut Console) -> Result<Vec<Metric>> {
    let log = console.command("log")?;
    let figures = boot_figures(&log).with_context(|| format!("init's line of figures is not in the log:\n{log}"))?;
    let units = [
        ("boot.first_user", "instructions"),
        ("boot.prompt", "instructions"),
        ("mem.after_boot", "bytes"),
        ("mem.kernel_resident", "bytes"),
    ];
    Ok(units.into_iter().zip(figures).map(|((name, unit), value)| Metric::new(name, value, unit)).collect())
}

/// The numbers of `boot: first user instruction after 1 ns, prompt after 2 ns, 3 bytes taken, 4 bytes the kernel's`.
fn boot_figures(log: &str) -> Option<[f64; 4]> {
    let rest = log.split_once("boot: first user instruction after ")?.1;
    let (first, rest) = rest.split_once(" ns, prompt after ")?;
    let (prompt, rest) = rest.split_once(" ns, ")?;
    let (taken, rest) = rest.split_once(" bytes taken, ")?;
    let (kernel, _) = rest.split_once(" bytes the kernel's")?;
    Some([first.parse().ok()?, prompt.parse().ok()?, taken.parse().ok()?, kernel.parse().ok()?])
}

/// The lines that end in `metric NAME VALUE UNIT`. A line that begins with `bench: ` says what could not be measured.
fn parse(text: &str) -> Result<Vec<Metric>> {
    if let Some(failure) = text.lines().find(|line| line.starts_with("bench: ")) {
        bail!("{failure}");
    }
    let metric = |line: &str| {
        let mut words = line.split_once("metric ")?.1.split_whitespace();
        let (name, value, unit) = (words.next()?, words.next()?, words.next()?);
        Some(Metric::new(name, value.parse().ok()?, unit))
    };
    Ok(text.lines().filter_map(metric).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_in_console_lines() {
        let metrics = parse("noise\nmetric syscall.null 187 instructions\nmetric half 3\n").expect("metrics");
        assert_eq!(metrics, [Metric::new("syscall.null", 187.0, "instructions")]);
        assert!(parse("bench: block: gone\n").is_err());
    }

    #[test]
    fn the_figures_of_a_boot_are_found() {
        let log = "[ 0.1] info init: boot: first user instruction after 12 ns, prompt after 345 ns, 6789 bytes taken, 4096 \
                   bytes the kernel's\n";
        assert_eq!(boot_figures(log), Some([12.0, 345.0, 6789.0, 4096.0]));
        assert_eq!(boot_figures("boot: first user instruction after none"), None);
    }
}
