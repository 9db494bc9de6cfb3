//! The bystander: memory and messages of its own, which nobody else may touch.

use abi::Kind;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rt::{Cap, Endpoint, Env, Message, NOTIFICATION, REPLY, Received, Retype, SharedBuffer, TABLE, Timer};

use crate::system::ticks;

/// What its answers are mixed with.
pub const KEY: u64 = 0x7e57_1e55_0b5e_55ed;
/// Pages of its Frame.
const PAGES: u64 = 16;
/// Words on its heap.
const WORDS: usize = 4096;

/// The word that belongs at a place.
fn word(seed: u64, place: usize) -> u64 {
    (seed ^ place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.rotate_left(17)
}

struct Memory {
    frame: SharedBuffer,
    heap: Vec<u64>,
    seed: u64,
}

impl Memory {
    fn new() -> Result<Self, String> {
        let frame = SharedBuffer::new(PAGES).map_err(|error| format!("{error:?}"))?;
        let mut memory = Self { frame, heap: alloc::vec![0; WORDS], seed: 0 };
        memory.renew();
        Ok(memory)
    }

    /// Another pattern.
    fn renew(&mut self) {
        self.seed = self.seed.wrapping_add(0x1234_5678_9abc_def1);
        for place in 0..self.frame.len() / 8 {
            let _ = self.frame.write(place * 8, &word(self.seed, place).to_le_bytes());
        }
        for (place, at) in self.heap.iter_mut().enumerate() {
            *at = word(self.seed, !place);
        }
    }

    /// How many words are not what they were.
    fn wrong(&self) -> usize {
        let mut bytes = [0; 8];
        let frame = (0..self.frame.len() / 8).filter(|&place| {
            self.frame.read(place * 8, &mut bytes).is_err() || u64::from_le_bytes(bytes) != word(self.seed, place)
        });
        let heap = self.heap.iter().enumerate().filter(|&(place, &at)| at != word(self.seed, !place));
        frame.count() + heap.count()
    }
}

/// Looks at its memory again and again, and answers who asks: number of looks, words that were wrong.
pub fn run(env: &Env) {
    if let Err(why) = serve(env) {
        log::error!("fuzz broken: bystander: {why}");
    }
}

fn serve(env: &Env) -> Result<(), String> {
    let endpoint = env.cap::<Endpoint>("provide:fuzz-witness").map_err(|missing| format!("{missing}"))?;
    let timer = rt::alloc_slot().map_err(|_| "no slot")?;
    rt::MEMORY.retype(Kind::Timer, Retype::default(), TABLE, timer).map_err(|error| format!("{error}"))?;
    let timer = Cap::<Timer>::from_slot(timer);
    let mut memory = Memory::new()?;
    let (mut looks, mut wrong) = (0, 0);
    let mut answer = None;
    loop {
        timer.arm(rt::now_ticks() + ticks(3000), NOTIFICATION, 1).map_err(|error| format!("{error}"))?;
        let received = match answer.take() {
            None => endpoint.receive(REPLY),
            Some(answer) => endpoint.reply_receive(REPLY, &answer),
        };
        let found = memory.wrong() as u64;
        if found > 0 && wrong == 0 {
            log::error!("fuzz broken: {found} words of the bystander's memory changed");
        }
        wrong += found;
        looks += 1;
        memory.renew();
        match received.map_err(|error| format!("receive: {error}"))? {
            Received::Notified(1) => {}
            Received::Notified(bits) => return Err(format!("bits {bits:#x} that nobody signals")),
            Received::Call { message, .. } => {
                answer = Some(Message::new(0, [message.regs[0] ^ KEY, looks, wrong]));
            }
        }
    }
}
