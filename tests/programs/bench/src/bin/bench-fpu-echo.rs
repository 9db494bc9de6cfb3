//! Answers every call with its own words, and computes before.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::hint::black_box;

use rt::{Cap, Endpoint, Env, REPLY, Received, SyscallError};

rt::entry!(run);

fn run(env: &'static Env) {
    match env.cap::<Endpoint>("provide:bench-fpu-echo") {
        Ok(endpoint) => log::error!("bench-fpu-echo: {}", serve(endpoint)),
        Err(missing) => log::error!("{missing}"),
    }
}

fn serve(endpoint: Cap<Endpoint>) -> SyscallError {
    let mut sum = 1.0f64;
    let mut received = endpoint.receive(REPLY);
    loop {
        received = match received {
            Ok(Received::Call { message, .. }) => {
                sum = black_box(sum * 1.5);
                endpoint.reply_receive(REPLY, &message)
            }
            Ok(Received::Notified(_)) => endpoint.receive(REPLY),
            Err(error) => return error,
        };
    }
}
