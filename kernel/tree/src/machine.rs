//! The machine as the kernel needs it, gathered in one walk.

mod chosen;
mod cpu;
mod intc;
mod memory;
mod messages;
mod psci;
mod smmu;
mod timer;

use arrayvec::ArrayVec;

pub use cpu::{Cpu, EnableMethod};
pub use intc::Intc;
pub use memory::{MEMRESERVE, Reserved};
pub use messages::{MAX_MESSAGE_CONTROLLERS, MessageController, MessageKind};
pub use psci::Conduit;
pub use smmu::Smmu;
pub use timer::Timer;

use crate::interrupt::{Controllers, Driven};
use crate::{Fault, Node, Range, Strings, Tree, TreeError};

/// Most regions of memory.
pub const MAX_MEMORY: usize = 32;
/// Most reserved regions, both kinds together.
pub const MAX_RESERVED: usize = 64;
/// Most CPUs that are listed.
pub const MAX_CPUS: usize = 16;
/// Most IOMMUs.
pub const MAX_SMMUS: usize = 4;

/// What the kernel must know of the machine.
#[derive(Clone, Debug, Default)]
pub struct Machine<'a> {
    /// Memory, in the order of the tree; may overlap where the tree is odd, and never is empty.
    pub memory: ArrayVec<Range, MAX_MEMORY>,
    /// What of it is not free: children of `reserved-memory` with `reg`, and `/memreserve/` entries.
    pub reserved: ArrayVec<Reserved<'a>, MAX_RESERVED>,
    /// The command line.
    pub bootargs: Option<&'a str>,
    /// The initial ramdisk.
    pub initrd: Option<Range>,
    /// Random bytes of the boot loader.
    pub rng_seed: Option<&'a [u8]>,
    /// Random bytes of the boot loader for the placement of the kernel.
    pub kaslr_seed: Option<&'a [u8]>,
    /// The CPUs, in the order of the tree.
    pub cpus: ArrayVec<Cpu<'a>, MAX_CPUS>,
    /// CPUs that did not fit in `cpus`.
    pub cpus_left_out: usize,
    /// How the firmware is called.
    pub psci: Option<Conduit>,
    /// What switches the machine off where no firmware does: its registers, and its names.
    pub power: Option<(Range, Strings<'a>)>,
    /// The interrupt controller.
    pub intc: Option<Intc>,
    /// What takes messages of devices for interrupts, in the order of the tree.
    pub messages: ArrayVec<MessageController, MAX_MESSAGE_CONTROLLERS>,
    /// The architected timer.
    pub timer: Option<Timer>,
    /// The IOMMUs, in the order of the tree.
    pub smmus: ArrayVec<Smmu, MAX_SMMUS>,
}

impl<'a> Tree<'a> {
    /// The machine as the kernel needs it.
    ///
    /// # Errors
    /// When something it needs is malformed; what is missing is left out instead.
    pub fn machine(&self) -> Result<Machine<'a>, TreeError> {
        let mut survey = Survey::default();
        survey.machine.reserve_entries(self)?;
        let mut walk = self.walk();
        while let Some(node) = walk.next() {
            survey.note(&node)?;
        }
        survey.finish(self)
    }
}

/// What the kernel itself drives.
enum Kind {
    Intc(Driven),
    Messages(MessageKind),
    Power,
    Psci,
    Smmu,
    Timer,
}

impl Kind {
    fn of(node: &Node<'_, '_>) -> Option<Self> {
        node.compatible().raw().find_map(|name| match name {
            // From 0.2 on the function numbers are fixed; 0.1 alone is not taken.
            b"arm,psci-1.0" | b"arm,psci-0.2" => Some(Kind::Psci),
            // That of Armv7 is described alike: the BCM2837's tree calls it so.
            b"arm,armv8-timer" | b"arm,armv7-timer" => Some(Kind::Timer),
            b"arm,smmu-v3" => Some(Kind::Smmu),
            b"brcm,bcm2835-pm" | b"brcm,bcm2835-pm-wdt" => Some(Kind::Power),
            name => Driven::of(name).map(Kind::Intc).or_else(|| MessageKind::of(name).map(Kind::Messages)),
        })
    }
}

