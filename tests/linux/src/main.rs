//! The first and only process of a Linux that is compared with Tutti: drives its disk as fast as Linux lets it, with
//! direct I/O; one request at a time by `pread` and `pwrite`, many through io_uring.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod console;
#[cfg(target_os = "none")]
mod disk;
#[cfg(target_os = "none")]
mod kernel;
#[cfg(target_os = "none")]
mod ring;
#[cfg(target_os = "none")]
mod start;

/// It runs on Linux on AArch64 only, as `cargo xtask compare` builds it.
#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("`cargo xtask compare` builds and boots this program");
}
