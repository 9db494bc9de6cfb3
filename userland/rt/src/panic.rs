//! How a component ends: a line to the log service, then a fault that its supervisor sees. init has neither: its line
//! goes to the kernel's console, and the machine is switched off.

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
    match crate::env().map(|env| env.start_info().component) {
        Some(0) => last_words(&mut line),
        _ => line.send(log::Level::Error as u64),
    }
    end::<BRK_PANIC>()
}

/// init's own end: nobody serves it, nobody starts it again.
#[cfg(target_os = "none")]
fn last_words(line: &mut crate::logger::Line) {
    /// PSCI SYSTEM_OFF (ARM DEN0022, 5.1.9).
    const SYSTEM_OFF: u32 = 0x8400_0008;
    let console = crate::Cap::<crate::KernelConsole>::from_slot(abi::SLOT_CONSOLE);
    console.write(b"\ninit: ");
    console.write(line.printable());
    console.write(b"; the system ends\n");
    // Where the machine cannot be switched off the fault that follows tells the kernel.
    let _ = crate::Cap::<crate::Smc>::from_slot(abi::SLOT_SMC).call_function(SYSTEM_OFF, []);
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
