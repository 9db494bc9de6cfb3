//! Calls itself until its stack is used up.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::hint::black_box;

rt::entry!(run);

fn run(_: &'static rt::Env) {
    log::info!("memory: down to {}", deeper(1));
}

#[inline(never)]
fn deeper(depth: u64) -> u64 {
    let room = black_box([depth; 32]);
    if black_box(depth) == 0 { 0 } else { deeper(depth + 1) + room[7] }
}
