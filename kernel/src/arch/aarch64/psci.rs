//! Calls to the firmware: PSCI and SMCCC (ARM DEN0022, DEN0028).

use core::arch::asm;

use tree::Conduit;

/// Calls a function of the firmware with up to three arguments.
pub fn call(conduit: Conduit, function: u64, args: [u64; 3]) -> u64 {
    call_with(conduit, [function, args[0], args[1], args[2], 0, 0, 0, 0])[0]
}

/// Calls a function of the firmware: x0 to x7 as they go in and come out.
pub fn call_with(conduit: Conduit, mut x: [u64; 8]) -> [u64; 8] {
    let [x0, x1, x2, x3, x4, x5, x6, x7] = &mut x;
    macro_rules! go {
        ($instruction:literal) => {
            // SAFETY: SMCCC: x0–x17 may change, everything else is preserved. Of the functions that reach memory the kernel calls
            // none, and no capability is made for those of the standard services; the others' owner answers for them.
            unsafe {
                asm!($instruction, inout("x0") *x0, inout("x1") *x1, inout("x2") *x2, inout("x3") *x3, inout("x4") *x4,
                    inout("x5") *x5, inout("x6") *x6, inout("x7") *x7, clobber_abi("C"), options(nostack))
            }
        };
    }
    match conduit {
        Conduit::Hvc => go!("hvc #0"),
        Conduit::Smc => go!("smc #0"),
    }
    x
}

/// The function that makes branch prediction forget on this core, where its firmware says that it has one and that this
/// core needs it: SMCCC_ARCH_WORKAROUND_3, else _1 (ARM DEN0028, 7.4 to 7.7); 0: none.
pub fn speculation_workaround(conduit: Conduit) -> u32 {
    const PSCI_VERSION: u64 = 0x8400_0000;
    const PSCI_FEATURES: u64 = 0x8400_000a;
    const VERSION: u64 = 0x8000_0000;
    const ARCH_FEATURES: u64 = 0x8000_0001;
    let ask = |function, of| call(conduit, function, [of, 0, 0]) as u32 as i32;
    // Only firmware that answers these four in turn may be asked the next.
    if ask(PSCI_VERSION, 0) < 0x1_0000 || ask(PSCI_FEATURES, VERSION) < 0 || ask(VERSION, 0) < 0x1_0001 {
        return 0;
    }
    [0x8000_3fff, 0x8000_8000].into_iter().find(|&function| ask(ARCH_FEATURES, function.into()) == 0).unwrap_or(0)
}

/// Switches this core off; where the firmware cannot, it sleeps for ever.
pub fn leave(conduit: Option<Conduit>) -> ! {
    const CPU_OFF: u64 = 0x8400_0002;
    if let Some(conduit) = conduit {
        call(conduit, CPU_OFF, [0; 3]);
    }
    halt()
}

/// Stops this core for ever.
pub fn halt() -> ! {
    loop {
        aarch64_cpu::asm::wfi();
    }
}
