//! Memory shared with another process, as bytes that are copied in and out: what the other side writes can change at
//! any moment, so nothing here hands out a reference to it.

use core::sync::atomic::{Ordering, fence};

#[cfg(target_os = "none")]
use abi::Perms;
use abi::layout::PAGE;

use crate::cap::{Cap, Frame};
#[cfg(target_os = "none")]
use crate::vm;
use crate::vm::{Mapping, VmError};

/// A mapped Frame that another process can see. Dropping it does not unmap it: see [`SharedBuffer::unmap`].
///
/// When the process that paid for the Frame dies, the mapping goes with it and an access faults:
/// [`SharedBuffer::is_mapped`] tells.
#[derive(Debug)]
pub struct SharedBuffer {
    base: *mut u8,
    mapping: Mapping,
    #[cfg(not(target_os = "none"))]
    memory: alloc::sync::Arc<fake::Memory>,
    #[cfg(not(target_os = "none"))]
    watch: Option<alloc::boxed::Box<Watch>>,
}

/// What a fake buffer calls before bytes of it are used: offset, count, and whether they are written.
#[cfg(not(target_os = "none"))]
struct Watch(alloc::boxed::Box<dyn Fn(usize, usize, bool) + Send + Sync>);

#[cfg(not(target_os = "none"))]
impl core::fmt::Debug for Watch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("watch")
    }
}

// SAFETY: the pointer is used with volatile accesses inside a mapping that stays until `unmap` consumes the buffer; it
// belongs to the process, not to a thread.
unsafe impl Send for SharedBuffer {}

/// Bytes outside the buffer, or a place that is not aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfBuffer;

type Word = u64;
const WORD: usize = size_of::<Word>();

impl SharedBuffer {
    /// Maps the first `pages` pages of a Frame, readable and writable, at a free address.
    ///
    /// # Errors
    /// [`VmError`]; among them `InvalidArgument` when the Frame has fewer pages.
    pub fn map(frame: Cap<Frame>, pages: u64) -> Result<Self, VmError> {
        #[cfg(not(target_os = "none"))]
        return fake::map(frame, pages);
        #[cfg(target_os = "none")]
        vm::map(frame, pages, Perms::READ | Perms::WRITE).map(Self::of)
    }

    /// As [`Self::map`], at an address that the caller knows to be free: a server that maps what its clients send keeps
    /// one range for each, so that no client can use up its addresses or page tables.
    ///
    /// # Errors
    /// [`VmError`].
    #[cfg_attr(not(target_os = "none"), allow(unused_variables))]
    pub fn map_at(frame: Cap<Frame>, address: u64, pages: u64) -> Result<Self, VmError> {
        #[cfg(not(target_os = "none"))]
        return fake::map(frame, pages);
        #[cfg(target_os = "none")]
        vm::map_at(frame, address, pages, Perms::READ | Perms::WRITE).map(Self::of)
    }

    /// A new Frame of `pages` pages out of the own memory, mapped.
    ///
    /// # Errors
    /// [`VmError`].
    pub fn new(pages: u64) -> Result<Self, VmError> {
        #[cfg(not(target_os = "none"))]
        return Ok(Self::fake((pages * PAGE) as usize));
        #[cfg(target_os = "none")]
        {
            let frame = vm::new_frame(pages)?;
            Self::map(frame, pages).inspect_err(|_| vm::discard(frame))
        }
    }

    #[cfg(target_os = "none")]
    fn of(mapping: Mapping) -> Self {
        Self { base: mapping.address as *mut u8, mapping }
    }

    /// A buffer of zeros for host tests, in a made-up Frame that others can map; `bytes` is rounded up to pages.
    #[cfg(not(target_os = "none"))]
    pub fn fake(bytes: usize) -> Self {
        fake::new(bytes.next_multiple_of(PAGE as usize))
    }

    /// As it is, but `watch` is called with offset, count and whether it is a write before bytes are used; a test may
    /// end there.
    #[cfg(not(target_os = "none"))]
    #[must_use]
    pub fn watched(self, watch: impl Fn(usize, usize, bool) + Send + Sync + 'static) -> Self {
        Self { watch: Some(alloc::boxed::Box::new(Watch(alloc::boxed::Box::new(watch)))), ..self }
    }

    /// The Frame.
    pub fn frame(&self) -> Cap<Frame> {
        self.mapping.frame
    }

