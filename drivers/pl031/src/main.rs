//! The process of a PL031: serves `clock`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::mmio::Mmio;
use kit::{Interrupt, class::clock};
use pl031::Pl031;

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result {
    clock::serve(env, Pl031::new(&Mmio::open(env, 0)?)?, Interrupt::open(env, 0)?)
}
