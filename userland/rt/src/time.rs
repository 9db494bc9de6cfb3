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

/// On the host time stands still until a test moves it: [`crate::task::fake::advance`]. A tick is a nanosecond there.
#[cfg(not(target_os = "none"))]
pub fn now_ticks() -> u64 {
    fake_ticks()
}

#[cfg(not(target_os = "none"))]
std::thread_local!(static FAKE: core::cell::Cell<u64> = const { core::cell::Cell::new(0) });

#[cfg(not(target_os = "none"))]
pub(crate) fn fake_ticks() -> u64 {
    FAKE.get()
}

#[cfg(not(target_os = "none"))]
pub(crate) fn set_fake_ticks(ticks: u64) {
    FAKE.set(ticks);
}

/// Nanoseconds since the counter's zero; the conversion is StartInfo's, never CNTFRQ's.
pub fn now_nanoseconds() -> u64 {
    env().map_or_else(now_ticks, |env| env.start_info().nanoseconds(now_ticks()))
}

/// Ticks of a second, rounded.
pub fn ticks_per_second() -> u64 {
    env().map_or(1_000_000_000, |env| {
        let info = env.start_info();
        let numerator = 1_000_000_000u128 << info.tick_shift.min(63);
        u64::try_from(numerator / u128::from(info.tick_mul.max(1))).unwrap_or(u64::MAX)
    })
}
