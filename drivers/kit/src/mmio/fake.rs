//! On the host a register is a call to a fake device.

use alloc::rc::Rc;

/// The registers of a fake device. Offsets count from the start of the block; `bytes` is the width of the access.
pub trait Bank {
    /// A read of the register at `offset`.
    fn load(&self, offset: usize, bytes: usize) -> u64;
    /// A write to the register at `offset`.
    fn store(&self, offset: usize, bytes: usize, value: u64);
}

/// A place in a fake device.
#[derive(Clone)]
pub struct Base {
    bank: Option<Rc<dyn Bank>>,
    offset: usize,
}

impl core::fmt::Debug for Base {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "fake register {:#x}", self.offset)
    }
}

impl Base {
    /// There is no device memory on the host.
    pub(super) fn new(_: u64) -> Self {
        Self { bank: None, offset: 0 }
    }

    pub(super) fn fake(bank: Rc<dyn Bank>) -> Self {
        Self { bank: Some(bank), offset: 0 }
    }

    pub(super) fn at(&self, offset: usize) -> Self {
        Self { bank: self.bank.clone(), offset: self.offset + offset }
    }
}

macro_rules! access {
    ($($type:ty),*) => { $(
        impl super::sealed::Access for $type {
            fn load(place: &Base) -> $type {
                place.bank.as_ref().map_or(0, |bank| bank.load(place.offset, size_of::<$type>()) as $type)
            }
            fn store(place: &Base, value: $type) {
                if let Some(bank) = &place.bank {
                    bank.store(place.offset, size_of::<$type>(), value.into());
                }
            }
        }
    )* };
}

access!(u8, u16, u32, u64);
