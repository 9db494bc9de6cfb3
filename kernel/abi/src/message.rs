//! The layout of a message: registers, and the message page behind them.

/// Words of a message that travel in x0–x7.
pub const REG_WORDS: usize = 8;
/// Words of a message in all; those from the ninth on lie in the message page.
pub const MAX_WORDS: usize = 64;
/// Words in the message page.
pub const PAGE_WORDS: usize = MAX_WORDS - REG_WORDS;
/// Capabilities of a message.
pub const MAX_CAPS: usize = 4;

/// Flag of x8 out: not a message but bits of the bound Notification, in x0.
pub const OUT_NOTIFICATION: u8 = 1;
/// Flag of x8 out: capabilities of this message were dropped: no receive window, or occupied slots, or no grant right.
pub const OUT_CAPS_DROPPED: u8 = 2;

/// x8 into the kernel: op 0–7, words 8–14, caps 16–18, label 32–63.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InWord(pub u64);

impl InWord {
    /// Packs the fields; `words` is cut to 7 bits and `caps` to 3.
    pub const fn new(op: u8, words: u8, caps: u8, label: u32) -> Self {
        Self(op as u64 | (words as u64 & 0x7f) << 8 | (caps as u64 & 7) << 16 | (label as u64) << 32)
    }
    /// The operation number.
    pub const fn op(self) -> u8 {
        self.0 as u8
    }
    /// Message words, 0–127; more than [`MAX_WORDS`] is refused.
    pub const fn words(self) -> u8 {
        (self.0 >> 8) as u8 & 0x7f
    }
    /// Capabilities, 0–7; more than [`MAX_CAPS`] is refused.
    pub const fn caps(self) -> u8 {
        (self.0 >> 16) as u8 & 7
    }
    /// The label: method number of a call, protocol status of an answer.
    pub const fn label(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// x8 out of the kernel: status 0–7, words 8–14, caps 16–18, flags 20–23, detail 24–31, label 32–63.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OutWord(pub u64);

impl OutWord {
    /// A message that was received, or an answer.
    pub const fn message(words: u8, caps: u8, flags: u8, label: u32) -> Self {
        Self((words as u64 & 0x7f) << 8 | (caps as u64 & 7) << 16 | (flags as u64 & 15) << 20 | (label as u64) << 32)
    }
    /// A refusal; `label` carries the reason of a closed endpoint.
    pub const fn error(error: crate::SyscallError, label: u32) -> Self {
        Self(error.code as u64 | (error.detail as u64) << 24 | (label as u64) << 32)
    }
    /// `Ok` when the kernel did what was asked.
    pub const fn status(self) -> Result<(), crate::SyscallError> {
        match self.0 as u8 {
            0 => Ok(()),
            number => Err(crate::SyscallError {
                code: match crate::ErrorCode::from_number(number) {
                    Some(code) => code,
                    None => crate::ErrorCode::InvalidOperation,
                },
                detail: (self.0 >> 24) as u8,
            }),
        }
    }
    /// Message words.
    pub const fn words(self) -> u8 {
        (self.0 >> 8) as u8 & 0x7f
    }
    /// Capabilities that arrived in the receive window.
    pub const fn caps(self) -> u8 {
        (self.0 >> 16) as u8 & 7
    }
    /// [`OUT_NOTIFICATION`], [`OUT_CAPS_DROPPED`].
    pub const fn flags(self) -> u8 {
        (self.0 >> 20) as u8 & 15
    }
    /// The label.
    pub const fn label(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// x9 into the kernel: target slot 0–31, reply slot 32–63.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Slots(pub u64);

impl Slots {
    /// Packs both.
    pub const fn new(target: u32, reply: u32) -> Self {
        Self(target as u64 | (reply as u64) << 32)
    }
    /// The capability that is invoked.
    pub const fn target(self) -> u32 {
        self.0 as u32
    }
    /// The Reply of a receive.
    pub const fn reply(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// The start of a thread's message page. The kernel reads and writes it through the Frame capability the thread holds,
/// never through an address.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct MessagePage {
    /// Slots of the capabilities to send.
    pub send: [u32; MAX_CAPS],
    /// First slot of the receive window.
    pub window_base: u32,
    /// Slots of the receive window; 0: capabilities are dropped.
    pub window_count: u32,
    /// Zero.
    pub reserved: [u64; 5],
    /// Message words 8 to 63.
    pub words: [u64; PAGE_WORDS],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorCode, SyscallError};

    #[test]
    fn golden_words() {
        assert_eq!(InWord::new(2, 64, 4, 0xdead_beef).0, 0xdead_beef_0004_4002);
        assert_eq!(OutWord::message(64, 4, 3, 1).0, 0x0000_0001_0034_4000);
        assert_eq!(Slots::new(16, 8).0, 0x0000_0008_0000_0010);
        let error = SyscallError::new(ErrorCode::Closed, 1);
        assert_eq!(OutWord::error(error, 7).0, 0x0000_0007_0100_0016);
        assert_eq!(OutWord::error(error, 7).status(), Err(error));
    }

    #[test]
    fn page_layout() {
        assert_eq!(size_of::<MessagePage>(), 512);
        assert_eq!(core::mem::offset_of!(MessagePage, window_base), 16);
        assert_eq!(core::mem::offset_of!(MessagePage, words), 64);
    }
}
