//! Parts of memory on their way to a device and back.

use alloc::rc::Rc;
use core::mem::ManuallyDrop;

use rt::{OutOfBuffer, SharedBuffer};

use super::Memory;

/// Who writes what is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The device reads it.
    ToDevice,
    /// The device writes it.
    FromDevice,
    /// The device reads and writes it.
    Both,
}

impl Direction {
    /// Whether the device may read it.
    pub const fn is_read(self) -> bool {
        !matches!(self, Self::FromDevice)
    }

    /// Whether the device may write it.
    pub const fn is_written(self) -> bool {
        !matches!(self, Self::ToDevice)
    }
}

/// A part of [`Memory`] that the driver has. Pieces may overlap, as a client may say what is to go where.
#[derive(Clone, Debug)]
pub struct Piece {
    memory: Rc<Memory>,
    offset: usize,
    bytes: usize,
}

impl Piece {
    /// `bytes` bytes at `offset`; `None` when they do not lie inside the memory, or there are none.
    pub fn new(memory: &Rc<Memory>, offset: usize, bytes: usize) -> Option<Self> {
        let fits = memory.contains(offset, bytes) && u32::try_from(bytes).is_ok();
        fits.then(|| Self { memory: memory.clone(), offset, bytes })
    }

    /// Bytes.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether its memory is still there ([`Memory::is_present`]): to be asked before it is touched.
    pub fn is_present(&self) -> bool {
        self.memory.is_present()
    }

    /// `bytes` bytes of it, from `offset` in the piece on; `None` when they are not all in the piece, or there are none.
    pub fn part(&self, offset: usize, bytes: usize) -> Option<Self> {
        Self::new(&self.memory, self.place(offset, bytes).ok()?, bytes)
    }

    /// Copies bytes out, from `offset` in the piece on.
    ///
    /// # Errors
    /// [`OutOfBuffer`]: they are not all in the piece; nothing was copied.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> Result<(), OutOfBuffer> {
        self.memory.buffer().read(self.place(offset, out.len())?, out)
    }

    /// Copies bytes in, from `offset` in the piece on.
    ///
    /// # Errors
    /// [`OutOfBuffer`]: they do not all fit; nothing was copied.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), OutOfBuffer> {
        self.memory.buffer().write(self.place(offset, bytes.len())?, bytes)
    }

    /// Copies all of it into a buffer of other memory, at `offset` there.
    ///
    /// # Errors
    /// [`OutOfBuffer`]: it does not fit; nothing was copied.
    pub fn copy_to(&self, buffer: &SharedBuffer, offset: usize) -> Result<(), OutOfBuffer> {
        buffer.write_from(offset, self.memory.buffer(), self.offset, self.bytes)
    }

    /// Hands the piece over to the device, for as long as the returned value is there.
    pub fn lend(self, direction: Direction) -> Lent {
        self.hand_over(direction);
        Lent { piece: ManuallyDrop::new(self), direction }
    }

    /// What [`Self::lend`] does to the caches.
    pub(crate) fn hand_over(&self, direction: Direction) {
        self.memory.backing.lend(self.offset, self.bytes, direction);
    }

    /// What [`Lent::reclaim`] does to the caches.
    pub(crate) fn take_back(&self, direction: Direction) {
        self.memory.backing.reclaim(self.offset, self.bytes, direction);
    }

    /// Where the first byte is mapped.
    #[cfg(feature = "virtio")]
    pub(crate) fn start(&self) -> *mut u8 {
        self.memory.buffer().as_ptr().wrapping_add(self.offset)
    }

    fn place(&self, offset: usize, bytes: usize) -> Result<usize, OutOfBuffer> {
        let fits = offset.checked_add(bytes).is_some_and(|end| end <= self.bytes);
        if fits { Ok(self.offset + offset) } else { Err(OutOfBuffer) }
    }
}

/// A [`Piece`] that the device has. Dropping it leaks its memory, as the device may still use it: it comes back with
/// [`Self::reclaim`] only.
#[derive(Debug)]
#[must_use = "dropping it leaks the memory"]
pub struct Lent {
    piece: ManuallyDrop<Piece>,
    direction: Direction,
}

impl Lent {
    /// Where the device finds it.
    pub fn bus(&self) -> u64 {
        self.piece.memory.bus() + self.piece.offset as u64
    }

    /// Bytes.
    pub fn bytes(&self) -> usize {
        self.piece.bytes()
    }

    /// Takes the piece back. The device has said that it is done with it, or was reset.
    pub fn reclaim(self) -> Piece {
        self.piece.take_back(self.direction);
        ManuallyDrop::into_inner(self.piece)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LINE, fake};
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn memory() -> Rc<Memory> {
        Rc::new(Memory::new(fake::space(), 1).unwrap())
    }

    fn piece(memory: &Rc<Memory>, offset: usize, bytes: usize) -> Piece {
        Piece::new(memory, offset, bytes).unwrap()
    }

    /// That this ends the test, and what it says.
    fn refused<T>(what: &str, does: impl FnOnce() -> T) {
        let panic = catch_unwind(AssertUnwindSafe(does)).err().unwrap_or_else(|| panic!("unnoticed: {what}"));
        let message = panic.downcast_ref::<String>().expect("a message");
        assert!(message.contains(what), "{message}");
    }

