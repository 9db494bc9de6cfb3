//! What `port` finds, as `--json` writes it (`docs/port.md` says what each field means).

use serde::Serialize;

/// Everything that is said of a device tree.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// What the tree calls itself.
    pub model: Option<String>,
    /// What the whole machine is, the most specific name first.
    pub compatible: Vec<String>,
    /// Where the tree was found.
    pub source: Source,
    /// How far boards like it were seen to work, 0 to 3.
    pub tier: u8,
    /// The folder of `board/` for it.
    pub board: Option<String>,
    /// What its boot loader takes, where that is known.
    pub loader: Option<Loader>,
    /// The CPUs, in the order of the tree.
    pub cores: Vec<Core>,
    /// How the firmware is called.
    pub psci: Psci,
    /// The controller that the kernel drives.
    pub interrupt_controller: Option<InterruptController>,
    /// The architected timer.
    pub timer: Option<Timer>,
    /// Memory.
    pub memory: Memory,
    /// Where there is something to see.
    pub console: Console,
    /// Nodes and their drivers.
    pub drivers: Drivers,
    /// Whom devices ask for clocks, supplies, pins and the like.
    pub suppliers: Vec<Supplier>,
    /// Firmware files that nodes name.
    pub firmware: Vec<String>,
    /// Watchdogs that a boot loader may leave armed.
    pub watchdogs: Vec<Named>,
    /// What keeps a first boot from happening or from being seen, the first thing to do first.
    pub blockers: Vec<Blocker>,
}

/// Where a tree was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Source {
    /// The file.
    pub file: String,
    /// What kind of file.
    pub kind: String,
    /// Which of the trees in it, from 1 on.
    pub tree: usize,
    /// How many there are.
    pub trees: usize,
    /// Overlays that were applied.
    pub overlays: Vec<String>,
}

/// What a boot loader takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Loader {
    /// `android`, or `unknown`.
    pub format: &'static str,
    /// Version of Android's header.
    pub header_version: Option<u64>,
    /// Bytes that its parts are rounded up to.
    pub page: Option<u64>,
    /// The address for the kernel.
    pub kernel: Option<u64>,
    /// That for the ramdisk.
    pub ramdisk: Option<u64>,
    /// That for a second stage.
    pub second: Option<u64>,
    /// That for what the boot loader tells the kernel.
    pub tags: Option<u64>,
    /// That for the tree.
    pub tree_address: Option<u64>,
    /// Where the tree is.
    pub tree: Option<TreePlace>,
    /// What the kernel is told, if the boot loader does not say otherwise.
    pub command_line: Option<String>,
    /// How one gets it onto the phone: `fastboot`, `heimdall-bootimg`.
    pub flash: Option<String>,
}

/// Where a boot loader finds the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TreePlace {
    /// Behind the kernel.
    Appended,
    /// In a section of its own.
    Section,
    /// In Qualcomm's table of trees.
    Table,
    /// Where a second stage would be.
    Second,
    /// In `vendor_boot.img`.
    VendorBoot,
    /// In a file or partition of its own.
    Apart,
}

impl TreePlace {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Appended => "the tree behind the kernel",
            Self::Section => "the tree in a section",
            Self::Table => "the tree in Qualcomm's table",
            Self::Second => "the tree as second stage",
            Self::VendorBoot => "the tree in vendor_boot.img",
            Self::Apart => "the tree apart",
        }
    }
}

/// A CPU.
#[derive(Debug, Serialize)]
pub struct Core {
    /// Its affinity, as MPIDR_EL1 has it.
    pub mpidr: u64,
    /// What it is.
    pub compatible: Option<String>,
    /// How it is started: `psci`, `spin-table`, `unknown`.
    pub start: &'static str,
    /// Whether the tree lets it be started.
    pub usable: bool,
}

/// The firmware.
#[derive(Debug, Default, Serialize)]
pub struct Psci {
    /// `hvc` or `smc`; none where there is none.
    pub method: Option<&'static str>,
}

/// An interrupt controller.
#[derive(Debug, Serialize)]
pub struct InterruptController {
    /// `gicv2`, `gicv3` or `bcm2836`.
    pub kind: &'static str,
    /// Its registers.
    pub registers: Vec<Span>,
}

