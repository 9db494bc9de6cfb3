//! GICv3 (ARM IHI 0069), affinity routing, non-secure group 1.

use core::arch::asm;

use aarch64_cpu::registers::{MPIDR_EL1, Readable};

use super::{KICK, barrier, distributor, private_priorities, quiet};
use crate::arch::aarch64::mmio::Registers;
use crate::gate::MAX_CORES;

/// Bytes of a redistributor: control frame and private lines frame.
pub const REDISTRIBUTOR: usize = 0x2_0000;
const SGI_FRAME: usize = 0x1_0000;
const GICR_TYPER: usize = 0x008;
const GICR_WAKER: usize = 0x014;
const PROCESSOR_SLEEP: u32 = 1 << 1;
const CHILDREN_ASLEEP: u32 = 1 << 2;
const TYPER_LAST: u64 = 1 << 4;
/// GICD_CTLR: affinity routing, group 1 enabled (the non-secure view's and the single view's bits).
const CTLR_ON: u32 = 1 << 4 | 1 << 1 | 1;
const CTLR_BUSY: u32 = 1 << 31;

/// Distributor and redistributors.
#[derive(Debug)]
pub struct V3 {
    distributor: Registers,
    regions: [(Registers, u64); 4],
    count: usize,
    stride: usize,
    cores: [Option<Core>; MAX_CORES],
}

/// What there is for one core.
#[derive(Clone, Copy, Debug)]
struct Core {
    /// The frame of private lines.
    private: Registers,
    own: Redistributor,
    affinity: u64,
}

/// The redistributor of a core.
#[derive(Clone, Copy, Debug)]
pub struct Redistributor {
    /// The frame of control.
    pub control: Registers,
    /// Its physical address.
    pub place: u64,
    /// Its number.
    pub number: u64,
}

/// This core's affinity as registers of the GIC want it.
fn affinity() -> u64 {
    MPIDR_EL1.get() & 0xff_00ff_ffff
}

/// Finds this core's redistributor among the mapped regions.
fn redistributor(regions: &[(Registers, u64)], stride: usize) -> Option<Redistributor> {
    let affinity = affinity();
    let wanted = (affinity >> 32 << 24 | affinity & 0xff_ffff) as u32;
    for (region, base) in regions {
        let mut offset = 0usize;
        while offset.checked_add(REDISTRIBUTOR).is_some_and(|end| end <= region.bytes()) {
            let frame = region.part(offset, REDISTRIBUTOR);
            let typer = frame.read_long(GICR_TYPER);
            if (typer >> 32) as u32 == wanted {
                let (place, number) = (base + offset as u64, typer >> 8 & 0xffff);
                return Some(Redistributor { control: frame, place, number });
            }
            if typer & TYPER_LAST != 0 {
                break;
            }
            offset = offset.saturating_add(stride);
        }
    }
    None
}

impl V3 {
    /// Brings the distributor up; the first `count` regions hold redistributors, and begin at these physical addresses.
    pub fn new(distributor: Registers, regions: [(Registers, u64); 4], count: usize, stride: usize) -> Self {
        distributor.write(distributor::CTLR, 0);
        settle(distributor);
        let lines = ((distributor.read(distributor::TYPER) & 31) + 1) * 32;
        quiet(distributor, lines, u32::MAX);
        distributor.write(distributor::CTLR, CTLR_ON);
        settle(distributor);
        Self { distributor, regions, count, stride, cores: [None; MAX_CORES] }
    }

    pub(super) fn start_core(&mut self, core: usize) -> bool {
        let Some(own) = redistributor(&self.regions[..self.count], self.stride) else { return false };
        let Some(place) = self.cores.get_mut(core) else { return false };
        let frame = own.control;
        frame.write(GICR_WAKER, frame.read(GICR_WAKER) & !PROCESSOR_SLEEP);
        for _ in 0..1_000_000 {
            if frame.read(GICR_WAKER) & CHILDREN_ASLEEP == 0 {
                break;
            }
        }
        let private = frame.part(SGI_FRAME, SGI_FRAME);
        private.write(distributor::ICENABLER, u32::MAX);
        private.write(distributor::ICPENDR, u32::MAX);
        private.write(distributor::IGROUPR, u32::MAX);
        private_priorities().for_each(|(register, value)| private.write(register, value));
        // SAFETY: the CPU interface's own registers: system register access, all priorities, group 1 on.
        unsafe {
            asm!(
                "mrs {0}, S3_0_C12_C12_5", "orr {0}, {0}, #1", "msr S3_0_C12_C12_5, {0}", "isb",
                "mov {0}, #0xff", "msr S3_0_C4_C6_0, {0}",
                "mov {0}, #0", "msr S3_0_C12_C12_4, {0}", "msr S3_0_C12_C12_3, {0}",
                "mov {0}, #1", "msr S3_0_C12_C12_7, {0}", "isb",
                out(reg) _, options(nostack)
            );
        }
        *place = Some(Core { private, own, affinity: affinity() });
        true
    }

    pub(super) fn distributor(&self) -> Registers {
        self.distributor
    }

    pub(super) fn private(&self, core: usize) -> Option<Registers> {
        Some((*self.cores.get(core)?)?.private)
    }

    pub(super) fn redistributor(&self, core: usize) -> Option<Redistributor> {
        Some((*self.cores.get(core)?)?.own)
    }

    pub(super) fn route(&mut self, line: u32, core: usize) {
        if line >= 32
            && let Some(Some(core)) = self.cores.get(core)
        {
            self.distributor.write_long(distributor::IROUTER + line as usize * 8, core.affinity);
        }
    }

    /// ICC_SGI1R_EL1 (ARM IHI 0069, 12.2.20): affinities 3, 2 and 1, sixteen targets by bit, and which sixteen.
    pub(super) fn kick(&mut self, core: usize) {
        let Some(Some(core)) = self.cores.get(core) else { return };
        let (a3, a2, a1, a0) =
            (core.affinity >> 32 & 255, core.affinity >> 16 & 255, core.affinity >> 8 & 255, core.affinity & 255);
        let value = a3 << 48 | (a0 >> 4) << 44 | a2 << 32 | u64::from(KICK) << 24 | a1 << 16 | 1 << (a0 & 15);
        barrier();
        // SAFETY: sends an interrupt to a core of ours.
        unsafe { asm!("msr S3_0_C12_C11_5, {}", "isb", in(reg) value, options(nostack)) };
    }
}

/// Waits until the distributor has taken a change.
fn settle(distributor: Registers) {
    for _ in 0..1_000_000 {
        if distributor.read(distributor::CTLR) & CTLR_BUSY == 0 {
            break;
        }
    }
}

/// ICC_IAR1_EL1.
pub(super) fn acknowledge() -> u32 {
    let line: u64;
    // SAFETY: acknowledging changes only the controller's state.
    unsafe { asm!("mrs {}, S3_0_C12_C12_0", "dsb sy", out(reg) line, options(nostack)) };
    line as u32 & 0xff_ffff
}

/// ICC_EOIR1_EL1.
pub(super) fn end(line: u32) {
    // SAFETY: ends what was acknowledged.
    unsafe { asm!("msr S3_0_C12_C12_1, {}", "isb", in(reg) u64::from(line), options(nostack)) };
}
