//! The interrupt controller: GICv2, GICv3 or the BCM2836's, as the tree says.

mod bcm2836;
mod v2;
mod v3;

pub use bcm2836::Bcm2836;
pub use v2::V2;
pub(super) use v2::{GICC_EOIR, GICC_IAR};
pub use v3::{REDISTRIBUTOR, Redistributor, V3};

use super::mmio::Registers;
use crate::message;
pub(super) use distributor::ICENABLER;

/// The interrupt that one core sends to another.
pub const KICK: u32 = 0;

/// The first number that is not an interrupt.
pub(super) const SPECIAL: u32 = 1020;
/// No interrupt waits (ARM IHI 0048, 3.2.5).
const NO_LINE: u32 = 1023;
/// The last one: behind it there are none up to the messages (ARM IHI 0069, 2.2.1).
const LAST_SPECIAL: u32 = message::FIRST - 1;

/// Whether a number is an interrupt.
fn is_line(number: u32) -> bool {
    !(SPECIAL..=LAST_SPECIAL).contains(&number)
}

/// Distributor registers that both versions share (ARM IHI 0048, IHI 0069).
pub(super) mod distributor {
    pub const CTLR: usize = 0x000;
    pub const TYPER: usize = 0x004;
    pub const IGROUPR: usize = 0x080;
    pub const ISENABLER: usize = 0x100;
    pub const ICENABLER: usize = 0x180;
    pub const ICPENDR: usize = 0x280;
    pub const ICACTIVER: usize = 0x380;
    pub const IPRIORITYR: usize = 0x400;
    pub const ITARGETSR: usize = 0x800;
    pub const ICFGR: usize = 0xc00;
    pub const SGIR: usize = 0xf00;
    pub const IROUTER: usize = 0x6000;
}

/// Priority of four interrupts. The kernel runs with all of them masked, so it only says which comes first.
const PRIORITY: u32 = 0xa0a0_a0a0;
/// That of private peripherals: the timer may have much to do, and devices come first.
const PRIVATE_PRIORITY: u32 = 0xb0b0_b0b0;

/// Priorities of the lines of a core alone: software-generated interrupts, then private peripherals.
fn private_priorities() -> impl Iterator<Item = (usize, u32)> {
    (0..8).map(|word| (distributor::IPRIORITYR + word * 4, if word < 4 { PRIORITY } else { PRIVATE_PRIORITY }))
}

/// The controller.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one, in a static")]
pub enum Intc {
    /// GICv2.
    V2(V2),
    /// GICv3.
    V3(V3),
    /// The BCM2836's.
    Bcm2836(Bcm2836),
}

impl Intc {
    /// The most urgent pending interrupt, now active.
    pub fn acknowledge(&mut self) -> Option<u32> {
        let line = match self {
            Intc::V2(gic) => gic.acknowledge(),
            Intc::V3(_) => v3::acknowledge(),
            Intc::Bcm2836(intc) => intc.acknowledge(),
        };
        is_line(line).then_some(line)
    }

    /// The same of what was read of the controller already.
    pub fn acknowledged(&mut self, value: u32) -> Option<u32> {
        let line = match self {
            Intc::V2(gic) => gic.acknowledged(value),
            Intc::V3(_) | Intc::Bcm2836(_) => value,
        };
        is_line(line).then_some(line)
    }

    /// Where the registers lie: the distributor's, and the core interface's or 0.
    pub fn places(&self) -> (usize, usize) {
        match self {
            Intc::V2(gic) => (gic.distributor().address(), gic.interface().address()),
            Intc::V3(gic) => (gic.distributor().address(), 0),
            Intc::Bcm2836(intc) => intc.places(),
        }
    }

    /// The interrupt was taken note of.
    pub fn end(&mut self, line: u32) {
        match self {
            Intc::V2(gic) => gic.end(line),
            Intc::V3(_) => v3::end(line),
            Intc::Bcm2836(_) => {}
        }
    }

    /// That of a GIC.
    fn distributor(&self) -> Option<Registers> {
        match self {
            Intc::V2(gic) => Some(gic.distributor()),
            Intc::V3(gic) => Some(gic.distributor()),
            Intc::Bcm2836(_) => None,
        }
    }

    /// Brings up what there is for this core, which has this number from now on; `false`: nothing is.
    pub fn start_core(&mut self, core: usize) -> bool {
        match self {
            Intc::V2(gic) => gic.start_core(core),
            Intc::V3(gic) => gic.start_core(core),
            Intc::Bcm2836(intc) => intc.start_core(core),
        }
    }

