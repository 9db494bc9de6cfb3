//! Makes a system call with another immediate, which is a fault whatever the registers say.
#![cfg_attr(target_os = "none", no_std, no_main)]

use abi::{Op, Slots};
use conformance_programs::svc_1;
use conformance_programs::wire::{CLIENT, input, registers};

rt::entry!(run);

fn run(_: &'static rt::Env) {
    let poll = registers(CLIENT, 0, input(Op::Poll, 0, 0, 0), Slots::new(abi::SLOT_NOTIFICATION, 0));
    svc_1(&poll);
    log::error!("conformance broken: svc #1 came back");
}
