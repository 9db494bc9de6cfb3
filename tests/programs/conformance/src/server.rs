//! A server that looks at every register of what it gets, and answers as it is asked to.

use abi::{ErrorCode, Kind, OUT_NOTIFICATION, Op, OutWord, Rights, Slots, SyscallError};
use rt::{Cap, Endpoint, MEMORY, Message, NOTIFICATION, REPLY, Reply, Retype, TABLE, alloc_slot, now_ticks};

use crate::svc;
use crate::wire::{CLIENT, SERVER, Wrong, bits, input, method, pattern, registers};

/// What the next system call of the server answers.
#[derive(Clone, Copy)]
struct Answer {
    label: u32,
    words: u8,
    caps: u8,
    /// Words in the place of the pattern.
    values: Option<[u64; 8]>,
}

impl Answer {
    const fn words(label: u32, words: u8) -> Self {
        Self { label, words, caps: 0, values: None }
    }

    const fn of(label: u32, values: [u64; 8]) -> Self {
        Self { label, words: 8, caps: 0, values: Some(values) }
    }
}

struct Server {
    endpoint: Cap<Endpoint>,
    other: Option<Cap<Endpoint>>,
    /// The one it receives with, and the one that is free or deferred.
    reply: Cap<Reply>,
    spare: Cap<Reply>,
    owes: bool,
    window: u32,
    give: u32,
    wrong: Wrong,
    calls: u32,
    noticed: u64,
    bits: u64,
    deferred: u64,
}

/// Serves until it is told to die.
pub fn serve(endpoint: Cap<Endpoint>, other: Option<Cap<Endpoint>>) {
    match Server::new(endpoint, other) {
        Ok(mut server) => server.run(),
        Err(error) => log::error!("conformance broken: a server cannot begin: {error}"),
    }
}

fn slot() -> Result<u32, SyscallError> {
    alloc_slot().map_err(|_| ErrorCode::SlotOutOfRange.into())
}

impl Server {
    fn new(endpoint: Cap<Endpoint>, other: Option<Cap<Endpoint>>) -> Result<Self, SyscallError> {
        let (spare, window, give) = (slot()?, slot()?, slot()?);
        MEMORY.retype(Kind::Reply, Retype::default(), TABLE, spare)?;
        TABLE.copy(give, TABLE, NOTIFICATION.slot(), Rights::SIGNAL, abi::Badge(0))?;
        rt::set_window(window, 1);
        let spare = Cap::from_slot(spare);
        let (wrong, calls, noticed, bits, deferred) = (Wrong::default(), 0, 0, 0, 0);
        Ok(Self {
            endpoint,
            other,
            reply: REPLY,
            spare,
            owes: false,
            window,
            give,
            wrong,
            calls,
            noticed,
            bits,
            deferred,
        })
    }

    fn run(&mut self) {
        let mut answer = None;
        loop {
            let mine = self.enter(answer);
            let after = svc(&mine);
            let out = OutWord(after[8]);
            let taken = now_ticks();
            if let Err(error) = out.status() {
                log::error!("conformance broken: a server's receive: {error}");
                return;
            }
            if out.flags() & OUT_NOTIFICATION != 0 {
                self.wrong.kept(&mine, &after, CLIENT_ONLY[usize::from(self.other.is_some())]);
                self.notified(after[0]);
                // Nobody is owed an answer: this is a receive.
                answer = Some(Answer::words(0, 3));
                continue;
            }
            self.calls += 1;
            match self.serve(&mine, &after, out, taken) {
                Some(next) => answer = next,
                None => return,
            }
        }
    }

    fn enter(&self, answer: Option<Answer>) -> [u64; 31] {
        let slots = Slots::new(self.endpoint.slot(), self.reply.slot());
        let Some(answer) = answer else {
            return registers(SERVER, self.calls, input(Op::Receive, 0, 0, 0), slots);
        };
        let call = answer.label >> 8;
        let mut x = registers(SERVER, call, input(Op::ReplyReceive, answer.words, answer.caps, answer.label), slots);
        if let Some(values) = answer.values {
            x[..8].copy_from_slice(&values);
        }
        x
    }

    fn notified(&mut self, bits: u64) {
        self.noticed = now_ticks();
        self.bits |= bits;
        if bits & bits::OPEN != 0 {
            let opened = self.endpoint.open();
            self.wrong.unless(opened.is_ok(), "the endpoint does not open", [0; 3]);
        }
        if bits & bits::DEFER != 0
            && let Some(other) = self.other
        {
            let result = other.call(&Message::new(method::DEFER | 0x7700, []));
            let good = result.is_ok_and(|answer| answer == Message::new(method::DEFER | 0x7700, [7, 8, 9]));
            self.deferred = if good { 1 } else { 2 };
        }
    }

