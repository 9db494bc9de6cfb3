//! Messages: up to eight words in registers, up to 64 and four capabilities through the message page.

use core::mem::offset_of;

use abi::{
    Badge, InWord, MessagePage, OUT_CAPS_DROPPED, OUT_NOTIFICATION, Op, OutWord, REG_WORDS, Slots, SyscallError,
};

use crate::cap::TABLE;
use crate::svc::svc;

/// A message to send, or an answer. Words from the ninth on and capabilities live in the thread's message page and are
/// reached with [`Message::push_bytes`], [`page_word`] and their relatives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Method number of a call; protocol status of an answer (0: fine).
    pub label: u32,
    /// Words in use, 0–64.
    pub words: u8,
    /// Capabilities, 0–4.
    pub caps: u8,
    /// Words 0–7.
    pub regs: [u64; REG_WORDS],
}

/// What a receive returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A call from the client that `badge` names. `dropped` says that capabilities were lost.
    Call {
        /// Who calls.
        badge: Badge,
        /// The message.
        message: Message,
        /// Capabilities of this message were dropped.
        dropped: bool,
    },
    /// Bits of the bound Notification.
    Notified(u64),
}

/// Why a call failed: the kernel's error, and the reason where the endpoint is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The kernel's error.
    pub error: SyscallError,
    /// The reason given to `close`.
    pub reason: u32,
}

impl Message {
    /// A message of up to eight words.
    #[inline]
    pub const fn new<const N: usize>(label: u32, words: [u64; N]) -> Self {
        const { assert!(N <= REG_WORDS) };
        let mut regs = [0; REG_WORDS];
        let mut index = 0;
        while index < N {
            regs[index] = words[index];
            index += 1;
        }
        Self { label, words: N as u8, caps: 0, regs }
    }

    /// Adds a capability, from this slot; ignored when the message has four.
    pub fn push_cap(&mut self, slot: u32) {
        if (self.caps as usize) < abi::MAX_CAPS {
            page_set(offset_of!(MessagePage, send) + 4 * self.caps as usize, slot);
            self.caps += 1;
        }
    }

    /// The same message with capabilities from these slots.
    pub fn with_caps(mut self, slots: &[u32]) -> Self {
        self.caps = slots.len().min(abi::MAX_CAPS) as u8;
        for (index, &slot) in slots.iter().take(abi::MAX_CAPS).enumerate() {
            page_set(offset_of!(MessagePage, send) + 4 * index, slot);
        }
        self
    }

    /// Word `index`, from the registers or the page; 0 past the end.
    pub fn word(&self, index: usize) -> u64 {
        if index >= self.words as usize {
            0
        } else if index < REG_WORDS {
            self.regs[index]
        } else {
            page_word(index)
        }
    }

    /// Appends bytes as words, zero-padded, and says how many fitted. The receiver must learn the number by other means
    /// (usually an earlier word).
    pub fn push_bytes(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        for chunk in bytes.chunks(8) {
            if self.words as usize >= abi::MAX_WORDS {
                break;
            }
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.push(u64::from_le_bytes(word));
            taken += chunk.len();
        }
        taken
    }

    /// Appends a word; ignored when the message is full.
    pub fn push(&mut self, word: u64) {
        let index = self.words as usize;
        if index < REG_WORDS {
            self.regs[index] = word;
        } else if index < abi::MAX_WORDS {
            page_set(offset_of!(MessagePage, words) + 8 * (index - REG_WORDS), word);
        } else {
            return;
        }
        self.words += 1;
    }

    /// Copies bytes out of the words from `first` on; says how many there were.
    pub fn bytes(&self, first: usize, out: &mut [u8]) -> usize {
        let available = (self.words as usize).saturating_sub(first) * 8;
        let count = out.len().min(available);
        for (index, chunk) in out[..count].chunks_mut(8).enumerate() {
            chunk.copy_from_slice(&self.word(first + index).to_le_bytes()[..chunk.len()]);
        }
        count
    }
}

/// Word `index` (8–63) of the message page.
pub fn page_word(index: usize) -> u64 {
    if !(REG_WORDS..abi::MAX_WORDS).contains(&index) {
        return 0;
    }
    let page = page();
    if page.is_null() {
        return 0;
    }
    // SAFETY: the message page is mapped for the life of the process; the index is checked; volatile, because the
    // kernel writes it.
    unsafe { (&raw const (*page).words[index - REG_WORDS]).read_volatile() }
}

#[cfg(target_os = "none")]
fn page() -> *mut MessagePage {
    crate::env::message_page()
}

