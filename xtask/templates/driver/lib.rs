//! A driver of `{{compatible}}`. The first thing to put here: title, number and revision of the device's data sheet.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]
{{modules}}
{{imports}}
use kit::mmio::*;

kit::registers! {
    /// The registers in use, as the data sheet names them. One is here to begin with.
    struct Registers {
        0x00 => first: ReadOnly<u32>,
    }
}

/// The device.
#[derive(Debug)]
pub struct {{Type}} {
    registers: Registers,
}

impl {{Type}} {
    /// Takes the device over, in whatever state it was left.
    ///
    /// # Errors
    /// The register block is too short.
    pub fn new(mmio: &Mmio) -> Result<Self, kit::Error> {
        Ok(Self { registers: Registers::new(mmio)? })
    }

    /// What the first register holds.
    pub fn first(&self) -> u32 {
        self.registers.first.get()
    }
}

/// What clients ask for. A method that is not written yet is refused, as one that the protocol does not have.
impl {{Trait}} for {{Type}} {
{{methods}}}

#[cfg(test)]
mod tests {
    use super::*;
    use kit::fake;

    #[test]
    fn the_first_register_is_read() {
        let device = fake::Registers::new(0x1000).read_only(0x00, 0x1234);
        let driver = {{Type}}::new(&device.mmio()).expect("registers");
        assert_eq!(driver.first(), 0x1234);
    }

    #[test]
    fn a_block_that_is_too_short_is_refused() {
        let device = fake::Registers::new(0x1000);
        assert!({{Type}}::new(&device.mmio().part(0, 2).expect("a part")).is_err());
    }
}
