//! The other half of a round trip.

use rt::{Cap, Endpoint, Env, REPLY, Received, SyscallError};

/// Answers every call on the endpoint of this name with the call's own words.
pub fn run(env: &Env, provided: &'static str) {
    match env.cap::<Endpoint>(provided) {
        Ok(endpoint) => log::error!("{provided}: {}", serve(endpoint)),
        Err(missing) => log::error!("{missing}"),
    }
}

fn serve(endpoint: Cap<Endpoint>) -> SyscallError {
    let mut received = endpoint.receive(REPLY);
    loop {
        received = match received {
            Ok(Received::Call { message, .. }) => endpoint.reply_receive(REPLY, &message),
            Ok(Received::Notified(_)) => endpoint.receive(REPLY),
            Err(error) => return error,
        };
    }
}
