//! The one room outside `arch` with `unsafe`: turns references to objects into Rust references, and reads and writes
//! memory by physical address.
//!
//! Invariants that every block below leans on:
//! * All RAM that can hold objects is mapped read-write at `base`, for ever, and nothing else of the kernel lies there.
//! * A [`Ref<T>`] is made by [`Mem::create`] on memory that `object::untyped` just carved: it is exclusively the new object's
//!   until the object is destroyed. Others are made of one: the same in another form (`Direct`, `mapped_at`), or what lies
//!   behind it in the same memory (`offset`, `at_address`: slots of a table, held slots, windows).
//! * An object is destroyed when its last capability goes, and the destroy steps (`object::destroy`) clear every other
//!   place that holds its `Ref`: queues, links, held slots. Memory returns to use only after the destroy steps ran.
//! * What is passed to `read_entry` and `write_entry` lies in a table of an address space: its root, or a page of its pool.
//! * What an object is made of beside the part that is copied (`Object::BEGINS`) is zeros in its model: a test looks.
//! * A table's slots are made by zeroing alone: all zeros is an empty slot (`cap::Slot` tests it). So are the windows of an
//!   address space, integers in its first page, which was zeroed.
//! * Only the holder of the kernel's lock, with interrupts masked, has a `Mem`; `&mut Mem` is `&mut` for all objects. The fast
//!   paths, which have none, run only while nobody holds the lock (`gate`).
#![allow(unsafe_code)]

use core::marker::PhantomData;
use core::num::{NonZeroU32, NonZeroU64};
use core::ops::{Index, IndexMut};
use core::sync::atomic::{AtomicU64, Ordering};

use abi::layout::PAGE;

/// A physical address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Phys(pub u64);

/// Bytes of a granule: objects are aligned to it, references count in it. 32 bits of them reach 256 GiB of RAM.
pub const GRANULE: u64 = 64;

/// A kernel object: a plain structure, aligned to the granule, that starts its life as a value.
pub trait Object: Sized {
    /// The kind of capability that names it.
    const KIND: abi::Kind;
    /// Which of its bytes may be other than zero when it begins, in whole granules.
    const BEGINS: core::ops::Range<usize> = 0..size_of::<Self>();
}

/// A reference to an object: its distance from the start of RAM in granules, never 0. Transparent, so that zeroed memory
/// is `None`.
#[repr(transparent)]
pub struct Ref<T>(NonZeroU32, PhantomData<fn() -> T>);

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Ref<T> {}
impl<T> PartialEq for Ref<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Ref<T> {}
impl<T> core::fmt::Debug for Ref<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "@{:#x}", self.0)
    }
}

impl<T> Ref<T> {
    /// The number by which a capability remembers its object.
    pub const fn number(self) -> u64 {
        self.0.get() as u64
    }

    /// The reference with this number: only for numbers that [`Self::number`] gave for the same type and whose object
    /// lives, which is what a capability in a slot guarantees.
    #[inline(always)]
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        NonZeroU32::new(number as u32).map(|index| Self(index, PhantomData))
    }

    /// The element `index` granules behind, for arrays of one-granule objects (capability slots). Only for those that lie in the
    /// memory of the object or behind it.
    #[inline(always)]
    pub(crate) fn offset<U>(self, index: u32) -> Ref<U> {
        Ref(self.0.saturating_add(index), PhantomData)
    }
}

/// A reference in the form that the assembly of the fast paths follows: on the target the address at which the object is
/// mapped, on the host, where nothing follows it, the number. Never 0.
#[repr(transparent)]
pub struct Direct<T>(NonZeroU64, PhantomData<fn() -> T>);

impl<T> Clone for Direct<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Direct<T> {}
impl<T> PartialEq for Direct<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Direct<T> {}
impl<T> core::fmt::Debug for Direct<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        Ref::from(*self).fmt(f)
    }
}