impl Node<'_, '_> {
    /// Which interrupt controller that the kernel drives it is, if it is on.
    pub(crate) fn driven(&self) -> Option<Driven> {
        self.enabled().then(|| self.compatible().raw().find_map(Driven::of)).flatten()
    }

    /// Whether the kernel drives it itself: interrupt controller, timer, IOMMU, firmware, what switches off, or a CPU.
    pub fn is_kernels(&self) -> bool {
        Kind::of(self).is_some() || self.depth() == 2 && self.is_in("cpus") && cpu::is_cpu(self)
    }
}

/// A machine half known: the timer may stand before the interrupt controller that its lines belong to.
#[derive(Default)]
struct Survey<'a> {
    machine: Machine<'a>,
    controllers: Controllers<'a, 2>,
    /// The registers of the BCM2836's controllers: that of the cores, and that of devices.
    bcm2836: Option<Range>,
    armctrl: Option<Range>,
    timer: Option<timer::Source<'a>>,
    smmus: ArrayVec<smmu::Source<'a>, MAX_SMMUS>,
    initrd: chosen::Initrd,
}

fn first_block(node: &Node<'_, '_>) -> Result<Range, TreeError> {
    node.registers().next().unwrap_or_else(|| Err(node.error("reg", Fault::Missing)))
}

impl<'a> Survey<'a> {
    fn note(&mut self, node: &Node<'_, 'a>) -> Result<(), TreeError> {
        let machine = &mut self.machine;
        match node.depth() {
            1 if node.is_named("chosen") => machine.note_chosen(node, &mut self.initrd),
            1 if memory::is_memory(node) => machine.note_memory(node),
            2 if node.is_in("reserved-memory") => machine.note_reserved(node),
            2 if node.is_in("cpus") && cpu::is_cpu(node) => machine.note_cpu(node),
            _ if node.enabled() => self.note_device(node),
            _ => Ok(()),
        }
    }

    fn note_device(&mut self, node: &Node<'_, 'a>) -> Result<(), TreeError> {
        let machine = &mut self.machine;
        match Kind::of(node) {
            Some(Kind::Intc(driven)) => {
                match driven {
                    Driven::Bcm2836 if self.bcm2836.is_none() => self.bcm2836 = Some(first_block(node)?),
                    Driven::Armctrl if self.armctrl.is_none() => self.armctrl = Some(first_block(node)?),
                    Driven::GicV2 | Driven::GicV3 if machine.intc.is_none() => {
                        machine.intc = Some(Intc::gic(node, driven)?);
                    }
                    _ => return Ok(()),
                }
                self.controllers.note(node);
            }
            Some(Kind::Messages(kind)) => {
                // What does not fit takes no messages; its registers are kept from drivers by its name alone.
                let _ = machine.messages.try_push(MessageController::of(node, kind)?);
            }
            Some(Kind::Power) if machine.power.is_none() => {
                machine.power = Some((first_block(node)?, node.compatible()));
            }
            Some(Kind::Psci) if machine.psci.is_none() => machine.psci = Some(psci::conduit(node)?),
            Some(Kind::Timer) if self.timer.is_none() => self.timer = Some(timer::Source::of(node)?),
            // What is behind one too many is not started, as nothing binds its streams.
            Some(Kind::Smmu) if !self.smmus.is_full() => self.smmus.push(smmu::Source::of(node)?),
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self, tree: &Tree<'a>) -> Result<Machine<'a>, TreeError> {
        self.machine.initrd = self.initrd.range(tree)?;
        let bcm2836 = self.bcm2836.map(|cores| Intc::Bcm2836 { cores, devices: self.armctrl });
        self.machine.intc = self.machine.intc.or(bcm2836);
        self.machine.timer = self.timer.map(|source| source.resolve(tree, self.controllers.list())).transpose()?;
        for source in self.smmus {
            self.machine.smmus.push(source.resolve(tree, self.controllers.list())?);
        }
        Ok(self.machine)
    }
}
