//! Answers with capabilities where its protocol has none.
#![cfg_attr(target_os = "none", no_std, no_main)]

use rt::{Cap, Endpoint, Env, Message, Missing, NOTIFICATION, REPLY, Received};
use trespass::liar::LIAR;

rt::entry!(run);

fn run(env: &'static Env) -> Result<(), Missing> {
    let endpoint: Cap<Endpoint> = env.cap("provide:liar")?;
    let mut next = endpoint.receive(REPLY);
    while let Ok(received) = next {
        next = match received {
            Received::Call { message, .. } => endpoint.reply_receive(REPLY, &answer(&message)),
            Received::Notified(_) => endpoint.receive(REPLY),
        };
    }
    Ok(())
}

fn answer(message: &Message) -> Message {
    if message.label == LIAR.label(3) {
        return Message::new(0, []).with_caps(&caps::<1>());
    }
    // A number, or bytes of none.
    match message.regs[0] {
        0 => Message::new(0, [0]).with_caps(&caps::<1>()),
        1 => Message::new(0, [0]).with_caps(&caps::<4>()),
        2 => Message::new(1, []).with_caps(&caps::<4>()),
        3 => Message::new(77, [0]).with_caps(&caps::<4>()),
        4 => Message::new(0, []).with_caps(&caps::<3>()),
        _ => {
            let mut long = Message::new(0, [0; 8]);
            long.push(0);
            long.with_caps(&caps::<4>())
        }
    }
}

/// The same one several times.
fn caps<const N: usize>() -> [u32; N] {
    [NOTIFICATION.slot(); N]
}
