//! The machine as the kernel needs it, gathered in one walk.

mod chosen;
mod cpu;
mod gic;
mod memory;
mod messages;
mod psci;
mod smmu;
mod timer;

use arrayvec::ArrayVec;

pub use cpu::{Cpu, EnableMethod};
pub use gic::Gic;
pub use memory::{MEMRESERVE, Reserved};
pub use messages::{MAX_MESSAGE_CONTROLLERS, MessageController, MessageKind};
pub use psci::Conduit;
pub use smmu::Smmu;
pub use timer::Timer;

use crate::interrupt::{Controllers, gic_version};
use crate::{Node, Range, Tree, TreeError};

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
    /// The interrupt controller.
    pub gic: Option<Gic>,
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
    Gic(u8),
    Messages(MessageKind),
    Psci,
    Smmu,
    Timer,
}

impl Kind {
    fn of(node: &Node<'_, '_>) -> Option<Self> {
        node.compatible().raw().find_map(|name| match name {
            // From 0.2 on the function numbers are fixed; 0.1 alone is not taken.
            b"arm,psci-1.0" | b"arm,psci-0.2" => Some(Kind::Psci),
            b"arm,armv8-timer" => Some(Kind::Timer),
            b"arm,smmu-v3" => Some(Kind::Smmu),
            name => gic_version(name).map(Kind::Gic).or_else(|| MessageKind::of(name).map(Kind::Messages)),
        })
    }
}

impl Node<'_, '_> {
    /// Whether the kernel drives it itself: interrupt controller, timer, IOMMU, firmware, or a CPU.
    pub fn is_kernels(&self) -> bool {
        Kind::of(self).is_some() || self.depth() == 2 && self.is_in("cpus") && cpu::is_cpu(self)
    }
}

/// A machine half known: the timer may stand before the interrupt controller that its lines belong to.
#[derive(Default)]
struct Survey<'a> {
    machine: Machine<'a>,
    gic: Controllers<'a, 1>,
    timer: Option<timer::Source<'a>>,
    smmus: ArrayVec<smmu::Source<'a>, MAX_SMMUS>,
    initrd: chosen::Initrd,
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
            Some(Kind::Gic(version)) if machine.gic.is_none() => {
                machine.gic = Some(Gic::of(node, version)?);
                self.gic.note(node);
            }
            Some(Kind::Messages(kind)) => {
                // What does not fit takes no messages; its registers are kept from drivers by its name alone.
                let _ = machine.messages.try_push(MessageController::of(node, kind)?);
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
        self.machine.timer = self.timer.map(|source| source.resolve(tree, self.gic.list())).transpose()?;
        for source in self.smmus {
            self.machine.smmus.push(source.resolve(tree, self.gic.list())?);
        }
        Ok(self.machine)
    }
}
