//! `selftest=…` on the kernel's command line makes it fail on purpose, so that tests can see that it fails as promised:
//! `panic`; `read`: an address that is not mapped; `write`: its own code; `execute`: its own data; `stack`: recursion
//! into the guard page; `user`: memory that is user space's. `init` is for the first process. `late-core`: the second core
//! seems to come late and without features. `errata`: every core seems to have every quirk there is. `maps` walks all page tables when init is ready to run.

use core::hint::black_box;

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
        "write" => touch(run as *const () as usize & !7, true),
        "execute" => execute(),
        "stack" => {
            log::warn!("recursion ended at {}", recurse(0));
        }
        "user" => touch_user(),
        "init" | "late-core" | "errata" | "maps" => {}
        other => log::warn!("boot argument selftest={other} is none"),
    }
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

/// Maps the page of the kernel's own code for user space and reads it: PAN forbids that.
fn touch_user() {
    let address = super::mmu::map_for_user(run as *const () as usize);
    touch(address, false);
    log::warn!("the kernel read what user space has mapped: no PAN");
}

fn execute() {
    static DATA: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0xd65f_03c0_d65f_03c0);
    // SAFETY: not sound, on purpose: fetching from data faults, and the report of that fault is what is tested.
    unsafe { core::arch::asm!("blr {}", in(reg) &raw const DATA, clobber_abi("C")) };
}

#[expect(unconditional_recursion, reason = "the guard page ends it")]
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let here = black_box([depth; 64]);
    recurse(depth + here[1] + 1) + here[63]
}
