//! The process of a PL061: serves `gpio`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::mmio::Mmio;
use kit::{Interrupt, class::gpio};
use pl061::Pl061;

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result {
    gpio::serve(env, Pl061::new(&Mmio::open(env, 0)?)?, Interrupt::open(env, 0)?)
}
