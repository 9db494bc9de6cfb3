//! The other half of a round trip.

use rt::{Badge, Endpoint, Env, Message, REPLY, Serve, Words};

/// Answers with what it got.
struct Echo;

impl Serve for Echo {
    #[inline(always)]
    fn call(&mut self, _: Badge, message: Words) -> Words {
        message
    }

    fn long_call(&mut self, _: Badge, message: &Message, _: bool) -> Message {
        Message { caps: 0, ..*message }
    }

    fn notified(&mut self, _: u64) {}
}

/// Answers every call on the endpoint of this name with the call's own words.
pub fn run(env: &Env, provided: &'static str) {
    match env.cap::<Endpoint>(provided) {
        Ok(endpoint) => log::error!("{provided}: {}", endpoint.serve(REPLY, &mut Echo)),
        Err(missing) => log::error!("{missing}"),
    }
}
