//! 16550 and what is programmed alike (TI PC16550D data sheet, 8.0: THR, LSR.THRE), as in DesignWare's APB UART.

use super::{Uart, ready};
use crate::port::wait;
use crate::{Layout, Port};

const HOLDING: usize = 0;
const LINE_STATUS: usize = 5;
const EMPTY: u32 = 1 << 5;

pub(super) const UART: Uart = Uart {
    compatible: &[
        "snps,dw-apb-uart",
        "ns16550a",
        "ns16550",
        "mediatek,mt6577-uart",
        "nvidia,tegra20-uart",
        "brcm,bcm7271-uart",
        "ti,am654-uart",
    ],
    name: "16550",
    start: ready,
    send,
};

fn send(port: &dyn Port, layout: Layout, byte: u8) {
    wait(|| layout.read(port, LINE_STATUS) & EMPTY != 0);
    layout.write(port, HOLDING, byte);
}
