//! System calls and messages.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::hint::black_box;

use bench_programs::echo::{EMPTY, ROOM};
use bench_programs::typed::TypedClient;
use bench_programs::{each, mark};
use rt::{CallError, Cap, Endpoint, Env, Message, NOTIFICATION, now_ticks, ticks_per_second};

use crate::{Line, measure, measure_loop, metric};

pub fn lines(env: &Env) -> Vec<Line> {
    let echo = match env.cap::<Endpoint>("use:bench-echo") {
        Ok(echo) => echo,
        Err(missing) => return alloc::vec![Err(format!("{missing}"))],
    };
    alloc::vec![
        syscall_null(),
        signal(),
        call_reply("ipc.call_reply_0w", echo, []),
        call_reply("ipc.call_reply_3w", echo, [1, 2, 3]),
        call_reply("ipc.call_reply_4w", echo, [1, 2, 3, 4]),
        call_reply("ipc.call_reply_8w", echo, [1, 2, 3, 4, 5, 6, 7, 8]),
        call_reply_live(echo),
        call_reply_long(echo),
        call_reply_cap(echo),
        typed_call(env),
    ]
}

/// A typed call with three integers, and its answer with three.
fn typed_call(env: &Env) -> Line {
    let typed = TypedClient::from_env(env).map_err(|missing| format!("{missing}"))?;
    measure_loop("ipc.typed_call", |rounds| {
        for _ in 0..rounds {
            match typed.three(1, 2, 3) {
                Ok((1, 2, 3)) => {}
                Ok(other) => return Err(mixed_up(other)),
                Err(error) => return Err(format!("bench-typed: {error}")),
            }
        }
        Ok(())
    })
}

/// Answered with other words.
#[cold]
fn mixed_up(words: (u64, u32, u64)) -> String {
    format!("bench-typed answered {words:?}")
}

/// Polls an idle notification.
fn syscall_null() -> Line {
    measure("syscall.null", || NOTIFICATION.poll().map(drop).map_err(|error| format!("poll: {error}")))
}

/// Signals a notification that nobody waits for.
fn signal() -> Line {
    let line = measure("notify.signal", || NOTIFICATION.signal(1).map_err(|error| format!("signal: {error}")));
    let _ = NOTIFICATION.poll();
    line
}

/// Answered with another number of words.
#[cold]
fn miscounted(words: u8) -> String {
    format!("bench-echo answered {words} words")
}

/// Not answered.
#[cold]
fn failed(error: CallError) -> String {
    format!("bench-echo: {error:?}")
}

/// A round trip to another address space and back.
fn call_reply<const N: usize>(name: &str, echo: Cap<Endpoint>, words: [u64; N]) -> Line {
    measure_loop(name, |rounds| {
        for _ in 0..rounds {
            match echo.call_words(1, words) {
                Ok(answer) if usize::from(answer.count()) == N => {}
                Ok(answer) => return Err(miscounted(answer.count())),
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    })
}

/// The same while the caller keeps eight values at hand: each goes along, and another comes back and changes it.
fn call_reply_live(echo: Cap<Endpoint>) -> Line {
    measure_loop("ipc.call_reply_8w_live", |rounds| {
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = black_box([0u64, 1, 2, 3, 4, 5, 6, 7]);
        for _ in 0..rounds {
            match echo.call_words(1, [a, b, c, d, e, f, g, h]) {
                Ok(answer) if answer.count() == 8 => {
                    let [i, j, k, l, m, n, o, p] = answer.all();
                    (a, b, c, d) = (a ^ p, b ^ o, c ^ n, d ^ m);
                    (e, f, g, h) = (e ^ l, f ^ k, g ^ j, h ^ i);
                }
                Ok(answer) => return Err(miscounted(answer.count())),
                Err(error) => return Err(failed(error)),
            }
        }
        black_box([a, b, c, d, e, f, g, h]);
        Ok(())
    })
}

/// A round trip of as many words as there can be.
fn call_reply_long(echo: Cap<Endpoint>) -> Line {
    let mut message = Message::new(1, [1, 2, 3, 4, 5, 6, 7, 8]);
    (9..=64).for_each(|word| message.push(word));
    measure("ipc.call_reply_64w", || match echo.call(&message) {
        Ok(answer) if answer.words == 64 => Ok(()),
        Ok(answer) => Err(miscounted(answer.words)),
        Err(error) => Err(failed(error)),
    })
}

/// A call with one capability, which the server keeps, and its answer without. The server's room is emptied now and then, which
/// is not counted.
fn call_reply_cap(echo: Cap<Endpoint>) -> Line {
    const NAME: &str = "ipc.call_reply_1cap";
    const TIMES: u64 = 16;
    let mut ticks = 0;
    empty(echo)?;
    for _ in 0..TIMES {
        let message = Message::new(1, []).with_caps(&[NOTIFICATION.slot()]);
        mark(NAME);
        let start = now_ticks();
        for _ in 0..ROOM {
            match echo.call(&message) {
                Ok(answer) if answer.words == 0 => {}
                Ok(answer) => return Err(miscounted(answer.words)),
                Err(error) => return Err(failed(error)),
            }
        }
        ticks += now_ticks() - start;
        mark(NAME);
        let came = empty(echo)?;
        if came != ROOM as u64 {
            return Err(format!("{NAME}: {came} of {ROOM} capabilities came"));
        }
    }
    metric(NAME, each(ticks, ticks_per_second(), TIMES * ROOM as u64))
}

/// How many capabilities the server has, which it deletes.
fn empty(echo: Cap<Endpoint>) -> Result<u64, String> {
    let mut message = Message::new(EMPTY, [0; 8]);
    message.push(0);
    echo.call(&message).map(|answer| answer.word(0)).map_err(failed)
}
