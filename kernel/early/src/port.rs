//! Registers of a device.

/// A block of registers. An offset beyond it is ignored, and reads as 0.
pub trait Port {
    /// Reads 32 bits.
    fn read(&self, offset: usize) -> u32;
    /// Writes 32 bits.
    fn write(&self, offset: usize, value: u32);
    /// Reads 8 bits.
    fn read_byte(&self, offset: usize) -> u8;
    /// Writes 8 bits.
    fn write_byte(&self, offset: usize, value: u8);
}

/// How registers lie, where a kind of device has several ways (Devicetree Specification 0.4, 4.2.2: `reg-shift`, `reg-io-width`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// log2 of the bytes from one register to the next.
    pub shift: u8,
    /// They are read and written as 32 bits instead of 8.
    pub words: bool,
}

impl Layout {
    /// Bytes in a row.
    pub const PLAIN: Self = Self { shift: 0, words: false };

    pub(crate) fn read(self, port: &dyn Port, register: usize) -> u32 {
        let offset = register << self.shift;
        if self.words { port.read(offset) } else { port.read_byte(offset).into() }
    }

    pub(crate) fn write(self, port: &dyn Port, register: usize, value: u8) {
        let offset = register << self.shift;
        if self.words { port.write(offset, value.into()) } else { port.write_byte(offset, value) }
    }
}

/// Looks until it is so, or the device counts as broken.
pub(crate) fn wait(mut is_so: impl FnMut() -> bool) {
    const PATIENCE: u32 = 1_000_000;
    let _ = (0..PATIENCE).any(|_| is_so());
}
