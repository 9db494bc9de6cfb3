//! A client that makes round trips to bench-far until it is told to stop, and says how many.
#![cfg_attr(target_os = "none", no_std, no_main)]

use bench_programs::pair::{self, START};
use rt::{Cap, Endpoint, Env, Message, REPLY, Received};

rt::entry!(run);

fn run(env: &'static Env) {
    match (env.cap::<Endpoint>("provide:bench-pair"), env.cap::<Endpoint>("use:bench-far")) {
        (Ok(endpoint), Ok(far)) => serve(endpoint, far),
        (Err(missing), _) | (_, Err(missing)) => log::error!("{missing}"),
    }
}

fn serve(endpoint: Cap<Endpoint>, far: Cap<Endpoint>) {
    let mut count = 0;
    loop {
        let message = match endpoint.receive(REPLY) {
            Ok(Received::Call { message, .. }) => message,
            Ok(Received::Notified(_)) => continue,
            Err(error) => return log::error!("bench-pair: {error}"),
        };
        if let Err(error) = REPLY.reply(&Message::new(0, [count])) {
            log::warn!("bench-pair: {error}");
        }
        if message.label == START {
            count = pair::run(far, message.word(0)).unwrap_or_else(|error| {
                log::error!("bench-pair: {error}");
                0
            });
        }
    }
}
