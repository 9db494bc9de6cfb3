//! The clock: the architected counter, readable without a system call.

use crate::env::env;

/// CNTVCT_EL0 now.
#[cfg(target_os = "none")]
#[inline(always)]
pub fn now_ticks() -> u64 {
    let ticks;
    // SAFETY: reads a counter; the barrier keeps the read in program order.
    unsafe { core::arch::asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack)) };
    ticks
}

/// On the host time stands still.
#[cfg(not(target_os = "none"))]
pub fn now_ticks() -> u64 {
    0
}

/// Nanoseconds since the counter's zero; the conversion is StartInfo's, never CNTFRQ's.
pub fn now_nanoseconds() -> u64 {
    env().map_or(0, |env| env.start_info().nanoseconds(now_ticks()))
}

/// Ticks of a second, rounded.
pub fn ticks_per_second() -> u64 {
    env().map_or(1, |env| {
        let info = env.start_info();
        let numerator = 1_000_000_000u128 << info.tick_shift.min(63);
        u64::try_from(numerator / u128::from(info.tick_mul.max(1))).unwrap_or(u64::MAX)
    })
}
