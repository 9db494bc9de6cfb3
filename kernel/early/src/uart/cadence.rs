//! Cadence UART of Zynq and ZynqMP (AMD UG1087, module UART: Control, Channel_sts, TX_RX_FIFO0). It prints only with its
//! transmitter on, which nobody did where there was no boot loader.

use super::Uart;
use crate::port::wait;
use crate::{Layout, Port};

const CONTROL: usize = 0x00;
/// Receiver and transmitter on.
const ON: u32 = 1 << 2 | 1 << 4;
const TRANSMITS: u32 = 1 << 4;
const MODE: usize = 0x04;
/// Eight bits, no parity, one stop bit.
const PLAIN: u32 = 4 << 3;
const STATUS: usize = 0x2c;
const FULL: u32 = 1 << 4;
const FIFO: usize = 0x30;

pub(super) const UART: Uart =
    Uart { compatible: &["cdns,uart-r1p12", "cdns,uart-r1p8", "xlnx,xuartps"], name: "Cadence UART", start, send };

fn start(port: &dyn Port) {
    if port.read(CONTROL) & TRANSMITS == 0 {
        port.write(MODE, PLAIN);
        port.write(CONTROL, ON);
    }
}

fn send(port: &dyn Port, _: Layout, byte: u8) {
    wait(|| port.read(STATUS) & FULL == 0);
    port.write(FIFO, byte.into());
}
