//! Rings in shared memory: one side puts descriptors in, the other takes them out, without copies of the data they speak of
//! and without calls.
//!
//! ```text
//! +0    u32   entries put in so far, wrapping; the producer's
//! +64   u32   entries taken out so far, wrapping; the consumer's
//! +128        the entries, of which number n lies at (n mod N) · the bytes of one
//! ```
//!
//! Each side keeps its own count and never reads it back. What it reads of the other's is an allegation: a count that cannot be
//! is a [`Lie`], after which the ring is not used any more. An entry is copied before it is looked at. A full ring takes no
//! more: that is the back-pressure. Waking the other side is not the ring's concern.

mod pair;

use core::marker::PhantomData;

use rt::SharedBuffer;
use zerocopy::{FromBytes, Immutable, IntoBytes};

pub use pair::{Asked, Pair, Served};

/// Where the consumer's count is.
const TAKEN: usize = 64;
/// Where the entries begin.
const ENTRIES: usize = 128;

/// An entry: plain bytes of a fixed layout, a multiple of four of them.
pub trait Descriptor: FromBytes + IntoBytes + Immutable {}
impl<D: FromBytes + IntoBytes + Immutable> Descriptor for D {}

/// The other side's count cannot be, or the memory is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie;

/// Why an entry was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushError {
    /// The other side has not taken enough out yet.
    Full,
    /// See [`Lie`].
    Lie,
}

/// A ring of `N` entries, a power of two, at a place of a shared buffer.
#[derive(Debug)]
struct Ring<D, const N: usize> {
    place: usize,
    /// What this side has put in or taken out.
    count: u32,
    entry: PhantomData<D>,
}

/// Bytes of a ring of `N` entries.
pub const fn bytes<D, const N: usize>() -> usize {
    ENTRIES + N * size_of::<D>()
}

impl<D: Descriptor, const N: usize> Ring<D, N> {
    const fn new(place: usize) -> Self {
        const { assert!(N.is_power_of_two() && N <= 1 << 16 && size_of::<D>().is_multiple_of(4)) };
        Self { place, count: 0, entry: PhantomData }
    }

    fn entry(&self, count: u32) -> usize {
        self.place + ENTRIES + (count as usize % N) * size_of::<D>()
    }

    fn clear(&self, buffer: &SharedBuffer) -> Result<(), Lie> {
        let stores = [self.place, self.place + TAKEN].map(|at| buffer.store_u32(at, 0));
        if stores.iter().all(Result::is_ok) { Ok(()) } else { Err(Lie) }
    }
}

/// The side that puts in.
#[derive(Debug)]
pub struct Producer<D, const N: usize> {
    ring: Ring<D, N>,
    /// What the other side had taken out when this was last looked at.
    taken: u32,
}

impl<D: Descriptor, const N: usize> Producer<D, N> {
    /// The producer of an empty ring at `place` of a buffer, a multiple of four.
    pub const fn new(place: usize) -> Self {
        Self { ring: Ring::new(place), taken: 0 }
    }

    /// As [`Self::new`], and makes the ring empty. One side does so, before the other knows of it.
    ///
    /// # Errors
    /// The buffer is too small.
    pub fn reset(buffer: &SharedBuffer, place: usize) -> Result<Self, Lie> {
        let new = Self::new(place);
        new.ring.clear(buffer).map(|()| new)
    }

    /// How many entries there is room for.
    ///
    /// # Errors
    /// [`Lie`].
    pub fn room(&mut self, buffer: &SharedBuffer) -> Result<usize, Lie> {
        self.taken = buffer.load_u32(self.ring.place + TAKEN).map_err(|_| Lie)?;
        N.checked_sub(self.ring.count.wrapping_sub(self.taken) as usize).ok_or(Lie)
    }

    /// Puts an entry in: the other side may see it at once.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn push(&mut self, buffer: &SharedBuffer, entry: &D) -> Result<(), PushError> {
        // Only where what was known of the other side says full is it asked again.
        if self.ring.count.wrapping_sub(self.taken) as usize >= N {
            match self.room(buffer) {
                Ok(0) => return Err(PushError::Full),
                Ok(_) => {}
                Err(Lie) => return Err(PushError::Lie),
            }
        }
        let at = self.ring.entry(self.ring.count);
        buffer.write(at, entry.as_bytes()).map_err(|_| PushError::Lie)?;
        self.ring.count = self.ring.count.wrapping_add(1);
        buffer.store_u32(self.ring.place, self.ring.count).map_err(|_| PushError::Lie)
    }
}

/// The side that takes out.
#[derive(Debug)]
pub struct Consumer<D, const N: usize> {
    ring: Ring<D, N>,
    /// What the other side had put in when this was last looked at.
    put: u32,
}

impl<D: Descriptor, const N: usize> Consumer<D, N> {
    /// The consumer of an empty ring at `place` of a buffer, a multiple of four.
    pub const fn new(place: usize) -> Self {
        Self { ring: Ring::new(place), put: 0 }
    }

