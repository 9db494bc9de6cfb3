//! UARTDM of older Qualcomm chips (registers as in Linux, drivers/tty/serial/msm_serial.c): how many bytes come is said before the
//! byte is written.

use super::{Uart, ready};
use crate::port::wait;
use crate::{Layout, Port};

const STATUS: usize = 0x08;
const TX_EMPTY: u32 = 1 << 3;
const TX_READY: u32 = 1 << 2;
const COMMAND: usize = 0x10;
const RESET_TX_READY: u32 = 3 << 8;
const INTERRUPTS: usize = 0x14;
const TX_READY_INTERRUPT: u32 = 1 << 7;
/// How many bytes the next transfer has.
const COUNT: usize = 0x40;
const FIFO: usize = 0x70;

pub(super) const UART: Uart = Uart {
    compatible: &["qcom,msm-uartdm", "qcom,msm-uartdm-v1.4", "qcom,msm-uartdm-v1.3"],
    name: "UARTDM",
    start: ready,
    send,
};

fn send(port: &dyn Port, _: Layout, byte: u8) {
    wait(|| port.read(STATUS) & TX_EMPTY != 0 || port.read(INTERRUPTS) & TX_READY_INTERRUPT != 0);
    port.write(COMMAND, RESET_TX_READY);
    port.write(COUNT, 1);
    // The count has arrived when it can be read.
    port.read(COUNT);
    wait(|| port.read(STATUS) & TX_READY != 0);
    port.write(FIFO, byte.into());
}
