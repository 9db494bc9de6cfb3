//! What protects the kernel from processes and processes from each other, beyond page tables.

use bitflags::bitflags;

bitflags! {
    /// Protections in effect: features of all cores, and what at least one core does on entry to the kernel.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Protections: u32 {
        /// The kernel cannot touch what processes can.
        const PAN = 1;
        /// Processes cannot learn from the time of a fault what the kernel has mapped.
        const E0PD = 1 << 1;
        /// Loads do not pass older stores to addresses that are not known yet (Spectre variant 4).
        const SSBS = 1 << 2;
        /// Indirect branches end at landing pads.
        const BTI = 1 << 3;
        /// Return addresses are signed.
        const AUTH = 1 << 4;
        /// A loop of branches displaces the branch history.
        const LOOP = 1 << 8;
        /// An instruction clears the branch history.
        const CLEAR = 1 << 9;
        /// The firmware makes branch prediction forget.
        const FIRMWARE = 1 << 10;
        /// The kernel is not mapped while a process runs (Meltdown).
        const TRAMPOLINE = 1 << 11;
        /// A core is open to Spectre, and nothing is known that helps.
        const EXPOSED = 1 << 12;
        /// Mitigations were switched off.
        const OFF = 1 << 13;
        /// What a core has or has not.
        const FEATURES = Self::PAN.bits() | Self::E0PD.bits() | Self::SSBS.bits() | Self::BTI.bits() | Self::AUTH.bits();
    }
}

/// Protections by name, a space in front of each.
#[derive(Clone, Copy, Debug)]
pub struct Named(pub Protections);

impl core::fmt::Display for Named {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter_names().try_for_each(|(name, _)| write!(f, " {name}"))
    }
}
