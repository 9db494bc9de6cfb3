//! The first instructions of a component.

use crate::env::Env;

/// The type of a component's entry function.
pub type Start = fn(&'static Env);

#[cfg(target_os = "none")]
core::arch::global_asm!(
    ".section .text.start, \"ax\"",
    ".global _start",
    ".type _start, %function",
    "_start:",
    "hint #34", // BTI c
    "mov x29, xzr",
    "mov x30, xzr",
    "b {start}",
    start = sym start,
);

#[cfg(target_os = "none")]
unsafe extern "Rust" {
    fn tutti_component_main(env: &'static Env);
}

/// How a component that returns from its entry function ends: `brk` with this immediate.
#[cfg(target_os = "none")]
extern "C" fn start(info: &'static abi::StartInfo) -> ! {
    let env = Env::init(info);
    crate::logger::init();
    // SAFETY: `entry!` defines the symbol with exactly this signature.
    unsafe { tutti_component_main(env) };
    crate::panic::exit()
}
