//! The early console: polled output to the UART that `/chosen/stdout-path` names.

use spin::Mutex;

use super::mmio::Registers;

/// How a kind of UART sends a byte.
struct Uart {
    compatible: &'static str,
    send: fn(Registers, u8),
}

/// The table; a later board adds its line.
static UARTS: [Uart; 1] = [Uart { compatible: "arm,pl011", send: pl011 }];

static EARLY: Mutex<Option<(Registers, &'static Uart)>> = Mutex::new(None);

/// Bytes of registers that are mapped for it.
pub const BYTES: u64 = 4096;

/// PL011 (ARM DDI 0183): UARTDR, UARTFR.TXFF. A UART that never drains does not hang the kernel.
fn pl011(registers: Registers, byte: u8) {
    const DATA: usize = 0x00;
    const FLAGS: usize = 0x18;
    const FULL: u32 = 1 << 5;
    for _ in 0..1_000_000 {
        if registers.read(FLAGS) & FULL == 0 {
            break;
        }
    }
    registers.write(DATA, byte.into());
}

/// Whether a UART of this kind can be the early console.
pub fn knows(compatible: &str) -> bool {
    UARTS.iter().any(|uart| uart.compatible == compatible)
}

/// All kinds that can be.
pub fn names() -> impl Iterator<Item = &'static str> {
    UARTS.iter().map(|uart| uart.compatible)
}

/// Chooses the UART, whose registers are mapped.
pub fn set_early(compatible: &str, registers: Registers) {
    *EARLY.lock() = UARTS.iter().find(|uart| uart.compatible == compatible).map(|uart| (registers, uart));
}

/// Prints bytes; a line feed becomes carriage return and line feed.
pub fn early_print(bytes: &[u8]) {
    // A crash while printing must still be able to print.
    let guard = EARLY.try_lock();
    let Some((registers, uart)) = guard.as_ref().and_then(|early| early.as_ref()) else { return };
    for &byte in bytes {
        if byte == b'\n' {
            (uart.send)(*registers, b'\r');
        }
        (uart.send)(*registers, byte);
    }
}
