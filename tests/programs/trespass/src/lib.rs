//! What the trespassers have in common: reaching for an address that is none of theirs.
//!
//! With the conformance programs this is the one place outside the rooms of unsafe code that has some: its purpose is to
//! do what safe code cannot.
//! Each access either faults, which is what the tests wait for, or yields a number that proves the isolation broken.
#![cfg_attr(target_os = "none", no_std)]
#![allow(unsafe_code)]

pub mod liar;

/// Reads a word at any address. It must not come back.
pub fn read(what: &str, address: usize) {
    log::info!("trespass: reading {what} at {address:#x}");
    // SAFETY: not sound, and meant so: the address is not ours. The processor stops it, or the test fails.
    let value = unsafe { core::ptr::with_exposed_provenance::<u64>(address).read_volatile() };
    log::error!("isolation broken: read {value:#x} of {what}");
}

/// Writes a word at any address. It must not come back.
pub fn write(what: &str, address: usize) {
    log::info!("trespass: writing {what} at {address:#x}");
    // SAFETY: as in `read`.
    unsafe { core::ptr::with_exposed_provenance_mut::<u32>(address).write_volatile(0) };
    log::error!("isolation broken: wrote {what}");
}

/// Calls a function at any address. It must not come back.
pub fn execute(what: &str, address: usize) {
    log::info!("trespass: executing {what} at {address:#x}");
    let place = core::ptr::with_exposed_provenance::<()>(address);
    // SAFETY: as in `read`; what lies there, a `ret`, would come back.
    let function = unsafe { core::mem::transmute::<*const (), extern "C" fn()>(place) };
    function();
    log::error!("isolation broken: executed {what}");
}

/// Writes a vector register. It must not come back.
pub fn compute() {
    log::info!("trespass: using floating point");
    #[cfg(target_os = "none")]
    // SAFETY: `fmov d0, #2.0`, which this program's compiler does not know; no code of it has anything in d0.
    unsafe {
        core::arch::asm!(".inst 0x1e601000", options(nomem, nostack, preserves_flags));
    }
    log::error!("isolation broken: used floating point");
}

/// Branches to an instruction that is no landing pad. Where the machine sees to it, it must not come back.
pub fn branch() {
    log::info!("trespass: branching to what is no landing pad");
    #[cfg(target_os = "none")]
    // SAFETY: goes on behind the branch, or faults.
    unsafe {
        core::arch::asm!("adr {0}, 2f", "br {0}", "2:", out(reg) _, options(nomem, nostack, preserves_flags));
    }
    log::error!("branched to what is no landing pad");
}

/// Returns to another place than where it was called from, unless the machine notices.
#[inline(never)]
pub fn forge() {
    #[cfg(target_os = "none")]
    // SAFETY: not sound, and meant so: the frame record that x29 points at is this function's; the processor stops what follows,
    // or the test fails.
    unsafe {
        core::arch::asm!("str {0}, [x29, #8]", in(reg) forged as *const () as usize, clobber_abi("C"));
    }
}

#[cfg(target_os = "none")]
extern "C" fn forged() -> ! {
    panic!("returned to where nobody called from");
}
