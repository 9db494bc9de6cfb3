//! System calls and messages.

use alloc::format;
use alloc::vec::Vec;

use rt::{Cap, Endpoint, Env, Message, NOTIFICATION};

use crate::{Line, measure};

pub fn lines(env: &Env) -> Vec<Line> {
    alloc::vec![syscall_null(), call_reply(env, 0), call_reply(env, 8)]
}

/// Polls an idle notification.
fn syscall_null() -> Line {
    measure("syscall.null", || NOTIFICATION.poll().map(drop).map_err(|error| format!("poll: {error}")))
}

/// A round trip to another address space and back.
fn call_reply(env: &Env, words: u8) -> Line {
    let echo: Cap<Endpoint> = env.cap("use:bench-echo").map_err(|missing| format!("{missing}"))?;
    let message = Message { words, ..Message::new(1, [1, 2, 3, 4, 5, 6, 7, 8]) };
    let name = if words == 0 { "ipc.call_reply_0w" } else { "ipc.call_reply_8w" };
    measure(name, || match echo.call(&message) {
        Ok(answer) if answer.words == words => Ok(()),
        Ok(answer) => Err(format!("bench-echo answered {} words", answer.words)),
        Err(error) => Err(format!("bench-echo: {error:?}")),
    })
}
