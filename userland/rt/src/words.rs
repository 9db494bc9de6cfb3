//! Messages of at most eight words that never leave the registers: calls, and the loop of a server.

use abi::{Badge, InWord, OUT_CAPS_DROPPED, OUT_NOTIFICATION, Op, OutWord, REG_WORDS, Slots, SyscallError};

use crate::cap::{Cap, Endpoint, Reply};
use crate::message::{CallError, Message, clear_window};
use crate::svc::svc;

/// A message of at most eight words, without capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// Label and number of words, where the kernel has them.
    head: u64,
    regs: [u64; REG_WORDS],
}

/// Whether x8 tells of a message of at most eight words and of nothing else: no error, no capabilities, no flags.
#[inline(always)]
const fn fits(out: OutWord) -> bool {
    (out.0 as u32).rotate_right(8) <= REG_WORDS as u32
}

impl Words {
    /// A message.
    #[inline(always)]
    pub const fn new<const N: usize>(label: u32, words: [u64; N]) -> Self {
        const { assert!(N <= REG_WORDS) };
        let mut regs = [0; REG_WORDS];
        let mut index = 0;
        while index < N {
            regs[index] = words[index];
            index += 1;
        }
        Self { head: InWord::new(0, N as u8, 0, label).0, regs }
    }

    /// Its label: method number of a call, protocol status of an answer.
    #[inline(always)]
    pub const fn label(&self) -> u32 {
        InWord(self.head).label()
    }

    /// How many words it has. More than eight: it is an answer that does not fit into registers, as it has more words, of which
    /// only eight are here, or brought capabilities.
    #[inline(always)]
    pub const fn count(&self) -> u8 {
        InWord(self.head).words()
    }

    /// All eight; those past [`Self::count`] are 0.
    #[inline(always)]
    pub const fn all(&self) -> [u64; REG_WORDS] {
        self.regs
    }
}

impl Words {
    /// What of a message lies in registers.
    pub const fn cut(message: &Message) -> Self {
        Self { head: head(message.words, message.caps, message.label), regs: message.regs }
    }
}

impl TryFrom<&Message> for Words {
    type Error = ();

    /// A message that fits into registers.
    fn try_from(message: &Message) -> Result<Self, ()> {
        let fits = message.words as usize <= REG_WORDS && message.caps == 0;
        fits.then(|| Self::cut(message)).ok_or(())
    }
}

impl From<Words> for Message {
    fn from(words: Words) -> Self {
        Self { label: words.label(), words: words.count(), caps: 0, regs: words.regs }
    }
}

/// Label and number of words of a message that may be longer than eight words, or have capabilities: then it has nine at least.
const fn head(words: u8, caps: u8, label: u32) -> u64 {
    const LONG: u8 = REG_WORDS as u8 + 1;
    let words = if caps > 0 && words < LONG { LONG } else { words };
    InWord::new(0, words, 0, label).0
}

/// What a server does with what it receives.
pub trait Serve {
    /// Answers a call whose message came in registers, in registers.
    ///
    /// # Errors
    /// The message as it came: it wants the long way, [`Self::long_call`].
    fn call(&mut self, badge: Badge, message: Words) -> Result<Words, Words>;

    /// Answers any other call: with more words, or with capabilities, of which `dropped` says that some were lost. `message`
    /// becomes the answer.
    fn long_call(&mut self, badge: Badge, message: &mut Message, dropped: bool);

    /// Bits of the bound Notification.
    fn notified(&mut self, bits: u64);
}

impl Cap<Endpoint> {
    /// Sends a message of up to eight words in registers and waits for the answer, of which only registers are looked at. What
    /// capabilities came with it are deleted.
    ///
    /// # Errors
    /// As [`Self::call`].
    #[inline(always)]
    pub fn call_words<const N: usize>(self, label: u32, words: [u64; N]) -> Result<Words, CallError> {
        let Words { head, mut regs } = Words::new(label, words);
        let (out, _) = svc::<N>(InWord(head), Slots::new(self.slot(), 0), &mut regs);
        if fits(out) {
            return Ok(Words { head: out.0, regs });
        }
        long_answer(out).map(|head| Words { head, regs })
    }

    /// Serves until receiving fails; returns why. `reply` answers.
    #[inline(always)]
    pub fn serve(self, reply: Cap<Reply>, server: &mut impl Serve) -> SyscallError {
        let slots = Slots::new(self.slot(), reply.slot());
        let (mut input, mut regs) = (RECEIVE, [0; REG_WORDS]);
        loop {
            let (out, badge) = svc::<REG_WORDS>(input, slots, &mut regs);
            if fits(out) {
                match server.call(Badge(badge), Words { head: out.0, regs }) {
                    Ok(answer) => (input, regs) = (InWord(answer.head | Op::ReplyReceive as u64), answer.regs),
                    Err(message) => (input, regs) = long(server, badge, message),
                }
            } else {
                let mut message = Message { label: out.label(), words: out.words(), caps: out.caps(), regs };
                match unusual(server, input, out, badge, &mut message) {
                    Ok(next) => (input, regs) = (next, message.regs),
                    Err(error) => return error,
                }
            }
        }
    }
}

const RECEIVE: InWord = InWord::new(Op::Receive as u8, 0, 0, 0);

