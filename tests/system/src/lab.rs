//! What a test case works with, and how cases are run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::console::{Console, PATIENCE};
use crate::disk::{self, TestDisk};
use crate::machine::{Bus, Direct, Disk, Machine, Net, STUB, Serial, Tty};

/// What stands behind the addresses in a line of a crash report, to be appended to it; empty where there are none.
pub type Symbolise = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// What a test does: boots, types, watches; an error is a failure.
pub type Run = Box<dyn Fn(&mut Lab) -> Result<()>>;

/// A test: an identifier, a sentence, and what it does.
pub struct Case {
    /// `boot.prompt`: area and subject.
    pub id: String,
    /// What holds when it passes.
    pub says: String,
    /// What it does.
    pub run: Run,
    /// What it needs of a board.
    needs: Vec<Need>,
}

/// What a case cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// QEMU's `virt`: cores, interrupt controllers and devices to choose from.
    Virt,
    /// A disk.
    Disk,
    /// That set of components.
    Set(&'static str),
    /// So many cores.
    Cores(u32),
}

impl Case {
    /// A case from its three parts, for QEMU's `virt`.
    pub fn new(id: impl Into<String>, says: impl Into<String>, run: impl Fn(&mut Lab) -> Result<()> + 'static) -> Self {
        Self { id: id.into(), says: says.into(), run: Box::new(run), needs: vec![Need::Virt] }
    }

    /// It runs on every board that has this.
    #[must_use]
    pub fn needs<const N: usize>(mut self, needs: [Need; N]) -> Self {
        self.needs = needs.into();
        self
    }
}

/// How a case went.
pub enum Outcome {
    /// As its sentence says.
    Passed(Duration),
    /// Why not, and where the console output of its boots lies.
    Failed(anyhow::Error, Vec<PathBuf>),
}

/// Deviations from the board's own machine.
#[derive(Clone, Debug, Default)]
pub struct Boot {
    /// The core.
    pub cpu: Option<String>,
    /// Version of the interrupt controller.
    pub gic: Option<u8>,
    /// Enter at EL2.
    pub el2: bool,
    /// How many cores.
    pub smp: Option<u32>,
    /// Memory.
    pub memory: Option<String>,
    /// Where virtio devices are.
    pub bus: Option<Bus>,
    /// Whether there is an SMMU before PCI; where virtio is there, if it is not said.
    pub iommu: Option<bool>,
    /// Disks.
    pub disks: Vec<Disk>,
    /// Other virtio devices, as [`Machine::devices`].
    pub devices: Vec<String>,
    /// Where the console is.
    pub tty: Tty,
    /// Network interfaces.
    pub nets: Vec<Net>,
    /// Another kernel image.
    pub kernel: Option<PathBuf>,
    /// Another bundle.
    pub bundle: Option<PathBuf>,
    /// A set of the board in the place of its own bundle.
    pub set: Option<&'static str>,
    /// Start without a bundle.
    pub no_bundle: bool,
    /// Another device tree, handed over as it is.
    pub tree: Option<PathBuf>,
    /// A boot loader in the place of kernel and bundle; the tree is what it is given.
    pub firmware: Option<PathBuf>,
    /// The kernel's command line.
    pub bootargs: Option<String>,
    /// What else QEMU is told.
    pub extra: Vec<String>,
}

/// Builds disks and boots machines for one case.
pub struct Lab {
    machine: Machine,
    folder: PathBuf,
    logs: PathBuf,
    symbolise: Symbolise,
    case: String,
    boots: Vec<PathBuf>,
    disk: Option<TestDisk>,
}

