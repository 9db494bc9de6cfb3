//! Addresses of the own process: frames are mapped one behind the other, with an unmapped page between.

use core::sync::atomic::{AtomicU64, Ordering, fence};

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
    pub(crate) frame: Cap<Frame>,
    pub(crate) address: u64,
    pub(crate) bytes: usize,
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

/// Deletes a capability of the own table and gives its slot back.
pub(crate) fn discard<K>(cap: Cap<K>) {
    if TABLE.delete(cap.slot()).is_ok() {
        free_slot(cap.slot());
    }
}

/// Pages of a block: what of a Frame is aligned to one takes a single entry of the page tables, if its address is as well.
const BLOCK: u64 = 512;

/// Addresses for `pages` pages, which nothing else gets, with one between that nothing gets.
pub(crate) fn addresses(pages: u64) -> u64 {
    if pages < BLOCK {
        return NEXT.fetch_add((pages + 1) * PAGE, Ordering::Relaxed);
    }
    let first = NEXT.fetch_add((pages + BLOCK + 1) * PAGE, Ordering::Relaxed);
    first.next_multiple_of(BLOCK * PAGE)
}

/// Maps a whole Frame of `pages` pages at a free address.
///
/// # Errors
/// [`VmError`].
pub fn map(frame: Cap<Frame>, pages: u64, perms: Perms) -> Result<Mapping, VmError> {
    map_at(frame, addresses(pages), pages, perms)
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
    /// The Frame.
    pub const fn frame(&self) -> Cap<Frame> {
        self.frame
    }

    /// First byte.
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// Bytes.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The bytes of the device tree or the bundle, which the kernel keeps as the boot loader left them and gives to init
    /// alone. `None` for any other mapping: in another process the lack of the right to write says nothing of what the
    /// giver of the Frame may do.
    pub fn kept_bytes(&self) -> Option<&'static [u8]> {
        let init = crate::env().is_some_and(|env| env.start_info().component == 0);
        if !init || SPACE.protect(self.frame, Perms::READ | Perms::WRITE).is_ok() {
            return None;
        }
        // SAFETY: init maps no Frame that another process gave it, and of those the kernel and its own memory give it
        // only kept memory lacks the right to write, which was tried just now (and the log ring, which is read word by
        // word); init never unmaps that.
        Some(unsafe { core::slice::from_raw_parts(self.address as *const u8, self.bytes) })
    }

    /// As [`Self::kept_bytes`], for who was given the Frame by init under a name that only kept memory has.
    pub(crate) fn given_bytes(&self) -> Option<&'static [u8]> {
        if SPACE.protect(self.frame, Perms::READ | Perms::WRITE).is_ok() {
            return None;
        }
        // SAFETY: init, which fills the named slots before the process runs, puts Frames of the device tree, the bundle and
        // a device's node there: memory that nobody can write any more. Its place in the table is handed out to nobody else (`slots`), the Frame that
        // is there lacks the right to write, and it is never unmapped.
        Some(unsafe { core::slice::from_raw_parts(self.address as *const u8, self.bytes) })
    }

    /// Where a 32-bit device register lies; `None` outside the mapping.
    pub fn register_at(&self, offset: usize) -> Option<u64> {
        let fits = offset.is_multiple_of(4) && offset.checked_add(4)? <= self.bytes;
        fits.then(|| self.address + offset as u64)
    }

    /// A 32-bit device register; `None` outside the mapping.
    pub fn read_register(&self, offset: usize) -> Option<u32> {
        let fits = offset.is_multiple_of(4) && offset.checked_add(4)? <= self.bytes;
        // SAFETY: the place lies inside the mapping and is aligned; volatile, because it is a device's.
        fits.then(|| unsafe { (self.address as *const u32).byte_add(offset).read_volatile() })
    }
}

/// The records of a trace ring, which the kernel writes meanwhile. Behind the end there are zeros.
impl abi::trace::Source for Mapping {
    fn load(&self, index: usize, order: Ordering) -> u64 {
        match index.checked_mul(8).filter(|offset| offset + 8 <= self.bytes) {
            // SAFETY: the word lies inside the mapping, which begins at a page, and stays while the Mapping is used; the
            // other side writes words of memory, which any value is.
            Some(offset) => unsafe { (*(self.address as *const AtomicU64).byte_add(offset)).load(order) },
            None => 0,
        }
    }

    fn fence(&self) {
        fence(Ordering::Acquire);
    }
}

/// A start page as the bytes another process will find.
pub fn start_info_bytes(info: &abi::StartInfo) -> &[u8] {
    // SAFETY: StartInfo is made of integers without padding (its golden test checks the offsets).
    unsafe { core::slice::from_raw_parts((&raw const *info).cast(), size_of::<abi::StartInfo>()) }
}
