//! How a component ends: a line to the log service, then a fault that its supervisor sees.

/// Immediate of the `brk` that ends a component after a panic.
pub const BRK_PANIC: u16 = 0x7a01;
/// Immediate of the `brk` that ends a component which returned from its entry function.
pub const BRK_EXIT: u16 = 0x7a00;

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    use core::fmt::Write;
    let mut line = crate::logger::Line::new();
    let _ = match info.location() {
        Some(place) => write!(line, "panicked at {}:{}: {}", place.file(), place.line(), info.message()),
        None => write!(line, "panicked: {}", info.message()),
    };
    line.send(log::Level::Error as u64);
    end::<BRK_PANIC>()
}

/// Ends the component in an orderly way: the supervisor sees that it left.
#[cfg(target_os = "none")]
pub(crate) fn exit() -> ! {
    end::<BRK_EXIT>()
}

#[cfg(target_os = "none")]
fn end<const CODE: u16>() -> ! {
    loop {
        // SAFETY: `brk` faults; the kernel hands the fault to the supervisor and the thread does not come back here
        // unless it is resumed, in which case it faults again.
        unsafe { core::arch::asm!("brk {}", const CODE) };
    }
}