    /// Where the first byte is mapped: for passing on to what does not look (a device's queue), never to be borrowed.
    pub fn as_ptr(&self) -> *mut u8 {
        self.base
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.mapping.bytes
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pages.
    pub fn pages(&self) -> u64 {
        self.len() as u64 / PAGE
    }

    /// Whether the mapping is still there: asks the kernel. Ask before touching what a client paid for.
    pub fn is_mapped(&self) -> bool {
        #[cfg(not(target_os = "none"))]
        return self.memory.is_there();
        #[cfg(target_os = "none")]
        crate::cap::SPACE.protect(self.mapping.frame, Perms::READ | Perms::WRITE).is_ok()
    }

    /// Removes the mapping and returns the Frame.
    ///
    /// # Errors
    /// [`VmError`].
    pub fn unmap(self) -> Result<Cap<Frame>, VmError> {
        #[cfg(not(target_os = "none"))]
        return Ok(self.mapping.frame);
        #[cfg(target_os = "none")]
        vm::unmap(self.mapping).map(|()| self.mapping.frame)
    }

    /// Copies bytes out.
    ///
    /// # Errors
    /// [`OutOfBuffer`]; nothing was copied.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> Result<(), OutOfBuffer> {
        let from = self.at(offset, out.len(), Use::Read)?;
        // SAFETY: `at` checked that all bytes lie inside the mapping; `out` is memory of our own.
        unsafe { copy(from, out.as_mut_ptr(), out.len()) };
        Ok(())
    }

    /// Copies bytes in.
    ///
    /// # Errors
    /// [`OutOfBuffer`]; nothing was copied.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), OutOfBuffer> {
        let to = self.at(offset, bytes.len(), Use::Write)?;
        // SAFETY: as in `read`, the other way round.
        unsafe { copy(bytes.as_ptr(), to, bytes.len()) };
        Ok(())
    }

    /// Copies bytes from another shared buffer (not this one) in.
    ///
    /// # Errors
    /// [`OutOfBuffer`]; nothing was copied.
    pub fn write_from(
        &self,
        offset: usize,
        source: &SharedBuffer,
        from: usize,
        count: usize,
    ) -> Result<(), OutOfBuffer> {
        let (to, from) = (self.at(offset, count, Use::Write)?, source.at(from, count, Use::Read)?);
        // SAFETY: both ranges were checked; should they be the same memory in two mappings, bytes are copied in order.
        unsafe { copy(from, to, count) };
        Ok(())
    }

    /// Reads a 32-bit word at a multiple of 4. What the other side wrote before it stored this word is visible after.
    ///
    /// # Errors
    /// [`OutOfBuffer`].
    pub fn load_u32(&self, offset: usize) -> Result<u32, OutOfBuffer> {
        let at = self.word_at(offset, Use::Read)?;
        // SAFETY: inside the mapping and aligned; volatile, because the other side writes it.
        let value = unsafe { at.read_volatile() };
        fence(Ordering::Acquire);
        Ok(value)
    }

    /// Writes a 32-bit word at a multiple of 4. What we wrote before is visible to whoever sees it.
    ///
    /// # Errors
    /// [`OutOfBuffer`].
    pub fn store_u32(&self, offset: usize, value: u32) -> Result<(), OutOfBuffer> {
        let at = self.word_at(offset, Use::Write)?;
        fence(Ordering::Release);
        // SAFETY: as in `load_u32`.
        unsafe { at.write_volatile(value) };
        Ok(())
    }

    fn word_at(&self, offset: usize, what: Use) -> Result<*mut u32, OutOfBuffer> {
        if !offset.is_multiple_of(4) {
            return Err(OutOfBuffer);
        }
        self.at(offset, 4, what).map(<*mut u8>::cast)
    }

    #[cfg_attr(target_os = "none", expect(unused_variables, reason = "watched on the host"))]
    fn at(&self, offset: usize, count: usize, what: Use) -> Result<*mut u8, OutOfBuffer> {
        if offset.checked_add(count).is_none_or(|end| end > self.mapping.bytes) {
            return Err(OutOfBuffer);
        }
        #[cfg(not(target_os = "none"))]
        if let Some(Watch(watch)) = self.watch.as_deref() {
            watch(offset, count, matches!(what, Use::Write));
        }
        Ok(self.base.wrapping_add(offset))
    }
}

/// What bytes are looked up for.
#[derive(Clone, Copy)]
enum Use {
    Read,
    Write,
}