    /// As [`Self::new`], and makes the ring empty. One side does so, before the other knows of it.
    ///
    /// # Errors
    /// The buffer is too small.
    pub fn reset(buffer: &SharedBuffer, place: usize) -> Result<Self, Lie> {
        let new = Self::new(place);
        new.ring.clear(buffer).map(|()| new)
    }

    /// How many entries wait.
    ///
    /// # Errors
    /// [`Lie`].
    pub fn waiting(&mut self, buffer: &SharedBuffer) -> Result<usize, Lie> {
        let put = buffer.load_u32(self.ring.place).map_err(|_| Lie)?;
        let waiting = put.wrapping_sub(self.ring.count) as usize;
        if waiting > N {
            return Err(Lie);
        }
        self.put = put;
        Ok(waiting)
    }

    /// Takes the next entry out; `None`: none is there. Whatever bytes the other side put there are an entry.
    ///
    /// # Errors
    /// [`Lie`].
    pub fn pop(&mut self, buffer: &SharedBuffer) -> Result<Option<D>, Lie> {
        if self.put == self.ring.count && self.waiting(buffer)? == 0 {
            return Ok(None);
        }
        let mut entry = D::new_zeroed();
        buffer.read(self.ring.entry(self.ring.count), entry.as_mut_bytes()).map_err(|_| Lie)?;
        self.ring.count = self.ring.count.wrapping_add(1);
        buffer.store_u32(self.ring.place + TAKEN, self.ring.count).map_err(|_| Lie)?;
        Ok(Some(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Entry = [u32; 3];

    fn pair() -> (SharedBuffer, Producer<Entry, 8>, Consumer<Entry, 8>) {
        let buffer = SharedBuffer::fake(4096);
        let producer = Producer::reset(&buffer, 256).expect("room");
        (buffer, producer, Consumer::new(256))
    }

    #[test]
    fn entries_come_out_in_order_and_counts_wrap() {
        let (buffer, mut producer, mut consumer) = pair();
        for count in [&mut producer.ring.count, &mut producer.taken, &mut consumer.ring.count, &mut consumer.put] {
            *count = u32::MAX - 20;
        }
        buffer.store_u32(256, u32::MAX - 20).expect("in");
        for number in 0..100 {
            assert_eq!(producer.push(&buffer, &[number, 1, 2]), Ok(()));
            assert_eq!(consumer.pop(&buffer), Ok(Some([number, 1, 2])));
            assert_eq!(consumer.pop(&buffer), Ok(None));
        }
    }

    #[test]
    fn a_full_ring_takes_no_more() {
        let (buffer, mut producer, mut consumer) = pair();
        for number in 0..8 {
            assert_eq!(producer.push(&buffer, &[number; 3]), Ok(()));
        }
        assert_eq!(producer.push(&buffer, &[8; 3]), Err(PushError::Full));
        assert_eq!((producer.room(&buffer), consumer.waiting(&buffer)), (Ok(0), Ok(8)));
        assert_eq!(consumer.pop(&buffer), Ok(Some([0; 3])));
        assert_eq!(producer.push(&buffer, &[8; 3]), Ok(()));
        assert_eq!((1..9).map(|_| consumer.pop(&buffer)).filter(|entry| matches!(entry, Ok(Some(_)))).count(), 8);
    }

    #[test]
    fn counts_that_lie_are_found_out() {
        let (buffer, mut producer, mut consumer) = pair();
        buffer.store_u32(256, 9).expect("in");
        assert_eq!(consumer.pop(&buffer), Err(Lie));
        assert_eq!(consumer.pop(&buffer), Err(Lie), "and it stays one");
        buffer.store_u32(256, u32::MAX).expect("in");
        assert_eq!(consumer.waiting(&buffer), Err(Lie));
        buffer.store_u32(256 + TAKEN, 1).expect("in");
        assert_eq!(producer.room(&buffer), Err(Lie));
        let mut producer = Producer::<Entry, 8>::reset(&buffer, 256).expect("room");
        assert!((0..8).all(|_| producer.push(&buffer, &[0; 3]).is_ok()));
        buffer.store_u32(256 + TAKEN, 100).expect("in");
        assert_eq!(producer.push(&buffer, &[0; 3]), Err(PushError::Lie));
        assert_eq!(Producer::<Entry, 8>::new(4090).push(&buffer, &[0; 3]), Err(PushError::Lie), "outside");
        assert!(Consumer::<Entry, 8>::reset(&buffer, 4090).is_err());
    }

    #[test]
    fn whatever_the_other_side_writes_does_no_harm() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let (buffer, mut producer, mut consumer) = pair();
        for _ in 0..100_000 {
            match random() % 4 {
                0 => drop(producer.push(&buffer, &[1; 3])),
                1 => drop(consumer.pop(&buffer)),
                2 => buffer.store_u32(256 + 4 * (random() % 60) as usize, random() as u32).expect("in"),
                _ => buffer.store_u32(256, (random() % 20) as u32).expect("in"),
            }
            assert!(consumer.waiting(&buffer).unwrap_or(0) <= 8 && producer.room(&buffer).unwrap_or(0) <= 8);
        }
    }
}