impl<T> From<Ref<T>> for Direct<T> {
    #[inline(always)]
    fn from(object: Ref<T>) -> Self {
        let word = crate::arch::word_of_number(object.0.get());
        // SAFETY: a number is not 0, nor is the address of an object.
        Self(unsafe { NonZeroU64::new_unchecked(word) }, PhantomData)
    }
}

impl<T> From<Direct<T>> for Ref<T> {
    #[inline(always)]
    fn from(object: Direct<T>) -> Self {
        let number = crate::arch::number_of_word(object.0.get());
        // SAFETY: the word was made of a number, which is not 0; that it is one's was promised where it came from.
        Self(unsafe { not_zero(number) }, PhantomData)
    }
}

/// A number that the compiler then knows to be other than 0, so that it does not look when it takes a result apart.
///
/// # Safety
/// It is not 0.
#[inline(always)]
unsafe fn not_zero(number: u32) -> NonZeroU32 {
    // SAFETY: the caller's promise.
    unsafe {
        core::hint::assert_unchecked(number != 0);
        NonZeroU32::new_unchecked(number)
    }
}

impl<T> PartialEq<Ref<T>> for Direct<T> {
    fn eq(&self, other: &Ref<T>) -> bool {
        *self == Self::from(*other)
    }
}

impl<T> Direct<T> {
    /// The word.
    pub const fn word(self) -> u64 {
        self.0.get()
    }

    /// The reference with this word: as [`Ref::from_number`], only for words that [`Self::word`] gave.
    #[inline(always)]
    pub(crate) fn from_word(word: u64) -> Option<Self> {
        NonZeroU64::new(word).map(|word| Self(word, PhantomData))
    }
}

#[cold]
#[inline(never)]
fn not_mapped(place: Phys) -> ! {
    panic!("address {:#x} is not kernel-mapped RAM", place.0)
}

#[cfg(test)]
std::thread_local! {
    /// How often this thread looked at an object: how long what the kernel does takes, roughly.
    pub static LOOKS: core::cell::Cell<u64> = const { core::cell::Cell::new(0) };
}

/// All memory that can hold objects.
#[derive(Debug)]
pub struct Mem {
    /// Where RAM is mapped.
    base: usize,
    /// The physical address mapped at `base`.
    start: u64,
    /// Bytes mapped.
    bytes: u64,
}

impl Mem {
    /// # Safety
    /// `bytes` bytes of RAM from physical address `start` on are mapped read-write at `base` for ever (holes that are
    /// not mapped are never passed to any method), `base` is aligned to a page, and no other `Mem` exists for them.
    pub const unsafe fn new(base: usize, start: Phys, bytes: u64) -> Self {
        Self { base, start: start.0, bytes }
    }

    /// The physical address at which RAM starts.
    pub const fn start(&self) -> Phys {
        Phys(self.start)
    }

    /// The end of all RAM.
    pub const fn end(&self) -> Phys {
        Phys(self.start + self.bytes)
    }

    /// Whether a physical address is RAM that the kernel maps.
    pub const fn contains(&self, place: Phys) -> bool {
        place.0.wrapping_sub(self.start) < self.bytes
    }

    #[inline(always)]
    fn pointer<T>(&self, object: Ref<T>) -> *mut T {
        #[cfg(test)]
        LOOKS.set(LOOKS.get() + 1);
        crate::arch::place_of_number(self.base, object.0.get()) as *mut T
    }

    #[inline(always)]
    fn at<T>(&self, place: Phys) -> *mut T {
        let offset = place.0.wrapping_sub(self.start);
        if offset >= self.bytes {
            not_mapped(place);
        }
        (self.base + offset as usize) as *mut T
    }

