//! Behaves, and counts what it gets beside a neighbour that behaves and beside one that does not.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::string::String;

use hostile_programs::disk::{Disk, Half};
use hostile_programs::schedule::{Conduct, ROUND, Turn};
use hostile_programs::worker::{DEPTH, Worker};
use rt::Env;

rt::entry!(run);

/// Rounds of the plan.
const ROUNDS: u64 = 2;
/// Conducts there are.
const CONDUCTS: usize = Conduct::Rest as usize + 1;

fn run(env: &'static Env) {
    if let Err(error) = watch(env) {
        log::error!("polite: {error}");
    }
}

fn watch(env: &Env) -> Result<(), String> {
    let mut disk = Disk::open(env, Half::Lower, DEPTH)?;
    let mut worker = Worker::start(&mut disk)?;
    let mut counts = [(0u64, 0u64); CONDUCTS];
    // The turn that has begun is not whole.
    let mut turn = Turn::now();
    while !turn.is_over() {
        worker.step(&mut disk)?;
    }
    let first = turn.next();
    while turn.next().since(first) < ROUNDS * ROUND {
        turn = turn.next();
        let (turns, requests) = &mut counts[turn.conduct() as usize];
        *turns += 1;
        while !turn.is_over() {
            worker.step(&mut disk)?;
            *requests += 1;
        }
    }
    report(&counts);
    Ok(())
}

/// A line for each conduct: requests a second, beside those of a neighbour that behaves.
fn report(counts: &[(u64, u64); CONDUCTS]) {
    use Conduct::{Attach, Change, Die, Flood, Hoard, Lie, SmallFlood};
    let rate = |conduct: Conduct| {
        let (turns, requests) = counts[conduct as usize];
        requests / turns.max(1)
    };
    let polite = rate(Conduct::Polite);
    for conduct in [Flood, SmallFlood, Hoard, Change, Lie, Attach, Die] {
        let hostile = rate(conduct);
        let share = hostile * 100 / polite.max(1);
        log::info!("beside {conduct:?}: {share} % ({hostile} requests a second beside {polite})");
    }
    log::info!("all bytes right");
}