/// The timer.
#[derive(Debug, Serialize)]
pub struct Timer {
    /// The line of the virtual timer, as the GIC counts.
    pub interrupt: Option<u32>,
    /// Counts per second, where the tree says it.
    pub frequency: Option<u64>,
}

/// From here on, so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The first address.
    pub base: u64,
    /// Bytes.
    pub bytes: u64,
}

impl From<tree::Range> for Span {
    fn from(range: tree::Range) -> Self {
        Self { base: range.base, bytes: range.size }
    }
}

/// Memory.
#[derive(Debug, Default, Serialize)]
pub struct Memory {
    /// What the tree says there is.
    pub ranges: Vec<Span>,
    /// The tree leaves it to the boot loader.
    pub from_boot_loader: bool,
    /// What of it is not free.
    pub reserved: Vec<Reserved>,
}

/// Memory that is not free.
#[derive(Debug, Serialize)]
pub struct Reserved {
    /// Its node.
    pub name: String,
    /// Where.
    pub span: Span,
    /// It may not even be mapped.
    pub no_map: bool,
}

/// Where something can be seen.
#[derive(Debug, Default, Serialize)]
pub struct Console {
    /// The UART that `/chosen/stdout-path` names.
    pub uart: Option<Uart>,
    /// Memory that is shown on a display.
    pub framebuffers: Vec<Named>,
    /// Where the kernel prints on a display.
    pub picture: Option<Span>,
    /// Memory that survives a warm reset, which Linux shows.
    pub ramoops: Vec<Named>,
    /// Where in it the kernel writes what it prints.
    pub kept: Option<Span>,
}

/// A UART.
#[derive(Debug, Serialize)]
pub struct Uart {
    /// The name of its node.
    pub node: String,
    /// What it is.
    pub compatible: Vec<String>,
    /// What the kernel calls it, if it can print there.
    pub kernel: Option<&'static str>,
    /// Its registers.
    pub registers: Span,
    /// What stands behind the colon of the path.
    pub options: Option<String>,
}

/// A node.
#[derive(Clone, Debug, Serialize)]
pub struct Named {
    /// Its path.
    pub node: String,
    /// What it is.
    pub compatible: Vec<String>,
}

/// Nodes and their drivers.
#[derive(Debug, Default, Serialize)]
pub struct Drivers {
    /// Those that would be started.
    pub bound: Vec<Bound>,
    /// Those that would not, though they are there.
    pub waiting: Vec<Waiting>,
    /// Devices that say what they are when they are asked: that takes the machine.
    pub asked: Vec<Named>,
    /// What the kernel drives itself.
    pub kernel: Vec<Named>,
    /// Nodes for which there is none, in the order in which a phone needs them.
    pub missing: Vec<Missing>,
}

/// A driver with its device.
#[derive(Debug, Serialize)]
pub struct Bound {
    /// The node.
    pub node: String,
    /// The component.
    pub driver: String,
    /// Registers that it is given.
    pub registers: Vec<Span>,
    /// Interrupts that it is given, as the GIC counts.
    pub interrupts: Vec<u32>,
    /// Reserved memory that it is given.
    pub memory: Vec<Span>,
    /// Its device is a bus master, and the IOMMU and stream that it is behind.
    pub dma: Option<Option<(u64, u32)>>,
}

/// A driver whose device lacks something.
#[derive(Debug, Serialize)]
pub struct Waiting {
    /// The node.
    pub node: String,
    /// The component.
    pub driver: String,
    /// What it lacks.
    pub why: String,
}

/// A device without a driver.
#[derive(Debug, Serialize)]
pub struct Missing {
    /// What sort of device it seems to be.
    pub kind: &'static str,
    /// The node.
    pub node: String,
    /// What it is.
    pub compatible: Vec<String>,
    /// A name that a driver here knows and that looks alike: a hint and no more.
    pub nearest: Option<String>,
}

/// Whom devices ask for something.
#[derive(Debug, Serialize)]
pub struct Supplier {
    /// What for: `clocks`, `supplies`.
    pub what: &'static str,
    /// The node.
    pub node: String,
    /// What it is.
    pub compatible: Vec<String>,
    /// How many enabled devices ask it.
    pub askers: usize,
}

/// Something that has to be done first.
#[derive(Debug, Serialize)]
pub struct Blocker {
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub todo: String,
    /// Nothing boots before; else it boots, and one does not see it or loses it.
    pub stops: bool,
}
