//! Taking a message apart. Nothing in it is believed.

use rt::{Cap, Message, Words};

use crate::owned::Owned;
use crate::status::common;
use crate::window;

/// What values are taken out of.
pub trait Source {
    /// The next word; `None`: the message ends.
    fn word(&mut self) -> Option<u64>;
    /// The bytes in the next words; `None`: the message ends before `out` is full.
    fn bytes(&mut self, out: &mut [u8]) -> Option<()>;
    /// The next capability, in a slot of its own. Its kind and rights are the sender's claim: the kernel checks them when it is
    /// used. `None`: none came.
    fn cap<K>(&mut self) -> Option<Owned<K>>;
}

/// A message in registers.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registered {
    words: [u64; 8],
    next: usize,
}

/// Any message.
#[doc(hidden)]
#[derive(Debug)]
pub struct Incoming<'m> {
    message: &'m Message,
    next: usize,
    caps: u32,
    /// What was missing was a capability.
    lacks_cap: bool,
    ended: bool,
}

impl Incoming<'_> {
    #[inline(always)]
    pub const fn registers(words: Words) -> Registered {
        Registered { words: words.all(), next: 0 }
    }
}

impl<'m> Incoming<'m> {
    pub const fn message(message: &'m Message) -> Self {
        Self { message, next: 0, caps: 0, lacks_cap: false, ended: false }
    }

    /// Whether all of it was taken, and nothing more.
    pub const fn is_whole(&self) -> bool {
        self.next == self.message.words as usize && self.caps == self.message.caps as u32
    }

    /// Deletes the capabilities that nobody took.
    pub fn end(&mut self) {
        if !self.ended && self.message.caps > 0 {
            window::clear();
        }
        self.ended = true;
    }

    /// The answer to a message that is not what its method takes.
    pub const fn refusal(&self) -> Message {
        let status = if self.lacks_cap { common::BAD_CAPABILITY } else { common::BAD_MESSAGE };
        Message::new(status, [])
    }
}

impl Source for Registered {
    #[inline(always)]
    fn word(&mut self) -> Option<u64> {
        let word = self.words.get(self.next).copied();
        self.next += 1;
        word
    }

    fn bytes(&mut self, _: &mut [u8]) -> Option<()> {
        None
    }

    fn cap<K>(&mut self) -> Option<Owned<K>> {
        None
    }
}

impl Source for Incoming<'_> {
    fn word(&mut self) -> Option<u64> {
        let there = self.next < self.message.words as usize;
        there.then(|| {
            self.next += 1;
            self.message.word(self.next - 1)
        })
    }

    fn bytes(&mut self, out: &mut [u8]) -> Option<()> {
        let copied = self.message.bytes(self.next, out);
        self.next += out.len().div_ceil(8);
        (copied == out.len()).then_some(())
    }

    fn cap<K>(&mut self) -> Option<Owned<K>> {
        let cap: Option<Cap<K>> = window::take(self.message, self.caps).ok();
        self.lacks_cap = cap.is_none();
        self.caps += 1;
        cap.map(Owned::new)
    }
}