    /// Puts a new object at `place`, which must be memory carved for it alone.
    pub fn create<T>(&mut self, place: Phys, value: T) -> Ref<T> {
        const { assert!(align_of::<T>() <= 4096) };
        let granule = (place.0 - self.start) / GRANULE;
        assert!(place.0.is_multiple_of(GRANULE.max(align_of::<T>() as u64)), "misaligned");
        let index = u32::try_from(granule).ok().and_then(NonZeroU32::new);
        let Some(index) = index else { panic!("object outside RAM") };
        assert!(place.0 - self.start + size_of::<T>() as u64 <= self.bytes, "object outside RAM");
        // SAFETY: both ends lie in mapped RAM; by the caller's promise (room invariant) the memory is free.
        unsafe { self.at::<T>(place).write(value) };
        Ref(index, PhantomData)
    }

    /// Puts a new object at `place`, which must be zeroed memory carved for it alone: like a model that lies elsewhere.
    pub fn create_like<T: Object>(&mut self, place: Phys, model: &'static T) -> Ref<T> {
        const {
            assert!(align_of::<T>() == GRANULE as usize && T::BEGINS.end <= size_of::<T>());
            assert!(
                T::BEGINS.start < T::BEGINS.end && (T::BEGINS.start | T::BEGINS.end).is_multiple_of(align_of::<T>())
            );
        };
        let number = self.granule_of(place, size_of::<T>());
        self.begin(number, (&raw const *model).cast(), T::BEGINS);
        Ref(number, PhantomData)
    }

    /// The number of a granule from which on so many bytes are RAM.
    fn granule_of(&self, place: Phys, bytes: usize) -> NonZeroU32 {
        let offset = place.0.wrapping_sub(self.start);
        assert!(
            offset.is_multiple_of(GRANULE) && offset < self.bytes && bytes as u64 <= self.bytes - offset,
            "object outside RAM"
        );
        let Some(number) = NonZeroU32::new((offset / GRANULE) as u32) else { panic!("object outside RAM") };
        number
    }

    /// Copies the part of a model that is not zero.
    fn begin(&mut self, number: NonZeroU32, model: *const u8, part: core::ops::Range<usize>) {
        let place = crate::arch::place_of_number(self.base, number.get()) as *mut u8;
        // SAFETY: both ends of the object lie in mapped RAM; by the caller's promise (room invariant) the memory is free, and
        // zero as the rest of the model is. The model is an object, which has this part, that nobody changes.
        unsafe { crate::arch::copy_object(model.add(part.start), place.add(part.start), part.end - part.start) };
    }

    /// Where an object lies.
    pub fn address<T>(&self, object: Ref<T>) -> Phys {
        Phys(self.start + u64::from(object.0.get()) * GRANULE)
    }

    /// The place of a reference to memory at a granule, 0 if outside.
    pub fn granule<T>(&self, place: Phys) -> Option<Ref<T>> {
        u32::try_from(place.0.checked_sub(self.start)? / GRANULE)
            .ok()
            .and_then(NonZeroU32::new)
            .map(|n| Ref(n, PhantomData))
    }

    /// Zeroes `bytes` bytes, a multiple of the granule, of memory that holds no object.
    pub fn zero(&mut self, place: Phys, bytes: u64) {
        let offset = place.0.wrapping_sub(self.start);
        assert!(
            (place.0 | bytes).is_multiple_of(GRANULE) && offset <= self.bytes && bytes <= self.bytes - offset,
            "memory outside RAM"
        );
        let pointer = (self.base + offset as usize) as *mut u8;
        // SAFETY: first and last byte lie in mapped RAM and ranges that are carved have no holes; no object lies there.
        unsafe { crate::arch::zero(pointer, bytes as usize) };
    }

    /// Reads a 32-bit word of memory that user space may write at any time.
    #[inline(always)]
    pub fn read_u32(&self, place: Phys) -> u32 {
        assert!(place.0.is_multiple_of(4), "misaligned");
        // SAFETY: mapped RAM, aligned; volatile because user space may change it.
        unsafe { self.at::<u32>(place).read_volatile() }
    }

