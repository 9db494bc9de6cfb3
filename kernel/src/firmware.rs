//! Functions of the firmware (SMCCC, ARM DEN0028): which ranges an Smc can be for, and a core that is in one.

use crate::kernel::Kernel;
use crate::object::State;

/// Functions one behind the other, all of one service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Functions {
    /// The identifier of the first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// Numbers of a service.
const SERVICE: u64 = 1 << 16;
/// The bit of a fast call. What is no fast call belongs to a trusted operating system.
const FAST: u64 = 1 << 31;
/// SMCCC_ARCH_WORKAROUND_2: switches a mitigation of the core off that the kernel relies on.
const WORKAROUND_2: u64 = 0x8000_7fff;

/// Power off and reset.
pub const POWER: Functions = Functions { first: crate::object::SYSTEM_OFF as u32, count: 2 };

/// What can be granted of the Standard Secure Services. The others would take cores, memory or control of EL1 away from the
/// kernel: the rest of PSCI (DEN0022), SDEI, which calls back into EL1, the management interface and FF-A, which share memory.
const STANDARD: [Functions; 5] = [
    Functions { first: 0x8400_0000, count: 1 }, // PSCI_VERSION
    POWER,
    Functions { first: 0x8400_000a, count: 1 }, // PSCI_FEATURES
    Functions { first: 0x8400_0050, count: 4 }, // TRNG (DEN0098)
    Functions { first: 0xc400_0053, count: 1 }, // TRNG_RND64
];

impl Functions {
    /// Some functions that can be granted; `None`: they are of several services, or the kernel's own.
    pub fn grantable(first: u64, count: u64) -> Option<Self> {
        let in_one_service = count > 0 && count <= SERVICE && first % SERVICE + count <= SERVICE;
        if !in_one_service || first > u32::MAX.into() {
            return None;
        }
        let functions = Self { first: first as u32, count: count as u32 };
        functions.may_be_granted().then_some(functions)
    }

    fn may_be_granted(self) -> bool {
        let first = u64::from(self.first);
        if first & FAST == 0 {
            return true;
        }
        if first >> 16 & 0xff != 0 {
            // Must be zero in a fast call.
            return false;
        }
        match first >> 24 & 0x3f {
            0 => !self.contains(WORKAROUND_2),
            4 => STANDARD.iter().any(|range| range.covers(self)),
            _ => true,
        }
    }

    /// Whether this function is one of them.
    pub fn contains(self, function: u64) -> bool {
        function.wrapping_sub(self.first.into()) < self.count.into()
    }

    /// Whether all these are among them.
    pub fn covers(self, other: Self) -> bool {
        let last = u64::from(other.first) + u64::from(other.count) - 1;
        self.contains(other.first.into()) && self.contains(last)
    }
}

impl Kernel {
    /// Whether the thread that runs asked for a function of the firmware: its x0 to x7. From here on this core has no thread,
    /// no address space and no vector registers at hand, so that it counts as idle for the others while it is away.
    pub fn leave_for_firmware(&mut self) -> Option<[u64; 8]> {
        let thread = self.sched.in_firmware.filter(|&thread| self.sched.current == Some(thread))?;
        self.sched.current = None;
        self.forget_loaded();
        self.trace_switch(None);
        self.empty_core(self.sched.own());
        Some(*self.mem[thread].context.words())
    }

    /// The firmware returned on this core. Whoever asked may have been let go meanwhile: then nobody wants the answer.
    pub fn firmware_returned(&mut self, results: &[u64; 8]) {
        let Some(thread) = self.sched.in_firmware.take() else { return };
        debug_assert_eq!(self.mem[thread].state, State::InFirmware);
        self.mem[thread].context.answer(results);
        self.make_ready(thread);
    }

    /// A thread no longer waits for the firmware.
    pub(crate) fn forget_firmware(&mut self, thread: crate::mm::Ref<crate::object::Thread>) {
        for core in 0..self.sched.count() {
            let sched = self.sched.of_mut(core);
            if sched.in_firmware == Some(thread) {
                sched.in_firmware = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grantable(first: u64, count: u64) -> bool {
        Functions::grantable(first, count).is_some()
    }

    #[test]
    fn a_range_is_of_one_service() {
        assert!(grantable(0xc300_0000, 0x1_0000));
        assert!(grantable(0xc300_ffff, 1));
        assert!(!grantable(0xc300_ffff, 2));
        assert!(!grantable(0xc300_0000, 0x1_0001));
        assert!(!grantable(0xc300_0000, 0));
        assert!(!grantable(0xc300_0001, u64::MAX));
        assert!(!grantable(0x1_c300_0000, 1));
        assert!(!grantable(u64::MAX, 1));
        // Bits 16 to 23 of a fast call are zero; calls of a trusted operating system may have any.
        assert!(!grantable(0xc301_0000, 1));
        assert!(grantable(0x3201_0000, 1));
    }

    #[test]
    fn what_is_the_kernels_own_is_not_granted() {
        for function in 0x8400_0000..0x8400_0100u64 {
            let granted = matches!(function & 0xff, 0 | 8 | 9 | 0xa | 0x50..=0x53);
            assert_eq!(grantable(function, 1), granted, "{function:#x}");
        }
        for function in 0xc400_0000..0xc400_0100u64 {
            assert_eq!(grantable(function, 1), function == 0xc400_0053, "{function:#x}");
        }
        assert!(grantable(0x8400_0008, 2) && !grantable(0x8400_0008, 3) && !grantable(0x8400_0007, 2));
        assert!(grantable(0x8000_0000, 0x7fff) && !grantable(0x8000_0000, 0x8000) && !grantable(0x8000_7fff, 1));
        assert!(grantable(0x8000_8000, 0x8000));
    }

    #[test]
    fn a_range_contains_what_lies_in_it() {
        let some = Functions { first: u32::MAX - 1, count: 2 };
        assert!(some.contains(0xffff_fffe) && some.contains(0xffff_ffff));
        assert!(!some.contains(0xffff_fffd) && !some.contains(0x1_0000_0000) && !some.contains(0));
        assert!(some.covers(Functions { first: u32::MAX, count: 1 }) && some.covers(some));
        assert!(!some.covers(Functions { first: u32::MAX, count: 2 }));
    }
}
