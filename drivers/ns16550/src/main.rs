//! The process of a UART like the 16550: serves `serial`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::mmio::Mmio;
use kit::{Interrupt, Node, class::serial};
use ns16550::{Layout, Ns16550};

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result {
    let layout = Layout::of(&Node::open(env)?)?;
    serial::serve(env, Ns16550::new(&Mmio::open(env, 0)?, layout)?, Interrupt::open(env, 0)?)
}
