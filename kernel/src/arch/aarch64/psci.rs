//! Calls to the firmware: PSCI and SMCCC (ARM DEN0022, DEN0028).

use core::arch::asm;

use tree::Conduit;

/// Calls a function of the firmware.
pub fn call(conduit: Conduit, function: u64, args: [u64; 3]) -> u64 {
    let mut result = function;
    // SAFETY: SMCCC: x0–x17 may change, everything else is preserved; the functions called here touch no memory of ours.
    unsafe {
        match conduit {
            Conduit::Hvc => asm!("hvc #0", inout("x0") result, inout("x1") args[0] => _, inout("x2") args[1] => _,
                inout("x3") args[2] => _, clobber_abi("C"), options(nostack)),
            Conduit::Smc => asm!("smc #0", inout("x0") result, inout("x1") args[0] => _, inout("x2") args[1] => _,
                inout("x3") args[2] => _, clobber_abi("C"), options(nostack)),
        }
    }
    result
}

/// Stops this core for ever.
pub fn halt() -> ! {
    loop {
        aarch64_cpu::asm::wfi();
    }
}
