//! Holds call, reply-and-receive and poll to the interface: each in its short and in its long way.
#![cfg_attr(target_os = "none", no_std, no_main)]

use abi::{ErrorCode, InWord, Kind, MAY_HAVE_ACTED, Op, OutWord, Rights, Slots, SyscallError};
use conformance_programs::server::UNUSED;
use conformance_programs::wire::{CLIENT, SERVER, Wrong, bits, input, method, pattern, registers};
use conformance_programs::{Registers, svc};
use rt::{
    Cap, Endpoint, Env, MEMORY, Message, Missing, NOTIFICATION, Notification, Retype, TABLE, Timer, alloc_slot,
    now_ticks, ticks_per_second,
};

rt::entry!(run);

fn run(env: &'static Env) {
    match Client::new(env) {
        Ok(mut client) => {
            client.run();
            log::info!("conformance: {} calls, {} wrong", client.calls, client.wrong.0);
        }
        Err(missing) => log::error!("{missing}"),
    }
}

struct Client {
    a: Cap<Endpoint>,
    b: Cap<Endpoint>,
    mortal: Cap<Endpoint>,
    timer: Cap<Timer>,
    wrong: Wrong,
    calls: u32,
}

fn error(code: ErrorCode, detail: u8) -> OutWord {
    OutWord::error(SyscallError::new(code, detail), 0)
}

impl Client {
    fn new(env: &Env) -> Result<Self, Missing> {
        let (a, b) = (env.cap("use:conformance-a")?, env.cap("use:conformance-b")?);
        let mut wrong = Wrong::default();
        let slot = alloc_slot().unwrap_or(0);
        let made = MEMORY.retype(Kind::Timer, Retype::default(), TABLE, slot);
        wrong.unless(made.is_ok(), "no timer", [slot.into(), 0, 0]);
        Ok(Self { a, b, mortal: env.cap("use:conformance-m")?, timer: Cap::from_slot(slot), wrong, calls: 0 })
    }

    fn run(&mut self) {
        self.echo();
        self.long();
        self.nested();
        self.refused();
        self.polls();
        self.capabilities();
        self.notified();
        if let Some(notification) = self.given(self.a) {
            self.closed(notification);
            self.deferred(notification);
        }
        if let Some(notification) = self.given(self.b) {
            self.urgent(notification);
        }
        self.death();
        self.echo();
        for server in [self.a, self.b] {
            let report = self.call(server, method::REPORT, 0, 8, 0);
            self.wrong.unless(report[0] == 0, "a server saw wrong things", [report[0], server.slot().into(), 0]);
        }
    }

    /// A call with everything looked at; what the server answers in the words is not.
    fn call(&mut self, server: Cap<Endpoint>, what: u32, words: u8, back: u8, unused: u64) -> Registers {
        self.calls += 1;
        let call = self.calls;
        let label = what | call << 8;
        let mut mine = registers(CLIENT, call, input(Op::Call, words, 0, label), Slots::new(server.slot(), 7));
        mine[8] |= unused;
        let after = svc(&mine);
        self.wrong.kept(&mine, &after, SERVER);
        let out = OutWord(after[8]);
        self.wrong.unless(out == OutWord::message(back, 0, 0, label), "another answer", [out.0, label.into(), 0]);
        self.wrong.unless(after[9] == 0, "an answer with a badge", [after[9], 0, 0]);
        after
    }

    fn exchange(&mut self, server: Cap<Endpoint>, words: u8, unused: u64) {
        // The server takes the number of words to answer from the number of the call.
        let back = ((self.calls + 1) / 9 % 9) as u8;
        let after = self.call(server, method::ECHO, words, back, unused);
        for (register, &value) in after.iter().enumerate().take(8) {
            let expected = if register < usize::from(back) { pattern(SERVER, self.calls, register) } else { 0 };
            self.wrong.unless(value == expected, "another word", [register as u64, value, expected]);
        }
    }

    /// All lengths in registers, there and back, the short way and the long.
    fn echo(&mut self) {
        for round in 0..324 {
            let unused = if round % 4 == 3 { UNUSED[round / 4 % 4] } else { 0 };
            let server = if round % 7 < 4 { self.a } else { self.b };
            self.exchange(server, (round % 9) as u8, unused);
        }
    }

    /// Words in the page, with short calls between.
    fn long(&mut self) {
        for words in 9..=64 {
            self.calls += 1;
            let call = self.calls;
            let mut message = Message::default();
            (0..words).for_each(|index| message.push(pattern(CLIENT, call, index)));
            let label = method::ECHO | call << 8;
            let input = input(Op::Call, words as u8, 0, label);
            let mine = registers(CLIENT, call, input, Slots::new(self.a.slot(), 0));
            let after = svc(&mine);
            self.wrong.message(&mine, &after, SERVER, call, words as u8);
            for index in 8..words {
                let word = rt::page_word(index);
                let good = word == pattern(CLIENT, call, index);
                self.wrong.unless(good, "another word in the page", [index as u64, word, call.into()]);
            }
            self.exchange(self.a, (words % 9) as u8, 0);
        }
    }

