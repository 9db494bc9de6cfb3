//! Addresses of the own process: frames are mapped one behind the other, with an unmapped page between.

use core::sync::atomic::{AtomicU64, Ordering};

use abi::{Kind, Perms, SyscallError, layout::PAGE};

use crate::cap::{Cap, Frame, MEMORY, Retype, SPACE, TABLE};
use crate::slots::{NoSlot, alloc_slot, free_slot};

/// Where mappings begin; below are program, stack and message page, far above the heap.
static NEXT: AtomicU64 = AtomicU64::new(abi::layout::USER_MAPPINGS);

/// Why memory could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmError {
    /// The own table is full.
    NoSlot,
    /// The kernel refused.
    Kernel(SyscallError),
}

impl From<NoSlot> for VmError {
    fn from(_: NoSlot) -> Self {
        Self::NoSlot
    }
}

impl From<SyscallError> for VmError {
    fn from(error: SyscallError) -> Self {
        Self::Kernel(error)
    }
}

/// A Frame mapped into this process. Dropping it does not unmap: see [`unmap`].
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    /// The Frame.
    pub frame: Cap<Frame>,
    /// First byte.
    pub address: u64,
    /// Bytes.
    pub bytes: usize,
}

/// A new Frame of zeroed memory out of the process's own.
///
/// # Errors
/// [`VmError`].
pub fn new_frame(pages: u64) -> Result<Cap<Frame>, VmError> {
    let slot = alloc_slot()?;
    let what = Retype { size: pages, ..Retype::default() };
    if let Err(error) = MEMORY.retype(Kind::Frame, what, TABLE, slot) {
        free_slot(slot);
        return Err(error.into());
    }
    Ok(Cap::from_slot(slot))
}

/// Maps a whole Frame of `pages` pages at a free address.
///
/// # Errors
/// [`VmError`].
pub fn map(frame: Cap<Frame>, pages: u64, perms: Perms) -> Result<Mapping, VmError> {
    let address = NEXT.fetch_add((pages + 1) * PAGE, Ordering::Relaxed);
    map_at(frame, address, pages, perms)
}

/// Maps a whole Frame at an address the caller knows to be free.
///
/// # Errors
/// [`VmError`].
pub fn map_at(frame: Cap<Frame>, address: u64, pages: u64, perms: Perms) -> Result<Mapping, VmError> {
    SPACE.map(frame, address, 0, pages, perms)?;
    Ok(Mapping { frame, address, bytes: (pages * PAGE) as usize })
}

/// Removes a mapping.
///
/// # Errors
/// [`VmError`].
pub fn unmap(mapping: Mapping) -> Result<(), VmError> {
    SPACE.unmap(mapping.frame).map_err(Into::into)
}

impl Mapping {
    /// The bytes of memory that the kernel keeps as the boot loader left it (device tree, bundle): nobody can write it.
    /// `None` for any other mapping, which is told by its capability's lack of the right to write.
    pub fn kept_bytes(&self) -> Option<&'static [u8]> {
        if cfg!(not(target_os = "none")) || SPACE.protect(self.frame, Perms::READ | Perms::WRITE).is_ok() {
            return None;
        }
        // SAFETY: the mapping is readable and stays for the life of the process (dropping it does not unmap, and
        // `unmap` documents that kept bytes end with it); the kernel hands out kept memory without the right to write,
        // which was just tried, and so do all copies.
        Some(unsafe { core::slice::from_raw_parts(self.address as *const u8, self.bytes) })
    }

    /// A 32-bit device register; `None` outside the mapping.
    pub fn read_register(&self, offset: usize) -> Option<u32> {
        let fits = offset.is_multiple_of(4) && offset.checked_add(4)? <= self.bytes;
        // SAFETY: the place lies inside the mapping and is aligned; volatile, because it is a device's.
        fits.then(|| unsafe { (self.address as *const u32).byte_add(offset).read_volatile() })
    }
}

/// A start page as the bytes another process will find.
pub fn start_info_bytes(info: &abi::StartInfo) -> &[u8] {
    // SAFETY: StartInfo is made of integers without padding (its golden test checks the offsets).
    unsafe { core::slice::from_raw_parts((&raw const *info).cast(), size_of::<abi::StartInfo>()) }
}
