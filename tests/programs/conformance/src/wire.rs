//! Which values travel: each register of a sender says whose it is, of which call, and which register.

use abi::{InWord, Op, OutWord, Slots};

use crate::{Registers, svc};

/// The client's registers begin with this.
pub const CLIENT: u64 = 0xc11e;
/// Those of a server with this.
pub const SERVER: u64 = 0x5e52;

/// What is asked for: the low byte of a label; the rest is the number of the call.
pub mod method {
    /// Words come, words go.
    pub const ECHO: u32 = 1;
    /// One capability comes: a Notification that is signalled.
    pub const CAP: u32 = 2;
    /// The server's Notification goes back.
    pub const GIVE: u32 = 3;
    /// The endpoint is closed behind the answer.
    pub const CLOSE: u32 = 4;
    /// The server's own Notification has bits when it answers.
    pub const NOTIFY: u32 = 5;
    /// The server calls the other server.
    pub const NEST: u32 = 6;
    /// The answer comes later.
    pub const DEFER: u32 = 7;
    /// How many answers are owed.
    pub const DEFERRED: u32 = 8;
    /// They are given.
    pub const RELEASE: u32 = 9;
    /// The server makes calls that are refused.
    pub const REFUSED: u32 = 10;
    /// The server ends.
    pub const DIE: u32 = 11;
    /// Words: what went wrong, when the Notification was seen, which bits, when this call was taken, result of the
    /// deferred call.
    pub const REPORT: u32 = 12;
}

/// Bits of a server's Notification.
pub mod bits {
    /// Open the endpoint.
    pub const OPEN: u64 = 1;
    /// Only to be counted.
    pub const COUNT: u64 = 2;
    /// Make a call whose answer is deferred.
    pub const DEFER: u64 = 4;
}

/// The value of a register.
pub const fn pattern(who: u64, call: u32, register: usize) -> u64 {
    who << 48 | (call as u64) << 8 | register as u64
}

/// All registers with their patterns; x8 and x9 as given.
pub fn registers(who: u64, call: u32, input: InWord, slots: Slots) -> Registers {
    let mut x = core::array::from_fn(|register| pattern(who, call, register));
    (x[8], x[9]) = (input.0, slots.0);
    x
}

/// A call or answer of `words` words.
pub fn input(op: Op, words: u8, caps: u8, label: u32) -> InWord {
    InWord::new(op as u8, words, caps, label)
}

/// Things that went wrong; each is logged when it is found.
#[derive(Debug, Default)]
pub struct Wrong(pub u64);

impl Wrong {
    /// Notes it unless `good`.
    pub fn unless(&mut self, good: bool, what: &str, values: [u64; 3]) {
        if !good {
            self.0 += 1;
            if self.0 < 20 {
                log::error!("conformance broken: {what}: {:#x} {:#x} {:#x}", values[0], values[1], values[2]);
            }
        }
    }

    /// What must hold of the registers after any system call: `mine` are those before; what begins as `sender` is a leak.
    pub fn kept(&mut self, mine: &Registers, after: &Registers, sender: u64) {
        self.kept_from(mine, after, |value| value >> 48 == sender);
    }

    fn kept_from(&mut self, mine: &Registers, after: &Registers, sent: impl Fn(u64) -> bool) {
        for register in 19..30 {
            let (before, after) = (mine[register], after[register]);
            self.unless(before == after, "a register did not survive", [register as u64, before, after]);
        }
        for register in (10..19).chain([30]) {
            let value = after[register];
            let leak = sent(value) || value >> 48 == 0xffff;
            self.unless(!leak, "a register came across", [register as u64, value, 0]);
        }
    }

    /// A message of `words` words of call number `call` arrived, and nothing else.
    pub fn message(&mut self, mine: &Registers, after: &Registers, sender: u64, call: u32, words: u8) {
        // A server that calls another may find values of its own with the same beginning, of earlier calls.
        self.kept_from(mine, after, |value| value >> 8 == pattern(sender, call, 0) >> 8);
        let out = OutWord(after[8]);
        self.unless(out.words() == words, "another length", [out.0, words.into(), call.into()]);
        for (register, &value) in after.iter().enumerate().take(8) {
            let expected = if register < usize::from(words) { pattern(sender, call, register) } else { 0 };
            self.unless(value == expected, "another word", [register as u64, value, expected]);
        }
    }

    /// A refusal leaves nothing behind but x8.
    pub fn refused(&mut self, mine: &Registers, expected: OutWord, what: &str) {
        let after = svc(mine);
        self.kept(mine, &after, 0xffff);
        self.unless(after[8] == expected.0, what, [mine[8], after[8], expected.0]);
        self.unless(after[9] == 0 && after[..8] == [0; 8], what, [after[0], after[7], after[9]]);
    }
}
