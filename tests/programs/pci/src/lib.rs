//! Drivers of functions that QEMU has for tests: `pci-testdev` (docs/specs/pci-testdev), which says in its registers what it is,
//! and `edu`, which interrupts.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod edu;

use alloc::string::String;

use kit::mmio::{Mmio, ReadOnly, Readable, WriteOnly, Writeable};

pub use edu::{Edu, raise};

/// Selects a test.
const TEST: usize = 0;
/// Where the name of the selected test begins.
const NAME: usize = 16;
/// The longest name.
const LONGEST: usize = 64;

/// Selects the first test: what it is called.
///
/// # Errors
/// The registers are too short.
pub fn name(mmio: &Mmio) -> Result<String, kit::Error> {
    mmio.register::<WriteOnly<u8>>(TEST)?.set(0);
    let mut name = String::new();
    for offset in NAME..NAME + LONGEST {
        match mmio.register::<ReadOnly<u8>>(offset)?.get() {
            0 => break,
            letter => name.push(char::from(letter)),
        }
    }
    Ok(name)
}
