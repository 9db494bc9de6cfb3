//! Lends memory to the driver of a disk and dies with reads under way; its successor has the memory. `mayfly.lives=1`: it does
//! nothing.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::format;
use alloc::string::String;

use hostile_programs::component;
use hostile_programs::ground::{Ground, Taking};
use hostile_programs::random::Random;
use hostile_programs::reads::{Reader, spin};
use rt::{Env, now_nanoseconds};

rt::entry!(run);

/// Pages of its memory, and where that is mapped.
const MOST: u64 = 512;
const ADDRESS: u64 = 0x8000_0000;
const SECOND: u64 = 1_000_000_000;
/// Who did not last ten seconds ten times in a row is not started again: one instance of so many lives longer.
const LONG: u16 = 6;
const LIFE: u64 = 10 * SECOND + SECOND / 5;
/// Time for what the predecessor's device may still do.
const REST: u64 = SECOND / 100;

fn run(env: &'static Env) {
    if env.argument("arg:lives").is_some_and(|yes| yes != 0) {
        return;
    }
    if let Err(error) = live(env) {
        log::error!("mayfly broken: {error}");
    }
}

fn live(env: &Env) -> Result<(), String> {
    let begun = now_nanoseconds();
    let end = if component::running(&["mayfly"])?.epoch.is_multiple_of(LONG) { begun + LIFE } else { begun };
    let mut random = Random::new(begun);
    let mut ground = Ground::new(ADDRESS, MOST)?;
    ground.lay(MOST)?;
    ground.take(Taking::Memory, 0xa5)?;
    spin(REST);
    if let Some(at) = ground.changed() {
        return Err(format!("its memory was written to by the device of its predecessor, at {at:#x}"));
    }
    let mut reader = Reader::open(env)?;
    loop {
        let mut reads = reader.begin(ground.lay(2 + random.below(MOST - 2))?, &mut random)?;
        if now_nanoseconds() >= end {
            reads.until_some_moment(&mut random)?;
            panic!("on purpose, {} of {} reads done", reads.done, reads.asked);
        }
        while reads.done < reads.asked {
            reads.look()?;
        }
        spin(SECOND / 50);
    }
}
