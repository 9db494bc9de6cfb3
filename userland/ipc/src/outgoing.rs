//! Putting a message together.

use rt::Message;

/// More than the value may be, or than a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Where values are put.
pub trait Sink {
    /// A word.
    ///
    /// # Errors
    /// [`TooLong`].
    fn word(&mut self, word: u64) -> Result<(), TooLong>;
    /// Bytes, eight a word, the last one filled up with zeros.
    ///
    /// # Errors
    /// [`TooLong`].
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), TooLong>;
    /// A capability, from this slot of the own table.
    ///
    /// # Errors
    /// [`TooLong`].
    fn cap(&mut self, slot: u32) -> Result<(), TooLong>;
}

/// `N` words in registers.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registers<const N: usize> {
    words: [u64; N],
    used: usize,
}

impl<const N: usize> Registers<N> {
    #[inline(always)]
    pub const fn new() -> Self {
        Self { words: [0; N], used: 0 }
    }

    #[inline(always)]
    pub const fn words(self) -> [u64; N] {
        self.words
    }
}

impl<const N: usize> Default for Registers<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Sink for Registers<N> {
    #[inline(always)]
    fn word(&mut self, word: u64) -> Result<(), TooLong> {
        *self.words.get_mut(self.used).ok_or(TooLong)? = word;
        self.used += 1;
        Ok(())
    }

    fn bytes(&mut self, _: &[u8]) -> Result<(), TooLong> {
        Err(TooLong)
    }

    fn cap(&mut self, _: u32) -> Result<(), TooLong> {
        Err(TooLong)
    }
}

/// A message of up to 64 words and four capabilities. From the ninth word on they lie in the thread's one message page, which
/// the next message overwrites: nothing else is sent until this one is.
#[doc(hidden)]
#[derive(Debug)]
pub struct Outgoing(Message);

impl Outgoing {
    pub const fn new(label: u32) -> Self {
        Self(Message::new(label, []))
    }

    pub const fn message(self) -> Message {
        self.0
    }
}

impl Sink for Outgoing {
    fn word(&mut self, word: u64) -> Result<(), TooLong> {
        let room = (self.0.words as usize) < rt::MAX_WORDS;
        self.0.push(word);
        room.then_some(()).ok_or(TooLong)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.0.push_bytes(bytes) == bytes.len() { Ok(()) } else { Err(TooLong) }
    }

    fn cap(&mut self, slot: u32) -> Result<(), TooLong> {
        let room = (self.0.caps as usize) < rt::MAX_CAPS;
        self.0.push_cap(slot);
        room.then_some(()).ok_or(TooLong)
    }
}
