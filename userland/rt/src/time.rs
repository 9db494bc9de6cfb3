//! The clock: the architected counter, readable without a system call.

use crate::env::env;

#[cfg(target_os = "none")]
#[inline(always)]
fn counter() -> u64 {
    let ticks;
    // SAFETY: reads a counter; the barrier keeps the read in program order.
    unsafe { core::arch::asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack)) };
    ticks
}

/// CNTVCT_EL0 now. On a Cortex-A73 its upper half can be wrong in the moment in which the lower one wraps (erratum 858921):
/// close to that it is read twice, and the first value counts if the second is beyond the wrap.
#[cfg(target_os = "none")]
#[inline(always)]
pub fn now_ticks() -> u64 {
    let ticks = counter();
    if (ticks as u32).wrapping_add(8) >= 16 {
        return ticks;
    }
    let again = counter();
    if (ticks ^ again) >> 32 & 1 == 0 { again } else { ticks }
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
