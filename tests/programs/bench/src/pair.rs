//! How many round trips a client and its server make in a given time.

use alloc::format;
use alloc::string::String;

use rt::{Cap, Endpoint, Message, now_ticks};

/// Method of bench-pair: run until the counter shows w0. The answer comes at once.
pub const START: u32 = 1;
/// Method of bench-pair: w0 out = round trips of the last run. The answer comes when that has ended.
pub const COUNT: u32 = 2;

/// Round trips between two looks at the counter.
const CHUNK: u64 = 64;

/// Calls `echo` until the counter shows `deadline`, and counts.
///
/// # Errors
/// The call's.
pub fn run(echo: Cap<Endpoint>, deadline: u64) -> Result<u64, String> {
    let message = Message::new(1, [1, 2, 3, 4]);
    let mut count = 0;
    while now_ticks() < deadline {
        for _ in 0..CHUNK {
            echo.call(&message).map_err(|error| format!("echo: {error:?}"))?;
        }
        count += CHUNK;
    }
    Ok(count)
}