    /// Reads a word of memory that user space may write at any time.
    #[inline(always)]
    pub fn read_u64(&self, place: Phys) -> u64 {
        assert!(place.0.is_multiple_of(8), "misaligned");
        // SAFETY: mapped RAM, aligned; volatile because user space may change it.
        unsafe { self.at::<u64>(place).read_volatile() }
    }

    /// Writes a word: of a page table, or of memory that holds no object.
    pub fn write_u64(&mut self, place: Phys, value: u64) {
        assert!(place.0.is_multiple_of(8), "misaligned");
        // SAFETY: mapped RAM, aligned; volatile because the MMU or user space may read it.
        unsafe { self.at::<u64>(place).write_volatile(value) }
    }

    /// Writes a word of memory that holds no object and that others read beside it.
    pub(crate) fn store(&mut self, place: Phys, value: u64, order: Ordering) {
        assert!(place.0.is_multiple_of(8), "misaligned");
        // SAFETY: mapped RAM, aligned, and in no object; others only read it, whole.
        unsafe { AtomicU64::from_ptr(self.at(place)) }.store(value, order);
    }

    /// Words of memory that nothing writes meanwhile.
    #[cfg(test)]
    pub(crate) fn words(&self, place: Phys, count: usize) -> &[u64] {
        assert!(place.0.is_multiple_of(8) && count > 0, "misaligned");
        let _: *mut u64 = self.at(Phys(place.0 + 8 * (count as u64 - 1)));
        // SAFETY: both ends lie in mapped RAM, which has no hole on the host; `&self` forbids writes meanwhile.
        unsafe { core::slice::from_raw_parts(self.at(place), count) }
    }

    /// Fills memory that holds no object.
    #[cfg(test)]
    pub(crate) fn fill(&mut self, place: Phys, bytes: u64, byte: u8) {
        let _: *mut u8 = self.at(Phys(place.0 + bytes - 1));
        // SAFETY: both ends lie in mapped RAM, which has no hole on the host; no object lies there.
        unsafe { self.at::<u8>(place).write_bytes(byte, bytes as usize) };
    }

    /// Where an entry of an address space's tables lies. The tables come from its pool, which is RAM.
    #[inline(always)]
    fn entry(&self, place: Phys) -> *mut u64 {
        debug_assert!(self.contains(place) && place.0.is_multiple_of(8));
        self.base.wrapping_add(place.0.wrapping_sub(self.start) as usize) as *mut u64
    }

    /// Reads an entry of an address space's tables.
    #[inline(always)]
    pub(crate) fn read_entry(&self, place: Phys) -> u64 {
        // SAFETY: the place is an entry of a table (room invariant; looked at in debug builds): mapped RAM, aligned, in no object;
        // MMUs only read it, whole.
        unsafe { AtomicU64::from_ptr(self.entry(place)) }.load(Ordering::Relaxed)
    }

    /// Writes an entry of an address space's tables. Whoever finds it, another core's MMU too, finds what was written before
    /// it.
    #[inline(always)]
    pub(crate) fn write_entry(&mut self, place: Phys, value: u64) {
        // SAFETY: as above.
        unsafe { AtomicU64::from_ptr(self.entry(place)) }.store(value, Ordering::Release);
    }

    /// Copies words between two places that user space may read and write at any time.
    pub fn copy_words(&mut self, from: Phys, to: Phys, count: usize) {
        assert!(from.0.is_multiple_of(8) && to.0.is_multiple_of(8), "misaligned");
        let Some(last) = count.checked_sub(1) else { return };
        let (source, target): (*const u64, *mut u64) = (self.at(from), self.at(to));
        let _: [*mut u64; 2] = [from, to].map(|place| self.at(Phys(place.0 + last as u64 * 8)));
        for index in 0..count {
            // SAFETY: both ends of both ranges lie in mapped RAM, which has no hole inside a Frame; aligned; volatile because
            // user space may change it.
            unsafe { target.add(index).write_volatile(source.add(index).read_volatile()) };
        }
    }

