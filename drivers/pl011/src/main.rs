//! The process of a PL011: serves `serial`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::mmio::Mmio;
use kit::{Interrupt, class::serial};
use pl011::Pl011;

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result {
    serial::serve(env, Pl011::new(&Mmio::open(env, 0)?)?, Interrupt::open(env, 0)?)
}