    /// The answer; `None` to die; `Some(None)`: no answer now.
    fn serve(&mut self, mine: &[u64; 31], after: &[u64; 31], out: OutWord, taken: u64) -> Option<Option<Answer>> {
        let label = out.label();
        let call = label >> 8;
        let badge = abi::Badge(after[9]);
        self.wrong.unless(badge.component() != 0, "no badge", [badge.0, 0, 0]);
        if label & 0xff != method::DEFER {
            self.wrong.kept(mine, after, CLIENT_ONLY[usize::from(self.other.is_some())]);
            self.wrong.message(mine, after, CLIENT, call, out.words());
        }
        Some(match label & 0xff {
            method::ECHO => {
                for index in 8..usize::from(out.words()) {
                    let word = rt::page_word(index);
                    let good = word == pattern(CLIENT, call, index);
                    self.wrong.unless(good, "another word in the page", [index as u64, word, call.into()]);
                }
                // The long words go back as they came.
                let words = if out.words() > 8 { out.words() } else { (call / 9 % 9) as u8 };
                Some(Answer::words(label, words))
            }
            method::CAP => {
                self.wrong.unless(out.caps() == 1, "no capability", [out.0, 0, 0]);
                let signalled = Cap::<rt::Notification>::from_slot(self.window).signal(0x40);
                self.wrong.unless(signalled.is_ok(), "the capability is another", [0; 3]);
                let deleted = TABLE.delete(self.window);
                self.wrong.unless(deleted.is_ok(), "the capability stays", [0; 3]);
                Some(Answer::words(label, 1))
            }
            method::GIVE => {
                let _ = Message::default().with_caps(&[self.give]);
                Some(Answer { caps: 1, ..Answer::words(label, 2) })
            }
            method::CLOSE => {
                self.wrong.unless(self.endpoint.close(77).is_ok(), "the endpoint does not close", [0; 3]);
                Some(Answer::words(label, 0))
            }
            method::NOTIFY => {
                self.wrong.unless(NOTIFICATION.signal(bits::COUNT).is_ok(), "no signal", [0; 3]);
                Some(Answer::words(label, 8))
            }
            method::NEST => {
                self.nest(call);
                Some(Answer::words(label, 8))
            }
            method::DEFER => {
                core::mem::swap(&mut self.reply, &mut self.spare);
                self.owes = true;
                None
            }
            method::DEFERRED => Some(Answer::of(label, [self.owes.into(), 0, 0, 0, 0, 0, 0, 0])),
            method::RELEASE => {
                let answered = self.spare.reply(&Message::new(method::DEFER | 0x7700, [7, 8, 9]));
                self.wrong.unless(answered.is_ok(), "the deferred answer is refused", [0; 3]);
                self.owes = false;
                Some(Answer::words(label, 0))
            }
            method::REFUSED => {
                self.refused();
                Some(Answer::words(label, 5))
            }
            method::DIE => return None,
            method::REPORT => {
                Some(Answer::of(label, [self.wrong.0, self.noticed, self.bits, taken, self.deferred, after[9], 0, 0]))
            }
            other => {
                self.wrong.unless(false, "no such method", [other.into(), 0, 0]);
                Some(Answer::words(label, 0))
            }
        })
    }

    /// Calls the other server in the middle of a call. To that one it is a client.
    fn nest(&mut self, call: u32) {
        let Some(other) = self.other else { return };
        let words = (call % 9) as u8;
        let label = method::ECHO | call << 8;
        let mine = registers(CLIENT, call, input(Op::Call, words, 0, label), Slots::new(other.slot(), 0));
        let after = svc(&mine);
        self.wrong.message(&mine, &after, SERVER, call, (call / 9 % 9) as u8);
        self.wrong.unless(OutWord(after[8]).label() == label, "another label", [after[8], label.into(), 0]);
    }

    /// Answers that are refused while a caller waits change nothing.
    fn refused(&mut self) {
        let (own, reply) = (self.endpoint.slot(), self.reply.slot());
        let error = |code, detail| OutWord::error(SyscallError::new(code, detail), 0);
        // Slot, Reply, words, what the kernel says.
        let cases = [
            (own, 0, 0, error(ErrorCode::SlotOutOfRange, 9)),
            (own, 61, 0, error(ErrorCode::EmptySlot, 9)),
            (own, 64, 0, error(ErrorCode::SlotOutOfRange, 9)),
            (own, u32::MAX, 0, error(ErrorCode::SlotOutOfRange, 9)),
            (own, own, 0, error(ErrorCode::WrongKind, 9)),
            (0, reply, 0, error(ErrorCode::SlotOutOfRange, 0)),
            (61, reply, 0, error(ErrorCode::EmptySlot, 0)),
            (64, reply, 0, error(ErrorCode::SlotOutOfRange, 0)),
            (u32::MAX, reply, 0, error(ErrorCode::SlotOutOfRange, 0)),
            (reply, reply, 0, error(ErrorCode::WrongKind, 0)),
            (abi::SLOT_LOG, reply, 0, error(ErrorCode::MissingRight, 0)),
            (own, reply, 65, error(ErrorCode::TooManyWords, 8)),
            (own, reply, 127, error(ErrorCode::TooManyWords, 8)),
        ];
        for (target, reply, words, expected) in cases {
            for unused in UNUSED {
                let mut mine = registers(SERVER, 0, input(Op::ReplyReceive, words, 0, 9), Slots::new(target, reply));
                mine[8] |= unused;
                self.wrong.refused(&mine, expected, "a refused answer");
            }
        }
        // A Reply that holds a caller takes no other.
        let mine = registers(SERVER, 0, input(Op::Receive, 0, 0, 0), Slots::new(own, reply));
        self.wrong.refused(&mine, error(ErrorCode::Busy, 9), "a receive through a Reply in use");
    }
}

/// A server that is nobody's client has none of a client's values; the other one may find its own.
const CLIENT_ONLY: [u64; 2] = [CLIENT, 0xffff];

/// Bits of x8 that mean nothing, none and some and all.
pub const UNUSED: [u64; 4] = [0, 1 << 15, 1 << 19 | 1 << 31, 0xfff8_8000];
