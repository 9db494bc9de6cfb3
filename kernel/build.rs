//! The kernel is linked in two steps: cargo's leaves an object with one section for each function and constant; what of it
//! only boot reaches is found there, and `image.ld` lays it out (`xtask/src/link.rs`).

fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo:rustc-link-search={root}/src/arch/aarch64");
    println!("cargo:rustc-link-arg-bins=--relocatable");
    println!("cargo:rerun-if-changed=src/arch/aarch64/link.ld");
}
