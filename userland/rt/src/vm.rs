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
