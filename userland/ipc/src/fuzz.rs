//! Random messages, for the tests that `#[ipc::protocol]` makes: whatever words arrive, they are decoded or refused.

use rt::{Badge, Message};

use crate::server::{Dispatch, answer};
use crate::wire::Wire;
use crate::{Incoming, common};

const ROUNDS: usize = 20_000;
/// The same messages in every run.
const SEED: u64 = 0x7074_7469;

/// xorshift64*.
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

    fn message(&mut self, label: u32) -> Message {
        let mut message = Message::new(label, []);
        let words = if self.next().is_multiple_of(2) { self.next() % 9 } else { self.next() % 65 };
        (0..words).for_each(|_| message.push(self.word()));
        (0..self.next() % 5).for_each(|slot| message.push_cap(slot as u32 + 100));
        message
    }
}

/// Throws messages at a server: of its methods, of methods that it has not, of other versions.
///
/// # Panics
/// It does not refuse what it must.
pub fn requests<D: Dispatch>(server: &mut D) {
    let mut random = Random(SEED);
    let (version, last) = (D::PROTOCOL.version, D::PROTOCOL.last_method());
    for _ in 0..ROUNDS {
        let version = if random.next().is_multiple_of(8) { random.next() as u16 } else { version };
        let method = random.next() % (u64::from(last) + 3);
        let label = u32::from(version) << 16 | method as u32;
        let message = random.message(label);
        let status = answer(server, Badge::new(1, 1, 0), &message).label;
        let known = D::PROTOCOL.methods.iter().any(|it| u64::from(it.number) == method);
        match (method, version == D::PROTOCOL.version) {
            (0, _) if label != 0 => assert_eq!(status, 0, "version {version}: says what it serves"),
            (_, false) => assert_eq!(status, common::WRONG_VERSION),
            (_, true) if !known => assert_eq!(status, common::UNKNOWN_METHOD),
            _ => assert_ne!(status, 0, "a server that refuses everything"),
        }
    }
}

/// Takes results out of random answers.
pub fn answers<T: Wire>() {
    let mut random = Random(SEED);
    for _ in 0..ROUNDS {
        let answer = random.message(0);
        let mut from = Incoming::message(&answer);
        // What is decoded does not matter here: that nothing panics does.
        let _ = T::take(&mut from);
        from.end();
    }
}