    fn nested(&mut self) {
        for round in 0..90 {
            let unused = if round % 3 == 2 { 1 << 15 } else { 0 };
            self.call(self.a, method::NEST, (round % 9) as u8, 8, unused);
        }
    }

    /// Refusals, whatever the bits that mean nothing say; and the server's own in the middle of a call.
    fn refused(&mut self) {
        let a = self.a.slot();
        let cases = [
            (Op::Call, 0, 0, error(ErrorCode::SlotOutOfRange, 0)),
            (Op::Call, 61, 8, error(ErrorCode::EmptySlot, 0)),
            (Op::Call, 64, 8, error(ErrorCode::SlotOutOfRange, 0)),
            (Op::Call, u32::MAX, 0, error(ErrorCode::SlotOutOfRange, 0)),
            (Op::Call, 1 << 31, 0, error(ErrorCode::SlotOutOfRange, 0)),
            (Op::Call, abi::SLOT_NOTIFICATION, 1, error(ErrorCode::WrongKind, 0)),
            (Op::Call, abi::SLOT_REPLY, 1, error(ErrorCode::WrongKind, 0)),
            (Op::Call, a, 65, error(ErrorCode::TooManyWords, 8)),
            (Op::Call, a, 127, error(ErrorCode::TooManyWords, 8)),
            (Op::ReplyReceive, a, 0, error(ErrorCode::MissingRight, 0)),
            (Op::Poll, 0, 0, error(ErrorCode::SlotOutOfRange, 0)),
            (Op::Poll, 61, 0, error(ErrorCode::EmptySlot, 0)),
            (Op::Poll, 64, 0, error(ErrorCode::SlotOutOfRange, 0)),
            (Op::Poll, u32::MAX, 0, error(ErrorCode::SlotOutOfRange, 0)),
            (Op::Poll, a, 0, error(ErrorCode::WrongKind, 0)),
            (Op::Poll, abi::SLOT_REPLY, 0, error(ErrorCode::WrongKind, 0)),
        ];
        for (op, target, words, expected) in cases {
            for unused in UNUSED {
                let mut mine = registers(CLIENT, 0, input(op, words, 0, 5), Slots::new(target, abi::SLOT_REPLY));
                mine[8] |= unused;
                self.wrong.refused(&mine, expected, "another refusal");
            }
        }
        // A reference without the right, and operations that do not exist.
        self.attenuated(a, Rights::GRANT, Op::Call);
        self.attenuated(NOTIFICATION.slot(), Rights::SIGNAL, Op::Poll);
        for number in [6, 7, 11, 15, 99, 255] {
            let mine = registers(CLIENT, 0, InWord::new(number, 0, 0, 0), Slots::new(a, 0));
            self.wrong.refused(&mine, error(ErrorCode::InvalidOperation, number), "another refusal");
        }
        self.call(self.a, method::REFUSED, 3, 5, 0);
        self.call(self.b, method::REFUSED, 0, 5, 0);
    }

    fn attenuated(&mut self, from: u32, rights: Rights, op: Op) {
        let Ok(slot) = alloc_slot() else { return self.wrong.unless(false, "no slot", [0; 3]) };
        let copied = TABLE.copy(slot, TABLE, from, rights, abi::Badge(0));
        self.wrong.unless(copied.is_ok(), "no copy", [from.into(), 0, 0]);
        for unused in UNUSED {
            let mut mine = registers(CLIENT, 0, input(op, 2, 0, 5), Slots::new(slot, 0));
            mine[8] |= unused;
            self.wrong.refused(&mine, error(ErrorCode::MissingRight, 0), "a right too many");
        }
    }

    fn polls(&mut self) {
        // Bits of the start.
        let _ = NOTIFICATION.poll();
        for round in 0..64u64 {
            let signalled = 1 << round;
            self.wrong.unless(NOTIFICATION.signal(signalled).is_ok(), "no signal", [0; 3]);
            for expected in [signalled, 0] {
                let input = input(Op::Poll, (round % 9) as u8, 0, round as u32);
                let slots = Slots::new(NOTIFICATION.slot(), round as u32);
                let mut mine = registers(CLIENT, round as u32, input, slots);
                mine[8] |= UNUSED[round as usize % 4];
                let after = svc(&mine);
                self.wrong.kept(&mine, &after, 0xffff);
                self.wrong.unless(after[0] == expected, "other bits", [round, after[0], expected]);
                self.wrong.unless(after[1..8] == mine[1..8], "poll changed words", [round, after[1], mine[1]]);
                self.wrong.unless((after[8], after[9]) == (0, 0), "poll failed", [round, after[8], after[9]]);
            }
        }
    }