/// On the host each thread has a page of its own, so that messages are tested at full length.
#[cfg(not(target_os = "none"))]
fn page() -> *mut MessagePage {
    use core::cell::UnsafeCell;
    const EMPTY: MessagePage = MessagePage {
        send: [0; abi::MAX_CAPS],
        window_base: 0,
        window_count: 0,
        reserved: [0; 5],
        words: [0; abi::PAGE_WORDS],
    };
    std::thread_local!(static PAGE: UnsafeCell<MessagePage> = const { UnsafeCell::new(EMPTY) });
    PAGE.with(UnsafeCell::get)
}

/// The slot that was put into the message as capability number `index`: on the host a capability is passed by its number.
#[cfg(not(target_os = "none"))]
pub fn sent_slot(index: usize) -> Option<u32> {
    if index >= abi::MAX_CAPS {
        return None;
    }
    // SAFETY: the page of this thread; the index is checked.
    Some(unsafe { (&raw const (*page()).send[index]).read_volatile() })
}

/// Writes a field of the message page, or two together; `offset` must be that of a field of type `T`.
#[inline]
fn page_set<T>(offset: usize, value: T) {
    let page = page();
    assert!(offset + size_of::<T>() <= size_of::<MessagePage>());
    if !page.is_null() {
        // SAFETY: the place lies inside the message page (checked above), which is mapped writable for the life of the
        // process; every caller passes an offset that is aligned for this type.
        unsafe { page.cast::<u8>().add(offset).cast::<T>().write_volatile(value) }
    }
}

/// Sets where capabilities of the next messages arrive: slots `base` to `base + count - 1`, which must be empty.
pub fn set_window(base: u32, count: u32) {
    const { assert!(offset_of!(MessagePage, window_count) == offset_of!(MessagePage, window_base) + 4) };
    page_set(offset_of!(MessagePage, window_base), u64::from(base) | u64::from(count) << 32);
}

/// Deletes what messages brought into the window and nobody took: what fills it keeps others from arriving.
pub fn clear_window() {
    let page = page();
    if page.is_null() {
        return;
    }
    // SAFETY: the message page is mapped for the life of the process; volatile, because the kernel reads and writes it.
    let (base, count) = unsafe {
        ((&raw const (*page).window_base).read_volatile(), (&raw const (*page).window_count).read_volatile())
    };
    for slot in base..base.saturating_add(count.min(abi::MAX_CAPS as u32)) {
        let _ = TABLE.delete(slot);
    }
}

fn decode(out: OutWord, regs: [u64; 8]) -> Message {
    Message { label: out.label(), words: out.words(), caps: out.caps(), regs }
}

/// `Op::Call`.
#[inline]
pub(crate) fn call(target: u32, message: &Message) -> Result<Message, CallError> {
    let mut regs = message.regs;
    let input = InWord::new(Op::Call as u8, message.words, message.caps, message.label);
    let (out, _) = svc::<REG_WORDS>(input, Slots::new(target, 0), &mut regs);
    match out.status() {
        Ok(()) => Ok(decode(out, regs)),
        Err(error) => Err(CallError { error, reason: out.label() }),
    }
}

fn received(out: OutWord, badge: u64, regs: [u64; 8]) -> Result<Received, SyscallError> {
    out.status()?;
    if out.flags() & OUT_NOTIFICATION != 0 {
        return Ok(Received::Notified(regs[0]));
    }
    let dropped = out.flags() & OUT_CAPS_DROPPED != 0;
    Ok(Received::Call { badge: Badge(badge), message: decode(out, regs), dropped })
}

/// `Op::Receive`.
#[inline]
pub(crate) fn receive(target: u32, reply: u32) -> Result<Received, SyscallError> {
    let mut regs = [0; 8];
    let (out, badge) = svc::<0>(InWord::new(Op::Receive as u8, 0, 0, 0), Slots::new(target, reply), &mut regs);
    received(out, badge, regs)
}

/// `Op::ReplyReceive`.
#[inline]
pub(crate) fn reply_receive(target: u32, reply: u32, answer: &Message) -> Result<Received, SyscallError> {
    let mut regs = answer.regs;
    let input = InWord::new(Op::ReplyReceive as u8, answer.words, answer.caps, answer.label);
    let (out, badge) = svc::<REG_WORDS>(input, Slots::new(target, reply), &mut regs);
    received(out, badge, regs)
}

/// `Op::Reply`.
pub(crate) fn reply(reply: u32, answer: &Message) -> Result<(), SyscallError> {
    let mut regs = answer.regs;
    let input = InWord::new(Op::Reply as u8, answer.words, answer.caps, answer.label);
    svc::<REG_WORDS>(input, Slots::new(reply, 0), &mut regs).0.status()
}
