//! Device registers of the kernel: one load or store each, never through a reference. Loads are load-acquire: on a Cortex-A57 a
//! plain load of device memory beside an exclusive store can stop the core (erratum 832075).

use core::arch::asm;

/// Memory that was written is seen by devices before what is written to their registers from here on.
pub fn publish_to_devices() {
    // SAFETY: a barrier.
    unsafe { asm!("dsb st", options(nostack, preserves_flags)) };
}

/// A block of 32-bit registers.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    base: usize,
    bytes: usize,
}

impl Registers {
    /// # Safety
    /// `bytes` bytes from `base` are device registers, mapped as device memory for ever.
    pub const unsafe fn new(base: usize, bytes: usize) -> Self {
        Self { base, bytes }
    }

    /// Where they lie.
    pub fn address(self) -> usize {
        self.base
    }

    fn place(self, offset: usize, size: usize) -> usize {
        let inside = offset.checked_add(size).is_some_and(|end| end <= self.bytes);
        assert!(offset.is_multiple_of(size) && inside, "register {offset:#x} outside its block");
        self.base + offset
    }

    /// Reads a register.
    pub fn read(self, offset: usize) -> u32 {
        let place = self.place(offset, 4);
        let value: u32;
        // SAFETY: the place lies in mapped device registers (checked).
        unsafe { asm!("ldar {0:w}, [{1}]", out(reg) value, in(reg) place, options(nostack)) };
        value
    }

    /// Writes a register.
    pub fn write(self, offset: usize, value: u32) {
        let place = self.place(offset, 4);
        // SAFETY: the place lies in mapped device registers (checked).
        unsafe { asm!("str {0:w}, [{1}]", in(reg) value, in(reg) place, options(nostack)) };
    }

    /// Writes a byte register.
    pub fn write_byte(self, offset: usize, value: u8) {
        let place = self.place(offset, 1);
        // SAFETY: the place lies in mapped device registers (checked).
        unsafe { asm!("strb {0:w}, [{1}]", in(reg) u32::from(value), in(reg) place, options(nostack)) };
    }

    /// Reads a byte register.
    pub fn read_byte(self, offset: usize) -> u8 {
        let place = self.place(offset, 1);
        let value: u32;
        // SAFETY: the place lies in mapped device registers (checked).
        unsafe { asm!("ldarb {0:w}, [{1}]", out(reg) value, in(reg) place, options(nostack)) };
        value as u8
    }

    /// Writes a 64-bit register.
    pub fn write_long(self, offset: usize, value: u64) {
        let place = self.place(offset, 8);
        // SAFETY: the place lies in mapped device registers (checked).
        unsafe { asm!("str {0}, [{1}]", in(reg) value, in(reg) place, options(nostack)) };
    }

    /// Reads a 64-bit register.
    pub fn read_long(self, offset: usize) -> u64 {
        let place = self.place(offset, 8);
        let value: u64;
        // SAFETY: the place lies in mapped device registers (checked).
        unsafe { asm!("ldar {0}, [{1}]", out(reg) value, in(reg) place, options(nostack)) };
        value
    }

    /// Bytes of the block.
    pub const fn bytes(self) -> usize {
        self.bytes
    }

    /// A part of the block.
    pub fn part(self, offset: usize, bytes: usize) -> Self {
        assert!(offset.checked_add(bytes).is_some_and(|end| end <= self.bytes), "part outside its block");
        Self { base: self.base + offset, bytes }
    }
}