/// Frames on the host: memory behind made-up slot numbers, which a test's client and server both map.
#[cfg(not(target_os = "none"))]
pub mod fake {
    use alloc::sync::Arc;
    use core::cell::{Cell, RefCell};
    use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::collections::HashMap;

    use abi::{ErrorCode, SyscallError, layout::PAGE};

    use super::{Mapping, SharedBuffer, VmError, WORD};
    use crate::{Cap, Frame};

    #[derive(Debug)]
    #[repr(align(4096))]
    struct Page(
        #[expect(dead_code, reason = "reached through the buffer's pointer")] [AtomicU64; PAGE as usize / WORD],
    );

    /// The pages of a Frame.
    #[derive(Debug)]
    pub(super) struct Memory {
        pages: Arc<[Page]>,
        /// What this capability and its copies are is gone.
        revoked: AtomicBool,
        /// The memory that this is a copy of.
        original: Option<Arc<Memory>>,
    }

    impl Memory {
        pub(super) fn is_there(&self) -> bool {
            let original = self.original.as_ref().is_none_or(|original| original.is_there());
            original && !self.revoked.load(Ordering::Relaxed)
        }
    }

    std::thread_local! {
        static FRAMES: RefCell<HashMap<u32, Arc<Memory>>> = RefCell::default();
        static NEXT: Cell<u32> = const { Cell::new(1000) };
    }

    pub(super) fn new(bytes: usize) -> SharedBuffer {
        let page = |_| Page([const { AtomicU64::new(0) }; PAGE as usize / WORD]);
        let pages = (0..bytes / PAGE as usize).map(page).collect();
        let memory = Arc::new(Memory { pages, revoked: AtomicBool::new(false), original: None });
        view(insert(memory.clone()), bytes, memory)
    }

    fn insert(memory: Arc<Memory>) -> u32 {
        let slot = NEXT.replace(NEXT.get() + 1);
        FRAMES.with_borrow_mut(|frames| frames.insert(slot, memory));
        slot
    }

    pub(super) fn map(frame: Cap<Frame>, pages: u64) -> Result<SharedBuffer, VmError> {
        let found = FRAMES.with_borrow(|frames| frames.get(&frame.slot()).cloned());
        let memory = found.ok_or(SyscallError::new(ErrorCode::EmptySlot, 1))?;
        if pages == 0 || pages > memory.pages.len() as u64 {
            return Err(SyscallError::new(ErrorCode::InvalidArgument, 4).into());
        }
        Ok(view(frame.slot(), (pages * PAGE) as usize, memory))
    }

    fn view(slot: u32, bytes: usize, memory: Arc<Memory>) -> SharedBuffer {
        let base = memory.pages.as_ptr().cast::<u8>().cast_mut();
        let mapping = Mapping { frame: Cap::from_slot(slot), address: base.addr() as u64, bytes };
        SharedBuffer { base, mapping, memory, watch: None }
    }

    /// A copy of a Frame, which can be taken away alone.
    ///
    /// # Errors
    /// There is no such Frame.
    pub fn copy(frame: Cap<Frame>) -> Result<Cap<Frame>, SyscallError> {
        let found = FRAMES.with_borrow(|frames| frames.get(&frame.slot()).cloned());
        found.map(copy_of).ok_or(SyscallError::new(ErrorCode::EmptySlot, 1))
    }

    fn copy_of(original: Arc<Memory>) -> Cap<Frame> {
        let pages = original.pages.clone();
        let memory = Memory { pages, revoked: AtomicBool::new(false), original: Some(original) };
        Cap::from_slot(insert(Arc::new(memory)))
    }

    /// Takes a copy away from all who mapped it, and makes another in its place.
    ///
    /// # Panics
    /// It is none.
    pub fn renew(frame: Cap<Frame>) -> Cap<Frame> {
        let found = FRAMES.with_borrow(|frames| frames.get(&frame.slot()).cloned());
        let original = found.and_then(|memory| memory.original.clone()).expect("a copy");
        revoke(frame);
        copy_of(original)
    }

    /// Takes a Frame away from all who mapped it, as its payer's end would.
    pub fn revoke(frame: Cap<Frame>) {
        if let Some(memory) = FRAMES.with_borrow_mut(|frames| frames.remove(&frame.slot())) {
            memory.revoked.store(true, Ordering::Relaxed);
        }
    }
}

