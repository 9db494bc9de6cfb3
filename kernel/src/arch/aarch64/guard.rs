//! Landing pads (BTI) and signed return addresses (pointer authentication): whether this code has them, and switching them on
//! where all cores do (decision 0016).
//!
//! Return addresses are signed with one key register, APIA. While the kernel runs it holds a key of this core's, while
//! processes run one of this boot's: `vectors` changes it on the way in and out, where it is used at all.

use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::registers::{Readable, SCTLR_EL1};
use abi::{Protections, properties};

use super::{cores, mmu};
use crate::kernel::Kernel;
use crate::keys::key;

/// SCTLR_EL1.BT0 and BT1: a signing instruction is no landing pad for every branch, at EL0 and here.
const STRICT: u64 = 1 << 35 | 1 << 36;
/// SCTLR_EL1.EnIA: the key APIA is used.
const SIGN: u64 = 1 << 31;

/// What is added to SCTLR_EL1 when processes begin to run.
static CONTROL: AtomicU64 = AtomicU64::new(0);

/// What all code of the kernel was built with, as the linker says.
pub fn built_with() -> Protections {
    unsafe extern "C" {
        static __property_start: u8;
        static __property_end: u8;
    }
    let (start, end) = (&raw const __property_start, &raw const __property_end);
    // SAFETY: the linker script puts both around one section of constants.
    properties(unsafe { core::slice::from_raw_parts(start, end.offset_from_unsigned(start)) })
}

/// All cores have come, and this is in use. Other cores execute nothing of their own before the lock is given up.
pub fn settle(k: &mut Kernel, in_use: Protections, seed: [u64; 4]) {
    let mut control = 0;
    if in_use.contains(Protections::BTI) {
        control |= STRICT;
        mmu::guard_code();
        k.machine.guard();
    }
    if in_use.contains(Protections::AUTH) {
        control |= SIGN;
        let processes = key(seed, 0);
        for core in 0..k.sched.count() {
            cores::AREAS[core].sign(key(seed, 1 + core as u64), processes);
        }
    }
    CONTROL.store(control, Ordering::Relaxed);
}

/// SCTLR_EL1 of this core from its first thread on.
pub fn control() -> u64 {
    SCTLR_EL1.get() | CONTROL.load(Ordering::Relaxed)
}
