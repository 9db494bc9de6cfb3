//! Mini UART of the BCM2835 family (Broadcom, BCM2835 ARM Peripherals, 2.2.2: AUX_MU_IO_REG, AUX_MU_LSR_REG,
//! AUX_MU_CNTL_REG). The node's registers begin at AUX_MU_IO_REG.

use super::Uart;
use crate::port::wait;
use crate::{Layout, Port};

const IO: usize = 0x00;
const LINE_STATUS: usize = 0x14;
/// It takes at least one byte.
const READY: u32 = 1 << 5;
const CONTROL: usize = 0x20;
/// Receiver and transmitter on.
const ON: u32 = 1 << 0 | 1 << 1;

pub(super) const UART: Uart = Uart { compatible: &["brcm,bcm2835-aux-uart"], name: "mini UART", start, send };

fn start(port: &dyn Port) {
    port.write(CONTROL, ON);
}

fn send(port: &dyn Port, _: Layout, byte: u8) {
    wait(|| port.read(LINE_STATUS) & READY != 0);
    port.write(IO, byte.into());
}
