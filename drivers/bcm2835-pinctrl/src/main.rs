//! The process of the BCM2835's pins: serves `pins`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use bcm2835_pinctrl::Pins;
use kit::mmio::Mmio;
use kit::{Node, class::pins, time};

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result {
    pins::serve(env, Pins::new(&Mmio::open(env, 0)?, time::Kernel::open()?)?, &Node::open(env)?)
}
