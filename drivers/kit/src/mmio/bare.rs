//! The accesses themselves: one instruction each. Loads are load-acquire: on a Cortex-A57 a plain load of device memory beside
//! an exclusive store can stop the core (erratum 832075).

use core::arch::asm;
use core::ptr::NonNull;

/// A place in mapped device memory.
#[derive(Clone, Debug)]
pub struct Base(NonNull<u8>);

impl Base {
    /// The block mapped at this address, which is never 0: mappings begin far above.
    pub(super) fn new(address: u64) -> Self {
        Self(NonNull::new(address as *mut u8).unwrap_or(NonNull::dangling()))
    }

    /// The place `offset` bytes further, which the caller has checked to lie in the block.
    pub(super) fn at(&self, offset: usize) -> Self {
        Self(self.0.map_addr(|address| address.saturating_add(offset)))
    }

    #[cfg(feature = "virtio")]
    pub(super) fn pointer(&self) -> NonNull<u8> {
        self.0
    }
}

macro_rules! access {
    ($($type:ty, $load:literal, $store:literal;)*) => { $(
        impl super::sealed::Access for $type {
            #[inline(always)]
            fn load(place: &Base) -> $type {
                let value: $type;
                // SAFETY: the place was checked to lie inside a block of registers that stays mapped for the life of the
                // process, aligned to its size. No Rust object lies there.
                unsafe { asm!($load, out(reg) value, in(reg) place.0.as_ptr(), options(nostack, preserves_flags)) };
                value
            }

            #[inline(always)]
            fn store(place: &Base, value: $type) {
                // SAFETY: as above; what the device does to memory goes through `dma`, which the asm block does not
                // hide from the compiler (no `nomem`).
                unsafe { asm!($store, in(reg) value, in(reg) place.0.as_ptr(), options(nostack, preserves_flags)) };
            }
        }
    )* };
}

access! {
    u8, "ldarb {0:w}, [{1}]", "strb {0:w}, [{1}]";
    u16, "ldarh {0:w}, [{1}]", "strh {0:w}, [{1}]";
    u32, "ldar {0:w}, [{1}]", "str {0:w}, [{1}]";
    u64, "ldar {0:x}, [{1}]", "str {0:x}, [{1}]";
}