    /// Lets a private line of this core, which has this number, fire.
    pub fn unmask_private(&mut self, core: usize, line: u32) {
        let bank = match self {
            Intc::V2(gic) => Some(gic.distributor()),
            Intc::V3(gic) => gic.private(core),
            Intc::Bcm2836(intc) => return intc.unmask_private(core, line),
        };
        if let Some(bank) = bank {
            bank.write(distributor::ISENABLER, 1 << (line % 32));
        }
    }

    /// Sends [`KICK`] to a core.
    pub fn kick(&mut self, core: usize) {
        match self {
            Intc::V2(gic) => gic.kick(core),
            Intc::V3(gic) => gic.kick(core),
            Intc::Bcm2836(intc) => intc.kick(core),
        }
    }

    /// Lets a shared line fire.
    pub fn unmask(&mut self, line: u32) {
        self.let_fire(line, true);
    }

    /// Keeps a shared line from firing; it stays pending.
    pub fn mask(&mut self, line: u32) {
        self.let_fire(line, false);
    }

    fn let_fire(&mut self, line: u32, fires: bool) {
        let register = if fires { distributor::ISENABLER } else { distributor::ICENABLER };
        match self {
            Intc::V2(gic) => gic.distributor().write(register + line as usize / 32 * 4, 1 << (line % 32)),
            Intc::V3(gic) => gic.distributor().write(register + line as usize / 32 * 4, 1 << (line % 32)),
            Intc::Bcm2836(intc) => intc.let_fire(line, fires),
        }
    }

    /// Sets the trigger of a masked shared line.
    pub fn configure(&mut self, line: u32, edge: bool) {
        let Some(bank) = self.distributor() else { return };
        let place = distributor::ICFGR + line as usize / 16 * 4;
        let bit = 2 << (line % 16 * 2);
        let old = bank.read(place);
        bank.write(place, if edge { old | bit } else { old & !bit });
    }

    /// Sends a shared line to a core.
    pub fn route(&mut self, line: u32, core: usize) {
        match self {
            Intc::V2(gic) => gic.route(line, core),
            Intc::V3(gic) => gic.route(line, core),
            // All devices interrupt one core.
            Intc::Bcm2836(_) => {}
        }
    }

    /// The redistributor of this core, which has this number.
    pub fn redistributor(&self, core: usize) -> Option<Redistributor> {
        match self {
            Intc::V2(_) | Intc::Bcm2836(_) => None,
            Intc::V3(gic) => gic.redistributor(core),
        }
    }

    /// How many interrupts can be messages to an ITS, with numbers of so many bits; `None`: there is no such thing
    /// (GICD_TYPER, ARM IHI 0069, 12.9.38).
    pub fn messages(&self, bits: u32) -> Option<u32> {
        let Intc::V3(gic) = self else { return None };
        let typer = gic.distributor().read(distributor::TYPER);
        let (has, own, log) = (typer >> 17 & 1 != 0, (typer >> 19 & 31) + 1, typer >> 11 & 31);
        let all = (1 << bits) - message::FIRST;
        (has && own >= bits).then(|| if log == 0 { all } else { all.min(2 << log.min(16)) })
    }

    /// One more than the highest line.
    pub fn lines(&self) -> u32 {
        let Some(bank) = self.distributor() else { return bcm2836::LINES };
        (((bank.read(distributor::TYPER) & 31) + 1) * 32).min(SPECIAL)
    }
}

/// Brings the shared lines of a distributor to rest: masked, not pending, one group, one priority.
fn quiet(bank: Registers, lines: u32, group: u32) {
    for word in 1..lines.div_ceil(32) as usize {
        bank.write(distributor::ICENABLER + word * 4, u32::MAX);
        bank.write(distributor::ICPENDR + word * 4, u32::MAX);
        bank.write(distributor::ICACTIVER + word * 4, u32::MAX);
        bank.write(distributor::IGROUPR + word * 4, group);
    }
    for word in 8..lines.div_ceil(4) as usize {
        bank.write(distributor::IPRIORITYR + word * 4, PRIORITY);
    }
}

/// What was written before an interrupt is sent is seen by who gets it.
fn barrier() {
    // SAFETY: a barrier.
    unsafe { core::arch::asm!("dsb ish", options(nostack, preserves_flags)) };
}
