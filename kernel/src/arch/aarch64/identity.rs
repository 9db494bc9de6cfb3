//! Who this core is: its ID registers, and what its firmware offers.

use core::arch::asm;
use core::sync::atomic::{AtomicU32, Ordering};

use tree::Conduit;

use super::psci;
use crate::errata::{self, Quirks};
use crate::features::Identity;

macro_rules! read {
    ($register:literal) => {{
        let value: u64;
        // SAFETY: reads an identification register; those that a core does not know read as zero.
        unsafe { asm!(concat!("mrs {}, ", $register), out(reg) value, options(nomem, nostack, preserves_flags)) };
        value
    }};
}

/// This core.
pub fn own(conduit: Option<Conduit>) -> Identity {
    Identity {
        midr: read!("midr_el1"),
        pfr0: read!("id_aa64pfr0_el1"),
        pfr1: read!("id_aa64pfr1_el1"),
        isar1: read!("id_aa64isar1_el1"),
        isar2: read!("S3_0_C0_C6_2"),
        mmfr0: read!("id_aa64mmfr0_el1"),
        mmfr1: read!("id_aa64mmfr1_el1"),
        mmfr2: read!("S3_0_C0_C7_2"),
        firmware: conduit.map_or(0, psci::speculation_workaround).into(),
    }
}

/// What user space can use to watch or to signal others is closed: performance and activity counters, the debugger's
/// channel.
pub fn close_side_doors() {
    let monitors = read!("id_aa64dfr0_el1") >> 8 & 15;
    if monitors != 0 && monitors != 15 {
        // SAFETY: PMUSERENR_EL0: no access from EL0.
        unsafe { asm!("msr pmuserenr_el0, xzr", options(nomem, nostack, preserves_flags)) };
    }
    if read!("id_aa64pfr0_el1") >> 44 & 15 != 0 {
        // SAFETY: AMUSERENR_EL0: no access from EL0.
        unsafe { asm!("msr S3_3_C13_C2_3, xzr", options(nomem, nostack, preserves_flags)) };
    }
    // SAFETY: MDSCR_EL1: no debug events, and EL0 does not reach the debug communication channel.
    unsafe { asm!("msr mdscr_el1, {}", in(reg) 1u64 << 12, options(nomem, nostack, preserves_flags)) };
}

/// What is to be done because of any core.
static QUIRKS: AtomicU32 = AtomicU32::new(0);

/// This core takes part, and asks for `more`. `all`: it seems to have every quirk there is.
pub fn note(core: &Identity, more: Quirks, all: bool) -> Quirks {
    let quirks = if all { Quirks::all() } else { errata::quirks(core.midr) | more };
    if quirks.contains(Quirks::OPEN) {
        log::warn!("cores: midr {:#x} has an erratum for which nothing is done", core.midr);
    }
    QUIRKS.fetch_or(quirks.bits(), Ordering::Relaxed);
    quirks
}

/// What the quirks of all cores ask of this one: cache maintenance of user space traps (SCTLR_EL1.UCI).
pub fn obey() {
    if has(Quirks::CLEAN_INVALIDATES) {
        let control = read!("sctlr_el1") & !(1 << 26);
        // SAFETY: what EL0 may do changes nothing for the kernel.
        unsafe { asm!("msr sctlr_el1, {}", "isb", in(reg) control, options(nostack, preserves_flags)) };
    }
}

/// Whether some core has this.
#[inline(always)]
pub fn has(quirk: Quirks) -> bool {
    QUIRKS.load(Ordering::Relaxed) & quirk.bits() != 0
}
