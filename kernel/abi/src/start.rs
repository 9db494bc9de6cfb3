//! What a process finds when it starts.

/// The version of this interface: major in the high half. The kernel ABI is not stable until its first release.
pub const ABI_VERSION: u32 = 0x0000_0001;
/// Bytes of a slot's name, zero-padded.
pub const NAME_LEN: usize = 24;
/// Named slots in a [`StartInfo`].
pub const MAX_NAMED: usize = 96;

/// A slot with the name the manifest gives it: `provide:serial`, `use:block`, `reg:0`, `irq:0`, `dma`, … Or a number: see
/// [`NamedSlot::is_number`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedSlot {
    /// The name, zero-padded.
    pub name: [u8; NAME_LEN],
    /// The slot.
    pub slot: u32,
    /// Bytes of a Frame, 0 else.
    pub size: u32,
}

impl NamedSlot {
    /// Whether `slot` is a number and no slot: where in its page a register block begins (`reg-offset:0`), or an argument
    /// of the command line (`arg:KEY`).
    pub fn is_number(&self) -> bool {
        self.name.starts_with(b"reg-offset:") || self.name.starts_with(b"arg:")
    }
}

/// The read-only page whose address a process gets in x0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct StartInfo {
    /// [`ABI_VERSION`].
    pub abi_version: u32,
    /// Slots of the process's CapTable.
    pub table_slots: u32,
    /// Nanoseconds = ticks · `tick_mul` >> `tick_shift`.
    pub tick_mul: u32,
    /// See `tick_mul`.
    pub tick_shift: u32,
    /// Seed for random numbers; 0 when the machine offered none.
    pub seed: [u64; 4],
    /// CNTVCT when the kernel was entered.
    pub boot_ticks: u64,
    /// Address of the message page in this address space.
    pub message_page: u64,
    /// First address of the heap range, which is empty and ends at [`crate::layout::USER_MAPPINGS`].
    pub heap_base: u64,
    /// Bytes of memory that the heap takes for that range; init: 0, it has enough.
    pub heap_limit: u64,
    /// The component's number in the bundle: what badges carry. 0 is init.
    pub component: u32,
    /// Which instance of the component this is, counted from 1.
    pub epoch: u32,
    /// init: address of the device tree Frame's first byte within its first page; processes: 0.
    pub tree_offset: u32,
    /// init: bytes of the device tree.
    pub tree_bytes: u32,
    /// init: byte of the bundle within its first page.
    pub bundle_offset: u32,
    /// init: number of Untyped slots from `SLOT_INIT_MEMORY` on.
    pub memory_slots: u32,
    /// init: bytes of the bundle.
    pub bundle_bytes: u64,
    /// Number of entries in `named`.
    pub named_count: u32,
    /// Cores of the machine.
    pub cores: u32,
    /// What is in use: [`crate::Protections`].
    pub protections: u32,
    /// init: pages of RAM that the kernel keeps for itself: its image, stacks and data, and its page tables. Zero otherwise.
    pub kernel_pages: u32,
    /// Slots by name.
    pub named: [NamedSlot; MAX_NAMED],
}

impl StartInfo {
    /// The slot with this name.
    pub fn find(&self, name: &str) -> Option<NamedSlot> {
        let count = (self.named_count as usize).min(MAX_NAMED);
        self.named[..count].iter().copied().find(|entry| {
            let end = entry.name.iter().position(|&byte| byte == 0).unwrap_or(NAME_LEN);
            &entry.name[..end] == name.as_bytes()
        })
    }

    /// Nanoseconds of a number of ticks; saturates.
    pub fn nanoseconds(&self, ticks: u64) -> u64 {
        u64::try_from((ticks as u128 * self.tick_mul as u128) >> self.tick_shift.min(63)).unwrap_or(u64::MAX)
    }
}

/// First bytes of the program that travels inside the kernel image.
pub const INIT_IMAGE_MAGIC: [u8; 8] = *b"TUTINIT1";

/// The header of init inside the kernel image, little-endian, at a page boundary behind the kernel. Load records are
/// computed when the image is built; the kernel parses no ELF.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct InitImage {
    /// [`INIT_IMAGE_MAGIC`].
    pub magic: [u8; 8],
    /// Bytes of the whole, header included, a multiple of the page size.
    pub bytes: u64,
    /// Address of the first instruction.
    pub entry: u64,
    /// Segments in use.
    pub segments: u64,
    /// The segments, by address.
    pub segment: [InitSegment; 4],
}

/// One segment: `file_pages` pages at `offset` from the header, followed by zeroed pages up to `pages`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InitSegment {
    /// Virtual address, a multiple of the page size.
    pub address: u64,
    /// Offset from the header, a multiple of the page size.
    pub offset: u64,
    /// Pages in the file; the last is padded with zeros.
    pub file_pages: u32,
    /// Pages in memory.
    pub pages: u32,
    /// [`SegmentFlags`].
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
}

/// Permissions of a segment: the bits of [`crate::Perms`].
pub type SegmentFlags = crate::Perms;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_layout() {
        assert!(size_of::<StartInfo>() <= 4096);
        assert_eq!(size_of::<NamedSlot>(), 32);
        assert_eq!(core::mem::offset_of!(StartInfo, seed), 16);
        assert_eq!(core::mem::offset_of!(StartInfo, message_page), 56);
        assert_eq!(core::mem::offset_of!(StartInfo, named), 128);
        assert_eq!(size_of::<InitImage>(), 32 + 4 * 32);
    }
}
