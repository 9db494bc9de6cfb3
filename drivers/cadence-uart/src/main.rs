//! The process of a Cadence UART: serves `serial`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use cadence_uart::CadenceUart;
use kit::mmio::Mmio;
use kit::{Interrupt, class::serial};

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result {
    serial::serve(env, CadenceUart::new(&Mmio::open(env, 0)?)?, Interrupt::open(env, 0)?)
}
