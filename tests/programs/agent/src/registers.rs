//! Registers whose values say whose they are, and what must hold of them after a system call.

use abi::{InWord, Op, OutWord, Slots, SyscallError};

use crate::fail::{Check, Fail, holds};

/// x0–x30.
pub type Registers = [u64; 31];

/// The value of a register of who: nobody else's begins with that.
pub const fn pattern(who: u64, register: usize) -> u64 {
    (0xa9e0 + who) << 48 | 0x5a5a_0000 | register as u64
}

/// All registers with their patterns.
pub fn patterns(who: u64) -> Registers {
    core::array::from_fn(|register| pattern(who, register))
}

/// What a system call left in the registers.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// x0–x30.
    pub x: Registers,
}

impl Out {
    /// x8.
    pub const fn word(&self) -> OutWord {
        OutWord(self.x[8])
    }

    /// The badge of a message.
    pub const fn badge(&self) -> u64 {
        self.x[9]
    }

    /// x0–x7.
    pub fn words(&self) -> [u64; 8] {
        core::array::from_fn(|index| self.x[index])
    }

    /// What the kernel says.
    pub const fn status(&self) -> Result<(), SyscallError> {
        self.word().status()
    }

    /// What must hold after any system call made with `before`: x19–x29 survive; of x10–x18 and x30 nothing came from
    /// elsewhere; a refusal leaves x0–x7 and x9 cleared.
    ///
    /// A fast path may leave the thread's own stack pointer, program counter, state and thread pointer in x10–x13: `own` are
    /// the first two, where they are known.
    ///
    /// # Errors
    /// It does not hold.
    pub fn check(&self, before: &Registers, own: Option<(u64, u64)>) -> Check {
        for (register, (&was, &is)) in before.iter().zip(&self.x).enumerate() {
            let kept = (19..30).contains(&register);
            let given_up = (10..19).contains(&register) || register == 30;
            if kept && was != is {
                return Err(Fail::new(alloc::format!("x{register} was {was:#x} and is {is:#x}")));
            }
            if given_up && is != 0 && is != was && !is_own(register, is, own) {
                return Err(Fail::new(alloc::format!("{is:#x} came across in x{register}")));
            }
        }
        let clear = self.words() == [0; 8] && self.badge() == 0;
        holds(self.status().is_ok() || clear, "a refusal leaves words or a badge behind")
    }
}

/// Whether a value is the thread's own state. Patterns and addresses of the kernel are none.
fn is_own(register: usize, value: u64, own: Option<(u64, u64)>) -> bool {
    /// SPSR: mode and what masks interrupts; at EL0 they are zero.
    const MODE: u64 = 0x3df;
    match (register, own) {
        (10, Some((sp, _))) => value == sp,
        (11, Some((_, pc))) => value == pc,
        (12, _) => value >> 32 == 0 && value & MODE == 0,
        (10 | 11 | 13, _) => value >> 48 == 0,
        _ => false,
    }
}

/// A system call to be made: what stands in x0–x9. The other registers hold the patterns of who makes it.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    op: u8,
    target: u32,
    reply: u32,
    words: u8,
    caps: u8,
    label: u32,
    unused: u64,
    given: usize,
    x: [u64; 8],
}

impl Request {
    /// An operation on a slot.
    pub const fn new(op: Op, target: u32) -> Self {
        Self::numbered(op as u8, target)
    }

    /// The operation with this number, which need not exist.
    pub const fn numbered(op: u8, target: u32) -> Self {
        Self { op, target, reply: 0, words: 0, caps: 0, label: 0, unused: 0, given: 0, x: [0; 8] }
    }

    /// With these in x0 and following, as that many words of a message.
    pub fn words(mut self, words: &[u64]) -> Self {
        self.given = words.len();
        self.words = words.len() as u8;
        self.x[..words.len()].copy_from_slice(words);
        self
    }

    /// As a message of this many words, whatever x0–x7 hold.
    pub const fn length(mut self, words: u8) -> Self {
        self.words = words;
        self
    }

    /// With this many capabilities.
    pub const fn caps(mut self, caps: u8) -> Self {
        self.caps = caps;
        self
    }

    /// With this label.
    pub const fn label(mut self, label: u32) -> Self {
        self.label = label;
        self
    }

    /// With this Reply.
    pub const fn reply(mut self, reply: u32) -> Self {
        self.reply = reply;
        self
    }

    /// With bits of x8 that mean nothing: a fast path leaves such a call to the general one.
    pub const fn unused(mut self, bits: u64) -> Self {
        self.unused = bits;
        self
    }

    /// Its operation, if there is such a one.
    pub const fn op(&self) -> Option<Op> {
        Op::from_number(self.op)
    }

    /// x0–x30 as `who` makes it.
    pub fn registers(&self, who: u64) -> Registers {
        let mut x = patterns(who);
        x[..self.given].copy_from_slice(&self.x[..self.given]);
        x[8] = InWord::new(self.op, self.words, self.caps, self.label).0 | self.unused;
        x[9] = Slots::new(self.target, self.reply).0;
        x
    }
}

/// Bits of x8 that mean nothing: none, some, all.
pub const UNUSED: [u64; 4] = [0, 1 << 15, 1 << 19 | 1 << 31, 0xfff8_8000];
