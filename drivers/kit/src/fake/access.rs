//! Accesses to registers, as a test writes them down.

/// An access of the driver: one that happened ([`Registers::log`](super::Registers::log)) or one that is to happen
/// ([`Registers::expect`](super::Registers::expect)).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Access {
    pub(super) write: bool,
    pub(super) offset: usize,
    pub(super) value: u64,
    pub(super) count: usize,
}

/// The driver reads the register at `offset` and gets `value`.
pub const fn read(offset: usize, value: u64) -> Access {
    Access { write: false, offset, value, count: 1 }
}

/// The driver writes `value` to the register at `offset`.
pub const fn write(offset: usize, value: u64) -> Access {
    Access { write: true, offset, value, count: 1 }
}

impl Access {
    /// The same access so many times.
    #[must_use]
    pub const fn times(self, count: usize) -> Self {
        Self { count, ..self }
    }
}

impl core::fmt::Debug for Access {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { write, offset, value, count } = *self;
        write!(f, "{}({offset:#x}, {value:#x})", if write { "write" } else { "read" })?;
        if count == 1 { Ok(()) } else { write!(f, ".times({count})") }
    }
}