    fn capabilities(&mut self) {
        for round in 0..8 {
            let message = Message::new(method::CAP | round << 8, []).with_caps(&[NOTIFICATION.slot()]);
            let answer = self.a.call(&message);
            let expected = Message::new(method::CAP | round << 8, [pattern(SERVER, round, 0)]);
            self.wrong.unless(answer == Ok(expected), "a call with a capability", [round.into(), 0, 0]);
            self.wrong.unless(NOTIFICATION.poll() == Ok(0x40), "the capability did not arrive", [0; 3]);
            self.exchange(self.a, 4, 0);
        }
    }

    /// Bits that wait end the server's reply-and-receive; the answer is given nevertheless.
    fn notified(&mut self) {
        for server in [self.a, self.b] {
            self.call(server, method::NOTIFY, 8, 8, 0);
            let report = self.call(server, method::REPORT, 2, 8, 0);
            self.wrong.unless(report[2] & bits::COUNT != 0, "bits were not seen", [report[2], 0, 0]);
        }
    }

    /// The Notification of a server.
    fn given(&mut self, server: Cap<Endpoint>) -> Option<Cap<Notification>> {
        let slot = alloc_slot().ok()?;
        rt::set_window(slot, 1);
        let answer = server.call(&Message::new(method::GIVE, []));
        rt::set_window(0, 0);
        let good = answer.is_ok_and(|answer| (answer.words, answer.caps) == (2, 1));
        self.wrong.unless(good, "no capability came back", [slot.into(), 0, 0]);
        good.then(|| Cap::from_slot(slot))
    }

    fn closed(&mut self, notification: Cap<Notification>) {
        self.call(self.a, method::CLOSE, 1, 0, 0);
        let closed = OutWord::error(SyscallError::new(ErrorCode::Closed, 0), 77);
        for unused in UNUSED {
            let mut mine = registers(CLIENT, 0, input(Op::Call, 8, 0, 1), Slots::new(self.a.slot(), 0));
            mine[8] |= unused;
            self.wrong.refused(&mine, closed, "a closed endpoint");
        }
        self.wrong.unless(notification.signal(bits::OPEN).is_ok(), "no signal", [0; 3]);
        self.wait_for(|client| client.a.call(&Message::new(method::DEFERRED, [])).is_ok());
        self.exchange(self.a, 8, 0);
    }

    /// A thread that is ready and more urgent than the partner runs before it.
    fn urgent(&mut self, notification: Cap<Notification>) {
        for round in 0..16 {
            self.wrong.unless(notification.signal(bits::COUNT).is_ok(), "no signal", [0; 3]);
            let first = self.call(self.a, method::REPORT, round % 9, 8, 0)[3];
            let noticed = self.call(self.b, method::REPORT, 0, 8, 0)[1];
            self.wrong.unless(noticed < first, "the less urgent ran first", [round.into(), noticed, first]);
        }
    }

    /// The first server calls the second, which answers it after others.
    fn deferred(&mut self, notification: Cap<Notification>) {
        for _ in 0..8 {
            self.wrong.unless(notification.signal(bits::DEFER).is_ok(), "no signal", [0; 3]);
            self.wait_for(|client| client.call(client.b, method::DEFERRED, 0, 8, 0)[0] == 1);
            self.exchange(self.b, 3, 0);
            self.call(self.b, method::RELEASE, 4, 0, 0);
            let report = self.call(self.a, method::REPORT, 0, 8, 0);
            self.wrong.unless(report[4] == 1, "the deferred call", [report[4], 0, 0]);
        }
    }

    fn wait_for(&mut self, done: impl Fn(&mut Self) -> bool) {
        let done = (0..100).any(|_| {
            // The servers are less urgent than this: they do what is asked of them when this waits.
            let slept = self.timer.arm(now_ticks() + ticks_per_second() / 1000, NOTIFICATION, 1);
            slept.is_ok() && NOTIFICATION.wait().is_ok() && done(self)
        });
        self.wrong.unless(done, "it does not happen", [0; 3]);
    }

    fn death(&mut self) {
        self.exchange(self.mortal, 8, 0);
        let mine = registers(CLIENT, 0, input(Op::Call, 0, 0, method::DIE), Slots::new(self.mortal.slot(), 0));
        self.wrong.refused(&mine, error(ErrorCode::PeerGone, MAY_HAVE_ACTED), "a death");
        // An endpoint of our own that dies while nobody waits is an empty slot.
        let made = alloc_slot().map(|slot| {
            let made = MEMORY.retype(Kind::Endpoint, Retype::default(), TABLE, slot);
            (slot, made.and_then(|()| TABLE.delete(slot)).is_ok())
        });
        let Ok((slot, true)) = made else { return self.wrong.unless(false, "no endpoint", [0; 3]) };
        let mine = registers(CLIENT, 0, input(Op::Call, 0, 0, 1), Slots::new(slot, 0));
        self.wrong.refused(&mine, error(ErrorCode::EmptySlot, 0), "a deleted endpoint");
    }
}
