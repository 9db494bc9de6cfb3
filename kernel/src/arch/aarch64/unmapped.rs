//! Cores on which the kernel is not mapped while a process runs: their roots, the way there, and a look at what is left
//! (decision 0019).

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use aarch64_cpu::registers::{Readable, TCR_EL1};
use abi::Protections;

use super::{cores, layout, mmu, trap};
use crate::audit::Unsound;
use crate::kernel::Kernel;
use crate::mm::Phys;
use crate::mm::regions::Regions;
use crate::unmapped::{self, Places, Roots};

/// TCR_EL1.A1: the ASID is that of TTBR1.
const ASID_OF_UPPER: u64 = 1 << 22;

unsafe extern "C" {
    static __image_start: u8;
    /// Where what stays after boot begins.
    static __text_start: u8;
    /// The page of code that user space keeps.
    static trampoline: u8;
    /// Changes to a core's own roots, of which the kernel's is given, and TCR_EL1.
    fn unmapped_begin(full: u64, control: u64);
    /// PAR_EL1 of an address in user space.
    fn unmapped_probe(address: usize) -> u64;
}

/// The kernel's root on the cores that need this; 0: there is none.
static ROOT: AtomicU64 = AtomicU64::new(0);
/// The root of the boot, which the other cores keep.
static BOOT_ROOT: AtomicU64 = AtomicU64::new(0);

fn page() -> u64 {
    &raw const trampoline as u64
}

/// All cores have come, nothing more is mapped for the kernel: makes the roots, if a core needs them. Returns what is in use.
pub(super) fn settle(k: &mut Kernel, free: &mut Regions, in_use: Protections) -> Protections {
    if !in_use.contains(Protections::TRAMPOLINE) {
        return in_use;
    }
    let places = Places { page: page(), gone: &raw const __image_start as u64..&raw const __text_start as u64 };
    let boot = mmu::kernel_root();
    if let Some(roots) = unmapped::build(&mut k.mem, free, boot, &places) {
        mmu::tables_written();
        BOOT_ROOT.store(boot.0, Ordering::Relaxed);
        ROOT.store(roots.full().0, Ordering::Relaxed);
        return in_use;
    }
    log::warn!("cores: no memory for the tables that keep the kernel from processes");
    cores::AREAS.iter().for_each(|area| area.trampoline.store(0, Ordering::Relaxed));
    in_use.difference(Protections::TRAMPOLINE) | Protections::EXPOSED
}

/// Whether this core has roots of its own.
fn is_concerned() -> bool {
    cores::area().trampoline.load(Ordering::Relaxed) != 0
}

/// Called with the lock held, before the first thread of this core runs: it takes its own roots.
pub(super) fn begin() {
    if is_concerned() {
        // SAFETY: the boot core made the roots, which map all that the kernel uses, before it let go of the lock for the first
        // time.
        unsafe { unmapped_begin(ROOT.load(Ordering::Relaxed), TCR_EL1.get() | ASID_OF_UPPER) };
    }
}

/// Walks this core's roots and asks the hardware what a process would find; says so once a core. For a self-test.
pub(super) fn check(k: &Kernel) {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    let core = cores::number();
    if !is_concerned() || SEEN.fetch_or(1 << core, Ordering::Relaxed) & 1 << core != 0 {
        return;
    }
    let roots = Roots::of_full(mmu::kernel_root());
    let boot = Phys(BOOT_ROOT.load(Ordering::Relaxed));
    if let Err(Unsound { address, value }) = unmapped::audit(&k.mem, roots, boot, page()) {
        panic!("unmapped: {address:#x} has the leaf {value:#x}");
    }
    let data = &raw const trap::KERNEL as usize;
    let code = check as *const () as usize;
    let stack = cores::stack().start;
    let places = [code, data, stack, layout::MAP, layout::TREE, layout::DEVICES];
    for place in places {
        assert!(mmu::is_mapped(place), "unmapped: the kernel lacks {place:#x}");
        assert!(!is_translated(place), "unmapped: a process's tables translate {place:#x}");
    }
    assert!(is_translated(page() as usize), "unmapped: a process's tables lack the way in");
    log::info!("maps: core {core} has one page of the kernel while a process runs");
}

fn is_translated(address: usize) -> bool {
    // SAFETY: this core has its roots; nothing is written but PAR_EL1.
    unsafe { unmapped_probe(address) & 1 == 0 }
}
