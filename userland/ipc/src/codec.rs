//! Bytes and text in message words: a word with the number of bytes, then the bytes, eight a word.

use rt::Message;

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

    /// Writes the length into word `length_at`, which must have been pushed already, and the bytes behind the last word.
    /// As many bytes as fit into the message.
    pub(crate) fn encode(&self, message: &mut Message, length_at: usize) {
        let sent = message.push_bytes(self.as_slice());
        message.regs[length_at] = sent as u64;
    }

    /// What [`Self::encode`] wrote: the length in word `length_at`, the bytes from word `first` on. `None` when the
    /// length is more than `N` or than the message has.
    pub(crate) fn decode(message: &Message, length_at: usize, first: usize) -> Option<Self> {
        let len = usize::try_from(message.word(length_at)).ok().filter(|&len| len <= N)?;
        let mut own = Self::new();
        own.len = message.bytes(first, &mut own.data[..len]);
        (own.len == len).then_some(own)
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
        valid_prefix(self.0.as_slice())
    }

    pub(crate) fn encode(&self, message: &mut Message, length_at: usize) {
        self.0.encode(message, length_at);
    }

    /// `None` when it is not UTF-8, or the length is wrong.
    pub(crate) fn decode(message: &Message, length_at: usize, first: usize) -> Option<Self> {
        let bytes = Bytes::decode(message, length_at, first)?;
        core::str::from_utf8(&bytes).is_ok().then_some(Self(bytes))
    }

    /// Keeps what is valid before the first byte that is not UTF-8: the writer of a log line may have cut it anywhere.
    pub(crate) fn decode_prefix(message: &Message, length_at: usize, first: usize) -> Option<Self> {
        let bytes = Bytes::<N>::decode(message, length_at, first)?;
        Some(Self(Bytes::cut(valid_prefix(&bytes).as_bytes())))
    }
}

/// The text up to the first byte that is not UTF-8.
fn valid_prefix(bytes: &[u8]) -> &str {
    match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
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

/// `Some` when the message has at least this many words.
pub(crate) fn words(message: &Message, least: u8) -> Option<()> {
    (message.words >= least).then_some(())
}

/// A word that must fit into 32 bits.
pub(crate) fn small(message: &Message, index: usize) -> Option<u32> {
    u32::try_from(message.word(index)).ok()
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

    #[test]
    fn a_length_that_lies_is_refused() {
        let mut message = Message::new(1, [9]);
        message.push_bytes(b"12345678");
        assert_eq!(Bytes::<64>::decode(&message, 0, 1), None);
        message.regs[0] = 8;
        assert_eq!(Bytes::<64>::decode(&message, 0, 1).as_deref(), Some(&b"12345678"[..]));
        assert_eq!(Bytes::<4>::decode(&message, 0, 1), None);
        message.regs[0] = u64::MAX;
        assert_eq!(Bytes::<64>::decode(&message, 0, 1), None);
    }

    #[test]
    fn text_that_is_not_utf8() {
        let mut message = Message::new(1, [3]);
        message.push_bytes(b"ab\xff");
        assert_eq!(Text::<8>::decode(&message, 0, 1), None);
        assert_eq!(Text::<8>::decode_prefix(&message, 0, 1).as_deref(), Some("ab"));
    }
}
