//! Bytes and text in messages: a word with the number of bytes, then the bytes, eight a word.

use crate::incoming::Source;
use crate::outgoing::{Sink, TooLong};
use crate::protocol::Shape;
use crate::wire::{Size, Wire};

/// Up to `N` bytes, owned.
#[derive(Clone, Copy)]
pub struct Bytes<const N: usize> {
    len: usize,
    data: [u8; N],
}

impl<const N: usize> Bytes<N> {
    /// No bytes.
    pub const fn new() -> Self {
        Self { len: 0, data: [0; N] }
    }

    /// As many of these bytes as fit.
    pub fn cut(bytes: &[u8]) -> Self {
        let mut own = Self::new();
        own.len = bytes.len().min(N);
        own.data[..own.len].copy_from_slice(&bytes[..own.len]);
        own
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.data[..self.len]
    }
}

impl<const N: usize> Wire for Bytes<N> {
    type Sent<'a> = &'a [u8];
    type Given = Self;
    const SHAPE: &'static Shape = &Shape::Bytes(N, false);
    const SIZE: Size = Size { words: 1, more: true, caps: 0 };

    fn put(sent: &[u8], to: &mut impl Sink) -> Result<(), TooLong> {
        if sent.len() > N {
            return Err(TooLong);
        }
        to.word(sent.len() as u64)?;
        to.bytes(sent)
    }

    fn give(given: Self, to: &mut impl Sink) -> Result<(), TooLong> {
        Self::put(given.as_slice(), to)
    }

    fn take(from: &mut impl Source) -> Option<Self> {
        let mut own = Self::new();
        own.len = usize::try_from(from.word()?).ok().filter(|&len| len <= N)?;
        from.bytes(&mut own.data[..own.len])?;
        Some(own)
    }
}

impl<const N: usize> Default for Bytes<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> PartialEq for Bytes<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}
impl<const N: usize> Eq for Bytes<N> {}

impl<const N: usize> core::fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl<const N: usize> core::ops::Deref for Bytes<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

/// Up to `N` bytes of UTF-8, owned.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Text<const N: usize>(Bytes<N>);

impl<const N: usize> Text<N> {
    /// As many characters of the text as fit.
    pub fn cut(text: &str) -> Self {
        Self(Bytes::cut(&text.as_bytes()[..text.floor_char_boundary(N)]))
    }

    /// The text; `None` when it does not fit.
    pub fn exact(text: &str) -> Option<Self> {
        (text.len() <= N).then(|| Self(Bytes::cut(text.as_bytes())))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // It was valid when it was made.
        core::str::from_utf8(self.0.as_slice()).unwrap_or_default()
    }
}

impl<const N: usize> Wire for Text<N> {
    type Sent<'a> = &'a str;
    type Given = Self;
    const SHAPE: &'static Shape = &Shape::Bytes(N, true);
    const SIZE: Size = Size { words: 1, more: true, caps: 0 };

    fn put(sent: &str, to: &mut impl Sink) -> Result<(), TooLong> {
        Bytes::<N>::put(sent.as_bytes(), to)
    }

    fn give(given: Self, to: &mut impl Sink) -> Result<(), TooLong> {
        Bytes::give(given.0, to)
    }

    /// `None` also when it is not UTF-8.
    fn take(from: &mut impl Source) -> Option<Self> {
        let bytes = Bytes::take(from)?;
        core::str::from_utf8(&bytes).is_ok().then_some(Self(bytes))
    }
}

impl<const N: usize> core::ops::Deref for Text<N> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> core::fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_str().fmt(f)
    }
}

impl<const N: usize> core::fmt::Display for Text<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(Text::<4>::cut("abcä").as_str(), "abc");
        assert_eq!(Text::<5>::cut("abcä").as_str(), "abcä");
        assert_eq!(Text::<4>::exact("abcä"), None);
    }

    fn taken<T: Wire>(words: &[u64]) -> Option<T> {
        let mut message = rt::Message::new(1, []);
        words.iter().for_each(|&word| message.push(word));
        let mut from = crate::Incoming::message(&message);
        T::take(&mut from).filter(|_| from.is_whole())
    }

    #[test]
    fn a_length_that_lies_is_refused() {
        let word = u64::from_le_bytes(*b"12345678");
        assert_eq!(taken::<Bytes<64>>(&[9, word]), None);
        assert_eq!(taken::<Bytes<64>>(&[8, word]).as_deref(), Some(&b"12345678"[..]));
        assert_eq!(taken::<Bytes<64>>(&[0, word]), None, "a word too many");
        assert_eq!(taken::<Bytes<4>>(&[8, word]), None);
        assert_eq!(taken::<Bytes<64>>(&[u64::MAX, word]), None);
        assert_eq!(taken::<Bytes<64>>(&[]), None);
    }

    #[test]
    fn text_is_utf8() {
        assert_eq!(taken::<Text<8>>(&[3, u64::from_le_bytes(*b"ab\xff\0\0\0\0\0")]), None);
        assert_eq!(taken::<Text<8>>(&[2, u64::from_le_bytes(*b"ab\xff\0\0\0\0\0")]).as_deref(), Some("ab"));
    }
}