    #[test]
    fn pieces_lie_inside_their_memory() {
        let memory = memory();
        assert!(Piece::new(&memory, 4000, 96).is_some());
        assert!(Piece::new(&memory, 4000, 97).is_none());
        assert!(Piece::new(&memory, usize::MAX, 2).is_none());
        assert!(Piece::new(&memory, 0, 0).is_none());
        let piece = piece(&memory, 4000, 16);
        assert_eq!((piece.write(15, &[1, 2]), piece.read(usize::MAX, &mut [0])), (Err(OutOfBuffer), Err(OutOfBuffer)));
    }

    #[test]
    fn a_piece_is_copied_into_other_memory() {
        let (memory, other) = (memory(), SharedBuffer::fake(4096));
        let piece = piece(&memory, 100, 5);
        piece.write(0, b"hello").unwrap();
        assert_eq!((piece.copy_to(&other, 4091), piece.copy_to(&other, 4092)), (Ok(()), Err(OutOfBuffer)));
        let mut back = [0; 5];
        other.read(4091, &mut back).unwrap();
        assert_eq!(&back, b"hello");
    }

    #[test]
    fn what_comes_back_is_what_the_device_wrote() {
        let memory = memory();
        let whole = piece(&memory, 0, 2 * LINE);
        whole.write(0, &[7; 2 * LINE]).unwrap();
        let lent = whole.lend(Direction::Both);
        fake::device_write(lent.bus() + 3, b"news");
        let mut back = [0; 8];
        lent.reclaim().read(0, &mut back).unwrap();
        assert_eq!(&back, b"\x07\x07\x07news\x07");
    }

    #[test]
    fn a_missing_clean_is_noticed() {
        let memory = memory();
        piece(&memory, 0, 8).write(0, b"question").unwrap();
        refused("was not handed over", || fake::device_read(memory.bus(), &mut [0; 8]));
        let lent = piece(&memory, 0, 8).lend(Direction::ToDevice);
        refused("was not handed over", || fake::device_read(lent.bus(), &mut [0; 9]));
        refused("was not handed over to be written", || fake::device_write(lent.bus(), &[0; 8]));
        refused("nothing is attached", || fake::device_read(8, &mut [0; 8]));
        fake::device_read(lent.bus(), &mut [0; 8]);
        let _ = lent.reclaim();
        refused("was not handed over", || fake::device_read(memory.bus(), &mut [0; 8]));
    }

    #[test]
    fn a_missing_invalidate_is_noticed() {
        let memory = memory();
        let lent = piece(&memory, 0, 8).lend(Direction::FromDevice);
        fake::device_write(lent.bus(), b"answered");
        refused("reads 4 bytes at 0x4", || memory.buffer().load_u32(4));
        refused("reads 1 bytes at 0x7", || piece(&memory, 7, 1).read(0, &mut [0]));
        let _ = lent.reclaim();
        assert_eq!(memory.buffer().load_u32(4), Ok(u32::from_le_bytes(*b"ered")));
    }

    #[test]
    fn writing_what_the_device_has_is_noticed_and_so_is_its_cache_line() {
        let memory = memory();
        let lent = piece(&memory, 0, 8).lend(Direction::ToDevice);
        refused("the device has", || memory.buffer().store_u32(4, 1));
        refused("shares a cache line", || memory.buffer().store_u32(8, 1));
        assert_eq!(memory.buffer().load_u32(4), Ok(0), "both may read");
        assert_eq!(memory.buffer().store_u32(LINE, 1), Ok(()));
        let _ = lent.reclaim();
        assert_eq!(memory.buffer().store_u32(4, 1), Ok(()));
    }

    #[test]
    fn a_client_that_writes_too_late_is_not_seen() {
        let client = rt::SharedBuffer::fake(4096);
        let frame = client.frame();
        let memory = Rc::new(Memory::attach(fake::space(), frame, 1).unwrap());
        client.write(0, b"early").unwrap();
        let lent = piece(&memory, 0, 5).lend(Direction::ToDevice);
        client.write(0, b"later").unwrap();
        let mut seen = [0; 5];
        fake::device_read(lent.bus(), &mut seen);
        assert_eq!(&seen, b"early");
        let _ = lent.reclaim();
    }

    #[test]
    fn consistent_memory_belongs_to_both() {
        let memory = Memory::consistent(fake::space(), 1).unwrap();
        memory.buffer().store_u32(0, 5).unwrap();
        let mut seen = [0; 4];
        fake::device_read(memory.bus(), &mut seen);
        fake::device_write(memory.bus() + 4, &seen);
        assert_eq!(memory.buffer().load_u32(4), Ok(5));
    }

    #[test]
    fn what_the_device_has_stays() {
        let memory = memory();
        let weak = Rc::downgrade(&memory);
        let lent = piece(&memory, 0, 8).lend(Direction::FromDevice);
        drop(memory);
        drop(lent);
        assert!(weak.upgrade().is_some());
    }
}
