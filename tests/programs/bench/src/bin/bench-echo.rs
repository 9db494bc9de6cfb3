//! Answers every call with its own words: the other half of a round trip.
#![cfg_attr(target_os = "none", no_std, no_main)]

use rt::{Cap, Endpoint, Env, REPLY, Received};

rt::entry!(run);

fn run(env: &'static Env) {
    match env.cap::<Endpoint>("provide:bench-echo") {
        Ok(endpoint) => log::error!("bench-echo: {}", serve(endpoint)),
        Err(missing) => log::error!("{missing}"),
    }
}

fn serve(endpoint: Cap<Endpoint>) -> rt::SyscallError {
    let mut received = endpoint.receive(REPLY);
    loop {
        received = match received {
            Ok(Received::Call { message, .. }) => endpoint.reply_receive(REPLY, &message),
            Ok(Received::Notified(_)) => endpoint.receive(REPLY),
            Err(error) => return error,
        };
    }
}
