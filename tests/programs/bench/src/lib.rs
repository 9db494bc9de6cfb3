//! Counting instructions: under `-icount shift=0` one instruction takes one nanosecond of the machine's time.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod block;
pub mod echo;
pub mod handler;
pub mod pair;
pub mod report;
pub mod typed;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ipc::supervisor::SupervisorClient;
use rt::SUPERVISOR;

/// What bench-hello says before the nanoseconds since reset at which it began.
pub const FIRST_INSTRUCTION: &str = "first instruction at ";

/// The measured work of this metric begins here, and with the second call it ends. `cargo xtask bench --explain` finds
/// the function by its name and the metric in its arguments, so a call must stay a call.
#[inline(never)]
pub fn mark(metric: &str) {
    core::hint::black_box(metric);
}

/// CPU time of all components so far.
///
/// # Errors
/// The supervisor does not say it.
pub fn busy_ticks() -> Result<u64, String> {
    let supervisor = SupervisorClient(SUPERVISOR);
    let mut ticks = 0;
    for index in 0.. {
        match supervisor.list(index) {
            Ok(Some(component)) => ticks += component.ticks,
            Ok(None) => break,
            Err(error) => return Err(format!("supervisor: {error}")),
        }
    }
    Ok(ticks)
}

/// Nanoseconds, and so instructions, of a number of counter ticks.
pub fn instructions(ticks: u64, ticks_per_second: u64) -> u64 {
    let scaled = u128::from(ticks) * 1_000_000_000 / u128::from(ticks_per_second.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// Instructions of one of `rounds` rounds, rounded up.
pub fn each(ticks: u64, ticks_per_second: u64, rounds: u64) -> u64 {
    instructions(ticks, ticks_per_second).div_ceil(rounds.max(1))
}

/// The middle of some values; 0 when there are none.
pub fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_instructions() {
        assert_eq!(instructions(1000, 62_500_000), 16_000);
        assert_eq!(each(1000, 62_500_000, 100), 160);
        assert_eq!(each(1, 62_500_000, 1000), 1);
        assert_eq!(instructions(u64::MAX, 1), u64::MAX);
    }

    #[test]
    fn medians() {
        assert_eq!(median(alloc::vec![5, 1, 9]), 5);
        assert_eq!(median(Vec::new()), 0);
    }
}
