//! Measures what a transfer costs with an NVM Express controller.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::string::String;

use bench_programs::{block, report};
use rt::Env;

rt::entry!(run);

fn run(env: &'static Env) -> Result<(), String> {
    report::print(env, &block::lines(env, &block::NVME))
}
