//! The authority that init alone holds.

use rt::{AddressSpace, Cap, Debug, IommuControl, IrqControl, KernelConsole, SchedControl, Smc, SmcControl, Untyped};

/// Looking into processes.
pub const DEBUG: Cap<Debug> = Cap::from_slot(abi::SLOT_DEBUG);
/// Tying an Irq to a line.
pub const IRQ_CONTROL: Cap<IrqControl> = Cap::from_slot(abi::SLOT_IRQ_CONTROL);
/// The kernel's console.
pub const CONSOLE: Cap<KernelConsole> = Cap::from_slot(abi::SLOT_CONSOLE);
/// All device memory.
pub const DEVICES: Cap<Untyped> = Cap::from_slot(abi::SLOT_DEVICES);
/// Saying what devices can reach.
pub const IOMMU_CONTROL: Cap<IommuControl> = Cap::from_slot(abi::SLOT_IOMMU_CONTROL);
/// Making Smc capabilities.
pub const SMC_CONTROL: Cap<SmcControl> = Cap::from_slot(abi::SLOT_SMC_CONTROL);
/// Power off and reset.
const SMC: Cap<Smc> = Cap::from_slot(abi::SLOT_SMC);
/// Filling SchedContexts with time of a core; of one beyond the `cores` that the machine has, with that of another.
pub fn sched_control(core: u8, cores: u32) -> Cap<SchedControl> {
    Cap::from_slot(abi::SLOT_SCHED_CONTROL + u32::from(core) % cores.max(1))
}

/// The own address space.
pub const SPACE: Cap<AddressSpace> = rt::SPACE;

/// PSCI SYSTEM_OFF and SYSTEM_RESET (ARM DEN0022).
const SYSTEM_OFF: u32 = 0x8400_0008;
const SYSTEM_RESET: u32 = 0x8400_0009;

/// Switches the machine off; returns when it cannot be.
pub fn power_off() {
    let _ = SMC.call_function(SYSTEM_OFF, []);
}

/// Resets the machine; returns when it cannot be.
pub fn reset() {
    let _ = SMC.call_function(SYSTEM_RESET, []);
}
