//! Waits on the kernel's clock, as a driver of a chip does between two accesses.
#![cfg_attr(target_os = "none", no_std, no_main)]

use embedded_hal::delay::DelayNs;
use kit::time::{Delay, Kernel};
use rt::{Cap, SchedContext, now_nanoseconds, now_ticks, ticks_per_second};

rt::entry!(run);

/// The own time.
const TIME: Cap<SchedContext> = Cap::from_slot(abi::SLOT_SCHED);

fn run(_: &'static rt::Env) {
    kit_programs::report(
        "delay",
        &[
            ("a delay is as long as it says, and not much longer", &lengths),
            ("a long one leaves the core to others", &sleeps),
        ],
    );
}

fn lengths() -> Option<bool> {
    let mut delay = Delay(Kernel::open().ok()?);
    let fine = [0, 100, 4_000, 6_000, 50_000, 3_000_000, 20_000_000].into_iter().all(|nanoseconds| {
        let start = now_nanoseconds();
        delay.delay_ns(nanoseconds);
        let took = now_nanoseconds() - start;
        // A host that is busy makes any wait longer.
        (u64::from(nanoseconds)..u64::from(nanoseconds) + 500_000_000).contains(&took)
    });
    Some(fine)
}

fn sleeps() -> Option<bool> {
    let mut delay = Delay(Kernel::open().ok()?);
    let (start, before) = (now_ticks(), TIME.consumed().ok()?);
    delay.delay_ms(100);
    let (passed, used) = (now_ticks() - start, TIME.consumed().ok()? - before);
    Some(passed >= ticks_per_second() / 10 && used < passed / 2)
}
