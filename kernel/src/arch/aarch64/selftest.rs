//! `selftest=…` on the kernel's command line makes it fail on purpose, so that tests can see that it fails as promised:
//! `panic`; `read`: an address that is not mapped; `write`: its own code; `execute`: its own data; `stack`: recursion
//! into the guard page; `user`: memory that is user space's. `init` is for the first process. `late-core`: the second core
//! seems to come late and without features. `branch`: an indirect branch
//! to what is no landing pad; `return`: a return to where nobody called from. `errata`: every core seems to have every quirk
//! there is. `boot`: a call to what is gone after boot. `maps` walks all page tables when a core becomes idle, in a tenth of the time at most.

use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::audit;
use crate::kernel::Kernel;

/// The test that is asked for.
fn asked(bootargs: &str) -> Option<&str> {
    bootargs.split_ascii_whitespace().find_map(|word| word.strip_prefix("selftest="))
}

/// Whether this test is asked for.
pub fn is_asked(bootargs: &str, kind: &str) -> bool {
    asked(bootargs) == Some(kind)
}

/// Fails as asked, or returns when nothing was asked.
pub fn run(bootargs: &str) {
    let Some(kind) = asked(bootargs) else { return };
    match kind {
        "panic" => panic!("asked for by selftest=panic"),
        "read" => touch(super::layout::DEVICES + 0x10_0000, false),
        "write" => touch(code(), true),
        "execute" => execute(),
        "stack" => {
            log::warn!("recursion ended at {}", recurse(0));
        }
        "user" => touch_user(),
        "maps" => WALK.store(true, Ordering::Relaxed),
        "branch" => LATER.store(BRANCH, Ordering::Relaxed),
        "return" => LATER.store(RETURN, Ordering::Relaxed),
        "boot" => LATER.store(BOOT, Ordering::Relaxed),
        "init" | "late-core" | "errata" => {}
        other => log::warn!("boot argument selftest={other} is none"),
    }
}

/// Where the kernel's code begins: that of boot, while there is boot.
fn code() -> usize {
    unsafe extern "C" {
        static __image_start: u8;
    }
    &raw const __image_start as usize
}

fn touch(address: usize, write: bool) {
    let place = black_box(address as *mut u64);
    // SAFETY: not sound, on purpose: the access faults, and the report of that fault is what is tested.
    unsafe {
        if write {
            place.write_volatile(0);
        } else {
            black_box(place.read_volatile());
        }
    }
}

/// Whether all page tables are walked when a core becomes idle.
static WALK: AtomicBool = AtomicBool::new(false);

/// Does what is asked for of an idle core.
pub fn on_idle(k: &Kernel) {
    match LATER.swap(0, Ordering::Relaxed) {
        0 => {}
        BRANCH => branch(),
        RETURN => forge(),
        _ => call(code()),
    }
    if WALK.load(Ordering::Relaxed) {
        super::unmapped::check(k);
        walk(k);
    }
}

/// Walks all page tables, but not too often.
fn walk(k: &Kernel) {
    /// When the next walk may be. Where walks take long the system would come to nothing else.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let began = k.machine.now();
    if began < NEXT.load(Ordering::Relaxed) {
        return;
    }
    judge(k);
    let ended = k.machine.now();
    NEXT.store(ended + 9 * (ended - began), Ordering::Relaxed);
}

/// Says so when there are more of them than before.
fn judge(k: &Kernel) {
    static SPACES: AtomicU32 = AtomicU32::new(0);
    match audit::audit(k, Some(super::mmu::kernel_root())) {
        Ok(tally) if tally.spaces > SPACES.fetch_max(tally.spaces, Ordering::Relaxed) => {
            let audit::Tally { kernel, processes, spaces } = tally;
            let spaces = u64::from(spaces);
            log::info!("maps: in order: {kernel} of the kernel, {processes} of {spaces} processes");
        }
        Ok(_) => {}
        Err(audit::Unsound { address, value }) => panic!("maps: {address:#x} has the leaf {value:#x}"),
    }
}

/// Maps the page of the kernel's own code for user space and reads it: PAN forbids that.
fn touch_user() {
    let address = super::mmu::map_for_user(code());
    touch(address, false);
    log::warn!("the kernel read what user space has mapped: no PAN");
}

/// What is tried when a core becomes idle for the first time; 0 nothing. During boot none of it is seen to yet.
static LATER: AtomicU32 = AtomicU32::new(0);
const BRANCH: u32 = 1;
const RETURN: u32 = 2;
const BOOT: u32 = 3;

fn branch() {
    // SAFETY: goes on behind the branch, or faults, and the report of that is what is tested.
    unsafe { core::arch::asm!("adr {0}, 2f", "br {0}", "2:", out(reg) _, options(nomem, nostack, preserves_flags)) };
    panic!("an indirect branch ended where no landing pad is");
}

/// Returns to another place than where it was called from.
#[inline(never)]
fn forge() {
    // SAFETY: not sound, on purpose: the frame record that x29 points at is this function's, and where that leads is what is
    // tested.
    unsafe { core::arch::asm!("str {0}, [x29, #8]", in(reg) forged as *const () as usize, clobber_abi("C")) };
}

extern "C" fn forged() -> ! {
    panic!("a return ended where nobody called from");
}

fn call(address: usize) {
    // SAFETY: not sound, on purpose: fetching from there faults, and the report of that fault is what is tested.
    unsafe { core::arch::asm!("blr {}", in(reg) address, clobber_abi("C")) };
}

fn execute() {
    static DATA: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0xd65f_03c0_d65f_03c0);
    call(&raw const DATA as usize);
}

#[expect(unconditional_recursion, reason = "the guard page ends it")]
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let here = black_box([depth; 64]);
    recurse(depth + here[1] + 1) + here[63]
}
