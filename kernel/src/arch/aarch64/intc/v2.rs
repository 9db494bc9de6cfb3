//! GICv2 (ARM IHI 0048).

use super::{KICK, barrier, distributor, private_priorities, quiet};
use crate::arch::aarch64::mmio::Registers;
use crate::gate::MAX_CORES;

const GICC_CTLR: usize = 0x00;
const GICC_PMR: usize = 0x04;
pub const GICC_IAR: usize = 0x0c;
pub const GICC_EOIR: usize = 0x10;

/// Distributor and CPU interface.
#[derive(Debug)]
pub struct V2 {
    distributor: Registers,
    cpu: Registers,
    /// The bit of each core in the target registers.
    target: [u8; MAX_CORES],
    /// What was acknowledged, core number included, until it is ended.
    active: u32,
}

impl V2 {
    /// Brings the distributor up.
    pub fn new(distributor: Registers, cpu: Registers) -> Self {
        distributor.write(distributor::CTLR, 0);
        let lines = ((distributor.read(distributor::TYPER) & 31) + 1) * 32;
        quiet(distributor, lines, 0);
        distributor.write(distributor::CTLR, 1);
        Self { distributor, cpu, target: [0; MAX_CORES], active: 0 }
    }

    pub(super) fn start_core(&mut self, core: usize) -> bool {
        let Self { distributor, cpu, .. } = *self;
        // The banked registers of this core: private lines masked.
        distributor.write(distributor::ICENABLER, u32::MAX);
        distributor.write(distributor::ICPENDR, u32::MAX);
        private_priorities().for_each(|(register, value)| distributor.write(register, value));
        let Some(target) = self.target.get_mut(core) else { return false };
        *target = (distributor.read(distributor::ITARGETSR) & 0xff).max(1) as u8;
        cpu.write(GICC_PMR, 0xff);
        cpu.write(GICC_CTLR, 1);
        true
    }

    pub(super) fn distributor(&self) -> Registers {
        self.distributor
    }

    pub(super) fn acknowledge(&mut self) -> u32 {
        let value = self.cpu.read(GICC_IAR);
        self.acknowledged(value)
    }

    pub(super) fn interface(&self) -> Registers {
        self.cpu
    }

    pub(super) fn acknowledged(&mut self, value: u32) -> u32 {
        self.active = value;
        value & 0x3ff
    }

    pub(super) fn end(&mut self, line: u32) {
        self.cpu.write(GICC_EOIR, (self.active & !0x3ff) | line);
    }

    pub(super) fn route(&mut self, line: u32, core: usize) {
        self.distributor.write_byte(distributor::ITARGETSR + line as usize, self.target[core % MAX_CORES]);
    }

    pub(super) fn kick(&mut self, core: usize) {
        let target = u32::from(self.target[core % MAX_CORES]);
        barrier();
        self.distributor.write(distributor::SGIR, target << 16 | KICK);
    }
}
