//! Takes a step with every call, and keeps its numbers while it waits for the next.
#![cfg_attr(target_os = "none", no_std, no_main)]

use fpu_programs::{Orbits, SERVER};
use rt::{Cap, Endpoint, Env, Message, REPLY, Received};

rt::entry!(run);

fn run(env: &'static Env) {
    match env.cap::<Endpoint>("provide:fpu-server") {
        Ok(endpoint) => log::error!("fpu broken: the server ends: {}", serve(endpoint)),
        Err(missing) => log::error!("fpu broken: {missing}"),
    }
}

fn serve(endpoint: Cap<Endpoint>) -> rt::SyscallError {
    let (mut orbits, mut steps) = (Orbits::new(SERVER), 0);
    let mut received = endpoint.receive(REPLY);
    loop {
        received = match received {
            Ok(Received::Call { message, .. }) => {
                orbits.step();
                steps += 1;
                endpoint.reply_receive(REPLY, &Message::new(0, [steps, orbits.sum(), message.word(0)]))
            }
            Ok(Received::Notified(_)) => endpoint.receive(REPLY),
            Err(error) => return error,
        };
    }
}