/// Copies with volatile accesses: words where both sides are aligned alike, bytes at the edges and else.
///
/// # Safety
/// `count` bytes at `from` must be readable and at `to` writable for the time of the call.
unsafe fn copy(mut from: *const u8, mut to: *mut u8, mut count: usize) {
    if (from as usize ^ to as usize).is_multiple_of(WORD) {
        // SAFETY: at most `count` bytes until `from`, and with it `to`, is aligned; then whole words while they last.
        unsafe {
            while count > 0 && !(from as usize).is_multiple_of(WORD) {
                copy_one::<u8>(&mut from, &mut to, &mut count);
            }
            while count >= 4 * WORD {
                copy_one::<Word>(&mut from, &mut to, &mut count);
                copy_one::<Word>(&mut from, &mut to, &mut count);
                copy_one::<Word>(&mut from, &mut to, &mut count);
                copy_one::<Word>(&mut from, &mut to, &mut count);
            }
            while count >= WORD {
                copy_one::<Word>(&mut from, &mut to, &mut count);
            }
        }
    }
    while count > 0 {
        // SAFETY: what is left of the caller's range.
        unsafe { copy_one::<u8>(&mut from, &mut to, &mut count) };
    }
}

/// One step of [`copy`].
///
/// # Safety
/// Both pointers must be aligned for `T` and valid for one `T`.
#[inline(always)]
unsafe fn copy_one<T: Copy>(from: &mut *const u8, to: &mut *mut u8, count: &mut usize) {
    // SAFETY: the caller's promise; `T` is an integer, so any bytes are a value.
    unsafe {
        to.cast::<T>().write_volatile(from.cast::<T>().read_volatile());
        *from = from.add(size_of::<T>());
        *to = to.add(size_of::<T>());
    }
    *count -= size_of::<T>();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_at_every_alignment() {
        let buffer = SharedBuffer::fake(4096);
        let source: alloc::vec::Vec<u8> = (0..200).map(|byte| byte as u8).collect();
        for offset in 0..9 {
            for skip in 0..9 {
                for count in [0, 1, 7, 8, 9, 31, 32, 33, 100, 191] {
                    buffer.write(0, &[0xee; 256]).unwrap();
                    buffer.write(offset, &source[skip..skip + count]).unwrap();
                    let mut back = [0; 256];
                    buffer.read(0, &mut back).unwrap();
                    assert_eq!(&back[offset..offset + count], &source[skip..skip + count]);
                    assert!(back[..offset].iter().chain(&back[offset + count..]).all(|&byte| byte == 0xee));
                }
            }
        }
    }

    #[test]
    fn from_buffer_to_buffer() {
        let (one, two) = (SharedBuffer::fake(1), SharedBuffer::fake(1));
        one.write(100, b"hello").unwrap();
        two.write_from(3, &one, 100, 5).unwrap();
        let mut back = [0; 7];
        two.read(2, &mut back).unwrap();
        assert_eq!(&back, b"\0hello\0");
    }

    #[test]
    fn a_watch_sees_what_is_used() {
        let seen = alloc::sync::Arc::new(spin::Mutex::new(alloc::vec::Vec::new()));
        let note = seen.clone();
        let theirs = SharedBuffer::fake(4096);
        let mine = SharedBuffer::map(theirs.frame(), theirs.pages()).expect("the same pages");
        let mine = mine.watched(move |offset, count, write| note.lock().push((offset, count, write)));
        mine.write(3, b"abc").unwrap();
        mine.load_u32(8).unwrap();
        assert!(mine.store_u32(4096, 0).is_err());
        theirs.write(0, b"x").unwrap();
        assert_eq!(*seen.lock(), [(3, 3, true), (8, 4, false)]);
    }

    #[test]
    fn nothing_outside_is_touched() {
        let buffer = SharedBuffer::fake(4096);
        assert_eq!(buffer.write(4095, &[1, 2]), Err(OutOfBuffer));
        assert_eq!(buffer.read(usize::MAX, &mut [0; 2]), Err(OutOfBuffer));
        assert_eq!(buffer.load_u32(4096), Err(OutOfBuffer));
        assert_eq!(buffer.load_u32(2), Err(OutOfBuffer));
        assert_eq!(buffer.store_u32(4092, 7), Ok(()));
        assert_eq!(buffer.load_u32(4092), Ok(7));
    }
}