impl Lab {
    /// A lab whose files go into `folder` and whose boots start from `machine`.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(machine: Machine, folder: &Path, symbolise: Symbolise) -> Result<Self> {
        let logs = folder.join("test-logs");
        fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
        Ok(Self { machine, folder: folder.into(), logs, symbolise, case: String::new(), boots: Vec::new(), disk: None })
    }

    /// Runs a case. The console output of its boots and its files are kept when it fails, and removed when it passes.
    pub fn run(&mut self, case: &Case) -> Outcome {
        self.case.clone_from(&case.id);
        self.boots.clear();
        let start = Instant::now();
        let result = (case.run)(self);
        let boots = std::mem::take(&mut self.boots);
        match result {
            Ok(()) => {
                // A log that cannot be removed harms nobody.
                boots.iter().for_each(|log| drop(fs::remove_file(log)));
                let _ = fs::remove_dir_all(self.scratch_folder());
                Outcome::Passed(start.elapsed())
            }
            Err(error) => Outcome::Failed(error, boots),
        }
    }

    /// What the board lacks for a case.
    pub fn lack(&self, case: &Case) -> Option<String> {
        let machine = &self.machine;
        case.needs.iter().find_map(|need| match need {
            Need::Virt => (machine.model != "virt").then(|| "it is made for QEMU's virt".into()),
            Need::Disk => (!machine.has_disks()).then(|| "no disk".into()),
            Need::Set(set) => {
                let is_there = self.bundle_of(set).is_some_and(|bundle| bundle.is_file());
                (!is_there).then(|| format!("no set {set:?}"))
            }
            // There a test has as many as it wants.
            Need::Cores(cores) => {
                (machine.model != "virt" && machine.smp < *cores).then(|| format!("{} of {cores} cores", machine.smp))
            }
        })
    }

    /// Boots the board's machine with these deviations.
    ///
    /// # Errors
    /// QEMU does not start.
    pub fn boot(&mut self, boot: Boot) -> Result<Console> {
        let log = self.logs.join(format!("{}.{}.log", self.case, self.boots.len() + 1));
        let machine = Machine { qmp: Some(monitor_socket()), ..self.machine_for(boot)? };
        let mut console = Console::start(machine.command(Serial::Pipe)?, &log, self.symbolise.clone())?;
        console.monitor = machine.qmp;
        self.boots.push(log);
        Ok(console)
    }

    /// Boots and waits for the shell's first prompt.
    ///
    /// # Errors
    /// The prompt does not come.
    pub fn boot_to_prompt(&mut self, boot: Boot) -> Result<Console> {
        let mut console = self.boot(boot)?;
        console.prompt_within(PATIENCE)?;
        Ok(console)
    }

    /// The disk with nested folders, long names, an empty and a large file, made once by ordinary tools.
    ///
    /// # Errors
    /// A tool fails.
    pub fn disk(&mut self) -> Result<TestDisk> {
        if self.disk.is_none() {
            self.disk = Some(TestDisk::make(&self.folder.join("test-disk"))?);
        }
        self.disk.clone().context("no disk")
    }

    /// The small disk that `run` shows.
    ///
    /// # Errors
    /// A tool fails.
    pub fn sample_disk(&self) -> Result<PathBuf> {
        let image = self.folder.join("sample.img");
        disk::sample(&image)?;
        Ok(image)
    }

    /// A place for a file of the running case, beside those that are there.
    ///
    /// # Errors
    /// Its folder cannot be made.
    pub fn scratch_file(&self, name: &str) -> Result<PathBuf> {
        let folder = self.scratch_folder();
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder.join(name))
    }

    /// A folder for files of the running case, empty at its start.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn scratch(&self) -> Result<PathBuf> {
        let folder = self.scratch_folder();
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    /// What puts names beside addresses.
    pub fn symbolise(&self) -> &Symbolise {
        &self.symbolise
    }

    fn scratch_folder(&self) -> PathBuf {
        self.folder.join("test-scratch").join(&self.case)
    }

    /// The board's own machine.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    fn direct(&self, tree: PathBuf) -> Result<Direct> {
        let stub = self.folder.join("stub.bin");
        let bytes: Vec<u8> = STUB.iter().flat_map(|word| word.to_le_bytes()).collect();
        fs::write(&stub, bytes).with_context(|| format!("cannot write {}", stub.display()))?;
        Ok(Direct { tree, stub })
    }

    /// The device tree that QEMU makes for the board's own machine.
    ///
    /// # Errors
    /// QEMU does not write it.
    pub fn device_tree(&self) -> Result<Vec<u8>> {
        self.device_tree_for(Boot::default())
    }

    /// The same for a machine with deviations: the tree says how long the bundle is.
    ///
    /// # Errors
    /// QEMU does not write it.
    pub fn device_tree_for(&self, boot: Boot) -> Result<Vec<u8>> {
        let file = self.scratch()?.join("qemu.dtb");
        let mut machine = self.machine_for(boot)?;
        machine.extra.extend(["-machine".into(), format!("dumpdtb={}", file.display())]);
        let output = machine.command(Serial::Pipe)?.output().context("cannot start QEMU")?;
        ensure!(output.status.success(), "QEMU: {}", String::from_utf8_lossy(&output.stderr));
        fs::read(&file).with_context(|| format!("cannot read {}", file.display()))
    }

    /// The bytes of the board's bundle.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn bundle(&self) -> Result<Vec<u8>> {
        let path = self.machine.bundle.as_ref().context("the board has no bundle")?;
        fs::read(path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// The bundle of a set lies beside the board's own.
    fn bundle_of(&self, set: &str) -> Option<PathBuf> {
        Some(self.machine.bundle.as_ref()?.with_file_name(format!("bundle-{set}.img")))
    }

    fn machine_for(&self, boot: Boot) -> Result<Machine> {
        let mut machine = self.machine.clone();
        machine.cpu = boot.cpu.or(machine.cpu);
        machine.gic = boot.gic.or(machine.gic);
        machine.el2 |= boot.el2;
        machine.smp = boot.smp.unwrap_or(machine.smp);
        machine.memory = boot.memory.unwrap_or(machine.memory);
        machine.bus = boot.bus.unwrap_or(machine.bus);
        machine.iommu = boot.iommu.unwrap_or(machine.bus == Bus::Pci);
        machine.disks = boot.disks;
        machine.devices = boot.devices;
        machine.tty = boot.tty;
        machine.nets = boot.nets;
        machine.kernel = boot.kernel.unwrap_or(machine.kernel);
        let set = boot.set.and_then(|set| self.bundle_of(set));
        machine.bundle = if boot.no_bundle { None } else { boot.bundle.or(set).or(machine.bundle) };
        machine.bootargs = boot.bootargs.unwrap_or(machine.bootargs);
        match boot.firmware {
            None => machine.direct = boot.tree.map(|tree| self.direct(tree)).transpose()?,
            Some(firmware) => (machine.firmware, machine.tree) = (Some(firmware), boot.tree),
        }
        machine.extra.extend(boot.extra);
        Ok(machine)
    }
}

/// A path of its own for each boot, short enough for a socket.
fn monitor_socket() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("tutti-qmp-{}-{number}", std::process::id()))
}

/// Fails with both texts unless `text` contains `part`.
///
/// # Errors
/// It does not.
pub fn contains(text: &str, part: &str) -> Result<()> {
    if text.contains(part) {
        return Ok(());
    }
    bail!("{part:?} is missing in:\n{text}")
}

/// What QEMU is told to run the cores in turn on one thread, when there are more than `each` for every CPU of the host. The
/// kernel's lock is fair: a host with too few CPUs often has the next in turn wait while the others compute in vain, and one
/// thread is a hundred times faster.
pub fn in_turn_beyond(cores: u32, each: usize) -> Vec<String> {
    let host = std::thread::available_parallelism().map_or(1, usize::from);
    if cores as usize > each * host { ["-accel", "tcg,thread=single"].map(str::to_owned).into() } else { Vec::new() }
}
