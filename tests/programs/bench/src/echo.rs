//! The other half of a round trip.

use alloc::vec::Vec;

use rt::{Badge, Endpoint, Env, Message, REPLY, Serve, TABLE, Words, alloc_slot, set_window};

/// Label of a message of more than eight words: the capabilities that came are deleted, and the answer says how many.
pub const EMPTY: u32 = 2;

/// How many capabilities may come before they are deleted.
pub const ROOM: usize = 32;

/// Answers with what it got, but for capabilities, which it keeps.
#[derive(Default)]
struct Echo {
    /// Where capabilities go, one after the other.
    slots: Vec<u32>,
    /// How many came.
    came: usize,
}

impl Echo {
    fn new() -> Self {
        Self { slots: (0..ROOM).map_while(|_| alloc_slot().ok()).collect(), came: 0 }
    }

    /// The next capability goes into the next slot.
    fn open_window(&self) {
        match self.slots.get(self.came) {
            Some(&slot) => set_window(slot, 1),
            None => set_window(0, 0),
        }
    }

    /// Says how many came.
    #[cold]
    fn empty(&mut self) -> u64 {
        for &slot in self.slots.iter().take(self.came) {
            if let Err(error) = TABLE.delete(slot) {
                log::error!("slot {slot}: {error}");
            }
        }
        let came = core::mem::take(&mut self.came);
        self.open_window();
        came as u64
    }
}

impl Serve for Echo {
    #[inline(always)]
    fn call(&mut self, _: Badge, message: Words) -> Result<Words, Words> {
        Ok(message)
    }

    fn long_call(&mut self, _: Badge, message: &mut Message, _: bool) {
        if message.caps > 0 {
            self.came += usize::from(message.caps);
            self.open_window();
            message.caps = 0;
        } else if message.label == EMPTY {
            message.regs[0] = self.empty();
        }
    }

    fn notified(&mut self, _: u64) {}
}

/// Answers every call on the endpoint of this name with the call's own words.
pub fn run(env: &Env, provided: &'static str) {
    let mut echo = Echo::new();
    match env.cap::<Endpoint>(provided) {
        Ok(endpoint) => log::error!("{provided}: {}", endpoint.serve(REPLY, &mut echo)),
        Err(missing) => log::error!("{missing}"),
    }
}
