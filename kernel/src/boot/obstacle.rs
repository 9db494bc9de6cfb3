//! What of a machine's description keeps it from booting.

use tree::{Intc, Machine};

/// Why the kernel cannot run on a machine, whatever else there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// No interrupt controller that the kernel drives.
    NoInterruptController,
    /// The registers of the one there is are shorter than they can be.
    InterruptRegisters,
    /// The virtual timer has no line.
    NoTimer,
}

impl core::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NoInterruptController => "no interrupt controller (GICv2, GICv3 or the BCM2836's) that can be used",
            Self::InterruptRegisters => "the registers of the interrupt controller are too short",
            Self::NoTimer => "node arm,armv8-timer or arm,armv7-timer: no virtual timer in `interrupts`",
        })
    }
}

/// All that are there, in the order in which boot runs into them.
pub fn obstacles(machine: &Machine<'_>) -> impl Iterator<Item = Obstacle> {
    let controller = match &machine.intc {
        None => Some(Obstacle::NoInterruptController),
        Some(Intc::V2 { distributor, cpu }) => {
            (distributor.size < 0x1000 || cpu.size < 0x100).then_some(Obstacle::InterruptRegisters)
        }
        Some(Intc::V3 { distributor, .. }) => (distributor.size < 0x1_0000).then_some(Obstacle::InterruptRegisters),
        Some(Intc::Bcm2836 { cores, devices }) => {
            let short = cores.size < 0x100 || devices.is_some_and(|devices| devices.size < 0x28);
            short.then_some(Obstacle::InterruptRegisters)
        }
    };
    let has_timer = machine.timer.as_ref().is_some_and(|timer| timer.virt.is_some());
    controller.into_iter().chain((!has_timer).then_some(Obstacle::NoTimer))
}
