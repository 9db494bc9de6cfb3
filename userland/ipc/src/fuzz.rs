//! Whatever words arrive, in a request or in an answer: they are decoded or refused, and nothing panics.

use rt::Message;

use crate::{Loopback, block, file, log, serial, supervisor};

/// xorshift64*: the same messages in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Mostly small numbers, so that decoding gets beyond the first check; sometimes any number.
    fn word(&mut self) -> u64 {
        let word = self.next();
        match word % 5 {
            0 => self.next(),
            1 => u64::MAX - self.next() % 4,
            2 => self.next() % 8,
            _ => self.next() % 600,
        }
    }

    fn message(&mut self) -> Message {
        let mut message = Message::new((self.next() % 10) as u32, []);
        for _ in 0..self.next() % 65 {
            message.push(self.word());
        }
        message.caps = (self.next() % 8) as u8;
        message
    }
}

#[test]
fn any_request_is_decoded_or_refused() {
    let mut random = Random(0x7074_7469);
    for _ in 0..200_000 {
        let message = random.message();
        let _ = serial::Request::decode(&message);
        let _ = block::Request::decode(&message);
        let _ = file::Request::decode(&message);
        let _ = log::Request::decode(&message);
        let _ = supervisor::Request::decode(&message);
    }
}

#[test]
fn any_answer_is_decoded_or_refused() {
    let random = core::cell::RefCell::new(Random(0x6970_6321));
    for _ in 0..50_000 {
        let server = Loopback(|_: &Message| {
            let mut answer = random.borrow_mut().message();
            answer.label %= 3;
            answer
        });
        let _ = serial::Serial(&server).read(600);
        let _ = serial::Serial(&server).write(b"abc");
        let _ = block::Block(&server).info();
        let _ = file::Files(&server).open("/a");
        let _ = file::Files(&server).entry(0, 0);
        let _ = file::Files(&server).volume();
        let _ = log::Log(&server).read(0);
        let _ = supervisor::Supervisor(&server).list(0);
        let _ = supervisor::Supervisor(&server).caps(0, 0);
    }
}
