//! The kernel's binary: everything is in the library; the entry is `arch::aarch64::boot`.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
use kernel as _;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is the Tutti kernel; `cargo xtask run` builds it for the target and boots it");
    std::process::exit(2);
}
