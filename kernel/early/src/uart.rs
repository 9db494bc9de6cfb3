//! The UARTs that can be the early console.

mod aux;
mod cadence;
mod geni;
mod imx;
mod ns16550;
mod pl011;
#[cfg(test)]
mod tests;
mod uartdm;

use crate::{Layout, Port};

/// How a kind of UART is used.
#[derive(Debug)]
pub struct Uart {
    /// What its nodes say, the most common name first.
    pub compatible: &'static [&'static str],
    /// What it is called in its data sheet.
    pub name: &'static str,
    start: fn(&dyn Port),
    send: fn(&dyn Port, Layout, u8),
}

/// All that are known.
pub static UARTS: [Uart; 7] =
    [pl011::UART, geni::UART, uartdm::UART, ns16550::UART, imx::UART, cadence::UART, aux::UART];

/// The UART of that name.
pub fn find(compatible: &str) -> Option<&'static Uart> {
    UARTS.iter().find(|uart| uart.compatible.contains(&compatible))
}

impl Uart {
    /// Bytes of registers that are used at most.
    pub const BYTES: u64 = 4096;

    /// Makes it ready to send, as far as a boot loader may have left that undone.
    pub fn start(&self, port: &dyn Port) {
        (self.start)(port);
    }

    /// Sends a byte. If it takes none for long, the byte is lost.
    pub fn send(&self, port: &dyn Port, layout: Layout, byte: u8) {
        (self.send)(port, layout, byte);
    }
}

/// Of one that needs nothing.
fn ready(_: &dyn Port) {}
