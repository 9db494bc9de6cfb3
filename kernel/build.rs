//! Lets the linker find the kernel's `link.ld`.

fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo:rustc-link-search={root}/src/arch/aarch64");
    println!("cargo:rerun-if-changed=src/arch/aarch64/link.ld");
}
