//! GENI serial engine as UART, of newer Qualcomm chips (registers as in Linux, include/linux/soc/qcom/geni-se.h and
//! drivers/tty/serial/qcom_geni_serial.c). The engine's firmware is the boot loader's. Each byte is a command of its own.

use super::Uart;
use crate::port::wait;
use crate::{Layout, Port};

const STATUS: usize = 0x40;
const ACTIVE: u32 = 1 << 0;
/// Words of a transfer: here a word is a byte.
const TRANSFER_LENGTH: usize = 0x270;
const COMMAND: usize = 0x600;
const START_TX: u32 = 1 << 27;
const INTERRUPTS: usize = 0x610;
const DONE: u32 = 1 << 0;
const WATERMARK: u32 = 1 << 30;
const CLEAR: usize = 0x618;
const FIFO: usize = 0x700;
const TX_WATERMARK: usize = 0x80c;

pub(super) const UART: Uart = Uart { compatible: &["qcom,geni-debug-uart"], name: "GENI UART", start, send };

/// It asks for more when so many words are left; with 0 it never would.
fn start(port: &dyn Port) {
    port.write(TX_WATERMARK, 2);
}

fn send(port: &dyn Port, _: Layout, byte: u8) {
    wait(|| port.read(STATUS) & ACTIVE == 0);
    port.write(CLEAR, DONE | WATERMARK);
    port.write(TRANSFER_LENGTH, 1);
    port.write(COMMAND, START_TX);
    wait(|| port.read(INTERRUPTS) & WATERMARK != 0);
    port.write(FIFO, byte.into());
    wait(|| port.read(INTERRUPTS) & DONE != 0);
    port.write(CLEAR, DONE | WATERMARK);
}