/// An answer that did not fit, or none.
#[cold]
#[inline(never)]
fn long_answer(out: OutWord) -> Result<u64, CallError> {
    match out.status() {
        Ok(()) => {
            if out.caps() > 0 {
                clear_window();
            }
            Ok(head(out.words(), out.caps(), out.label()))
        }
        Err(error) => Err(CallError { error, reason: out.label() }),
    }
}

/// Not a call that came in registers alone. Says how to go on.
#[cold]
#[inline(never)]
fn unusual(
    server: &mut impl Serve,
    input: InWord,
    out: OutWord,
    badge: u64,
    message: &mut Message,
) -> Result<InWord, SyscallError> {
    if let Err(error) = out.status() {
        // A caller that is gone must not end the server: if answering failed, only receive.
        return if input == RECEIVE { Err(error) } else { Ok(RECEIVE) };
    }
    if out.flags() & OUT_NOTIFICATION != 0 {
        server.notified(message.regs[0]);
        return Ok(RECEIVE);
    }
    server.long_call(Badge(badge), message, out.flags() & OUT_CAPS_DROPPED != 0);
    Ok(InWord::new(Op::ReplyReceive as u8, message.words, message.caps, message.label))
}

/// A call in registers that takes the long way; its answer.
#[cold]
#[inline(never)]
fn long(server: &mut impl Serve, badge: u64, words: Words) -> (InWord, [u64; REG_WORDS]) {
    let mut message = Message::from(words);
    server.long_call(Badge(badge), &mut message, false);
    (InWord::new(Op::ReplyReceive as u8, message.words, message.caps, message.label), message.regs)
}

#[cfg(test)]
mod tests {
    use abi::ErrorCode;

    use super::*;

    #[test]
    fn words_are_a_message() {
        let words = Words::new(0xdead_beef, [1, 2, 3]);
        assert_eq!((words.label(), words.count(), words.all()), (0xdead_beef, 3, [1, 2, 3, 0, 0, 0, 0, 0]));
        assert_eq!(Message::from(words), Message::new(0xdead_beef, [1, 2, 3]));
    }

    #[test]
    fn only_what_fits_stays_in_registers() {
        assert!(fits(OutWord::message(0, 0, 0, 7)) && fits(OutWord::message(8, 0, 0, u32::MAX)));
        assert!(!fits(OutWord::message(9, 0, 0, 0)) && !fits(OutWord::message(0, 1, 0, 0)));
        assert!(!fits(OutWord::message(1, 0, OUT_NOTIFICATION, 0)));
        assert!(!fits(OutWord::error(ErrorCode::Closed.into(), 0)));
    }

    #[test]
    fn an_answer_that_brings_more_is_longer_than_registers() {
        let count =
            |words, caps| Words { head: long_answer(OutWord::message(words, caps, 0, 5)).unwrap(), regs: [0; 8] };
        for (words, caps, expected) in [(0, 1, 9), (8, 4, 9), (9, 0, 9), (20, 2, 20)] {
            let mut message = Message::new(5, []);
            (message.words, message.caps) = (words, caps);
            for answer in [count(words, caps), Words::cut(&message)] {
                assert_eq!((answer.count(), answer.label()), (expected, 5), "{words} words, {caps} capabilities");
            }
        }
    }

    #[derive(Default)]
    struct Notes(Vec<(u8, u64)>);

    impl Serve for Notes {
        fn call(&mut self, _: Badge, message: Words) -> Result<Words, Words> {
            Ok(message)
        }
        fn long_call(&mut self, badge: Badge, message: &mut Message, _: bool) {
            self.0.push((message.words, badge.0));
            *message = Message::new(5, [6]);
        }
        fn notified(&mut self, bits: u64) {
            self.0.push((0, bits));
        }
    }

    #[test]
    fn what_is_unusual_goes_on_as_it_should() {
        let mut notes = Notes::default();
        let got = |out: OutWord| Message { label: out.label(), words: out.words(), caps: out.caps(), regs: [3; 8] };
        let answer = InWord::new(Op::ReplyReceive as u8, 1, 0, 0);
        let error = |code: ErrorCode| OutWord::error(code.into(), 0);
        let out = OutWord::message(1, 0, OUT_NOTIFICATION, 0);
        let next = unusual(&mut notes, answer, out, 0, &mut got(out));
        assert_eq!(next, Ok(RECEIVE));
        let out = OutWord::message(20, 0, 0, 1);
        let mut message = got(out);
        let next = unusual(&mut notes, RECEIVE, out, 9, &mut message);
        assert_eq!((next, message.regs[0]), (Ok(InWord::new(Op::ReplyReceive as u8, 1, 0, 5)), 6));
        assert_eq!(notes.0, [(0, 3), (20, 9)]);
        let refused = |input, code| unusual(&mut Notes::default(), input, error(code), 0, &mut Message::default());
        assert_eq!(refused(answer, ErrorCode::NoMessagePage), Ok(RECEIVE));
        assert_eq!(refused(RECEIVE, ErrorCode::NoMessagePage), Err(ErrorCode::NoMessagePage.into()));
        assert_eq!(refused(RECEIVE, ErrorCode::Revoked), Err(ErrorCode::Revoked.into()));
    }
}