    /// Copies bytes of the kernel's own into memory that holds no object.
    pub fn write_bytes(&mut self, place: Phys, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let pointer: *mut u8 = self.at(place);
        let _: *mut u8 = self.at(Phys(place.0 + bytes.len() as u64 - 1));
        // SAFETY: both ends lie in mapped RAM, which has no hole inside a carved range; the source is the kernel's own.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), pointer, bytes.len()) };
    }

    /// Cleans a range to the point of unification and makes it visible to instruction fetch.
    pub fn sync_instructions(&self, place: Phys, pages: u64) {
        crate::arch::sync_instructions(self.at::<u8>(place) as usize, (pages * PAGE) as usize);
    }

    /// Cleans and invalidates a range to the point of coherency: before memory changes its attributes.
    pub fn clean_invalidate(&self, place: Phys, pages: u64) {
        crate::arch::clean_invalidate(self.at::<u8>(place) as usize, (pages * PAGE) as usize);
    }

    /// Two different objects at once.
    #[inline(always)]
    pub fn two<T>(&mut self, read: Ref<T>, write: Ref<T>) -> (&T, &mut T) {
        assert!(read != write);
        // SAFETY: as for `Index`; the objects are different, so the references do not overlap, and `&mut self` keeps
        // every other reference away.
        unsafe { (&*self.pointer(read), &mut *self.pointer(write)) }
    }

    /// Where RAM at an address is mapped: for the assembly of the fast path.
    pub fn place_at(&self, place: Phys) -> u64 {
        self.at::<u64>(place) as u64
    }

    /// Where an object is mapped: for what the assembly of the fast path follows.
    pub fn mapped_at<T>(&self, object: Ref<T>) -> u64 {
        self.pointer(object) as u64
    }

    /// The object mapped at an address that [`Self::mapped_at`] gave, or so many granules behind it; for those of them that lie
    /// in its memory.
    #[inline(always)]
    pub(crate) fn at_address<T>(&self, address: u64, granules: u32) -> Ref<T> {
        let number = crate::arch::number_of_place(self.base, address as usize);
        // SAFETY: no object lies at the start of RAM, and what is asked for lies behind one, inside RAM.
        Ref(unsafe { not_zero(number.wrapping_add(granules)) }, PhantomData)
    }

    /// The thread whose registers lie at an address that [`Self::context_address`] gave; `None` for 0.
    pub fn thread_at(&self, address: usize) -> Option<Ref<crate::object::Thread>> {
        let granule = address.checked_sub(self.base)? / GRANULE as usize;
        u32::try_from(granule).ok().and_then(NonZeroU32::new).map(|index| Ref(index, PhantomData))
    }

    /// The address trap entry needs of a thread's registers.
    pub fn context_address(&self, thread: Ref<crate::object::Thread>) -> usize {
        self.pointer(thread) as usize
    }
}

impl<T> Index<Ref<T>> for Mem {
    type Output = T;
    #[inline(always)]
    fn index(&self, object: Ref<T>) -> &T {
        // SAFETY: room invariants: the object lives, and `&self` forbids writes to any object meanwhile.
        unsafe { &*self.pointer(object) }
    }
}

impl<T> IndexMut<Ref<T>> for Mem {
    #[inline(always)]
    fn index_mut(&mut self, object: Ref<T>) -> &mut T {
        // SAFETY: room invariants: the object lives, and `&mut self` makes this the only reference to any object.
        unsafe { &mut *self.pointer(object) }
    }
}

impl<T> Index<Direct<T>> for Mem {
    type Output = T;
    #[inline(always)]
    fn index(&self, object: Direct<T>) -> &T {
        &self[Ref::from(object)]
    }
}

impl<T> IndexMut<Direct<T>> for Mem {
    #[inline(always)]
    fn index_mut(&mut self, object: Direct<T>) -> &mut T {
        &mut self[Ref::from(object)]
    }
}
