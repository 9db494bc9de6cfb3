//! The examples of the documentation: each block of Rust in a page of `docs/` is compiled and run, as the documentation of a
//! module here. `cargo xtask check` sees to it that a block says what language it is.

#[cfg(doctest)]
mod pages {
    include!(concat!(env!("OUT_DIR"), "/pages.rs"));
}
