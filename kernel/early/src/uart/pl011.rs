//! PL011 (ARM DDI 0183, 3.3): UARTDR, UARTFR.TXFF. A reset leaves transmission on and the UART off; whoever chose it as the console
//! switched it on.

use super::{Uart, ready};
use crate::port::wait;
use crate::{Layout, Port};

const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const FULL: u32 = 1 << 5;

pub(super) const UART: Uart = Uart { compatible: &["arm,pl011", "arm,sbsa-uart"], name: "PL011", start: ready, send };

fn send(port: &dyn Port, _: Layout, byte: u8) {
    wait(|| port.read(FLAGS) & FULL == 0);
    port.write(DATA, byte.into());
}
