//! Cores that differ: the emulator's are all alike, a phone's are not. What QEMU has is as QEMU has it.

use crate::features::Identity;

const fn core(midr: u64, pfr: [u64; 2], isar1: u64, mmfr: [u64; 3]) -> Identity {
    let [pfr0, pfr1] = pfr;
    let [mmfr0, mmfr1, mmfr2] = mmfr;
    Identity { midr, pfr0, pfr1, isar1, isar2: 0, mmfr0, mmfr1, mmfr2, firmware: 0 }
}

/// Small, in order, of the first architecture.
pub const CORTEX_A53: Identity = core(0x410f_d034, [0x100_0022, 0], 0, [0x1122, 0, 0]);
/// Large, of the first architecture.
pub const CORTEX_A57: Identity = core(0x411f_d070, [0x100_0022, 0], 0, [0x1124, 0, 0]);
/// Its successor.
pub const CORTEX_A72: Identity = core(0x410f_d083, [0x100_0022, 0], 0, [0x1124, 0, 0]);
/// The one with Meltdown: as the A76, without what says that it is safe.
pub const CORTEX_A75: Identity = core(0x412f_d0a1, [0x1111_0012, 0], 0x10_0001, [0x10_1122, 0x1021_2122, 0x1011]);
/// The first that says that it is safe.
pub const CORTEX_A76: Identity =
    core(0x414f_d0b1, [0x1100_0000_1111_0012, 0x10], 0x10_0001, [0x10_1122, 0x1021_2122, 0x1011]);
/// The emulator's idea of a core that can do everything.
pub const MAX: Identity = core(
    0x000f_0510,
    [0x1201_0011_2111_0022, 0x100_0021],
    0x0011_1111_0121_1012,
    [0x0000_0323_1020_1126, 0x0000_0110_1021_1122, 0x1021_0110_1001_1011],
);
/// A core that has all that the kernel uses, and clears its branch history itself when told to.
pub const NEW: Identity = Identity { midr: 0x410f_d810, isar2: 1 << 28, ..MAX };
