//! UART of the i.MX family (NXP, i.MX 8M Dual/8M QuadLite/8M Quad Applications Processors Reference Manual, UARTx_UTXD,
//! UARTx_UTS).

use super::{Uart, ready};
use crate::port::wait;
use crate::{Layout, Port};

const TRANSMIT: usize = 0x40;
const TEST: usize = 0xb4;
const FULL: u32 = 1 << 4;

pub(super) const UART: Uart = Uart {
    compatible: &["fsl,imx6q-uart", "fsl,imx8mq-uart", "fsl,imx8mm-uart", "fsl,imx21-uart"],
    name: "i.MX UART",
    start: ready,
    send,
};

fn send(port: &dyn Port, _: Layout, byte: u8) {
    wait(|| port.read(TEST) & FULL == 0);
    port.write(TRANSMIT, byte.into());
}
