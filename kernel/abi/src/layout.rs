//! Sizes and permissions of memory.

use bitflags::bitflags;

/// log2 of the page size: the 4 KiB granule.
pub const PAGE_BITS: u32 = 12;
/// Bytes of a page.
pub const PAGE: u64 = 1 << PAGE_BITS;
/// The end of the lower half: user addresses lie below.
pub const USER_END: u64 = 1 << 48;

bitflags! {
    /// Permissions of a mapping. Writable and executable together is refused; every mapping is readable.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
    pub struct Perms: u8 {
        /// Readable.
        const READ = 1;
        /// Writable.
        const WRITE = 2;
        /// Executable.
        const EXECUTE = 4;
        /// With `EXECUTE`: an indirect branch must end at a landing pad, on machines that can see to it.
        const GUARDED = 8;
    }
}

/// Memory attributes, fixed when a Frame is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum MemoryType {
    /// Normal, write-back cacheable: the only type of RAM that is not for devices.
    Normal = 0,
    /// Normal, non-cacheable.
    NonCacheable = 1,
    /// Device-nGnRE: device registers.
    DeviceNgnre = 2,
    /// Device-nGnRnE: device registers whose writes must not be acknowledged early.
    DeviceNgnrne = 3,
}

impl MemoryType {
    /// The type with this number.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Normal),
            1 => Some(Self::NonCacheable),
            2 => Some(Self::DeviceNgnre),
            3 => Some(Self::DeviceNgnrne),
            _ => None,
        }
    }
}

/// Where a process finds its StartInfo.
pub const USER_INFO: u64 = 0x10_0000;
/// Where its message page lies.
pub const USER_MESSAGE_PAGE: u64 = 0x10_2000;
/// Where its stack ends; below its lowest page nothing is mapped.
pub const USER_STACK_TOP: u64 = 0x1f_0000;
/// Most bytes of a stack.
pub const USER_STACK_MAX: u64 = USER_STACK_TOP - USER_MESSAGE_PAGE - 2 * PAGE;
/// Where its program begins.
pub const USER_PROGRAM: u64 = 0x20_0000;
/// Where its heap begins.
pub const USER_HEAP: u64 = 0x1000_0000;
/// Where frames are mapped.
pub const USER_MAPPINGS: u64 = 0x2000_0000;
