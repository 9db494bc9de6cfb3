//! `ci`: what the continuous integration runs, and what one runs before handing in a change. The last line is that of
//! the tests; check, build and bench count as one each.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::bench;
use crate::board::Board;
use crate::build;
use crate::check;
use crate::setup::Setup;
use crate::test::{self, Tally};
use crate::workspace::Workspace;

pub fn run(workspace: &Workspace, setup: &Setup) -> Result<ExitCode> {
    let mut tally = Tally::default();
    tally.add(step("check", || succeeds(check::run(workspace, setup)?)));
    tally.add(step("build", || {
        let board = Board::read(workspace, "virt")?;
        build::build(workspace, setup, &board).map(|_| ONE)
    }));
    tally.add(step("bench", || succeeds(bench::run(workspace, setup, bench::Options::held())?)));
    tally.add(step("test", || test::all(workspace, setup)));
    Ok(tally.close())
}

const ONE: Tally = Tally { passed: 1, failed: 0 };

fn succeeds(code: ExitCode) -> Result<Tally> {
    if code == ExitCode::SUCCESS { Ok(ONE) } else { bail!("see above") }
}

/// A step that fails does not keep the next ones from being tried.
fn step(name: &str, run: impl FnOnce() -> Result<Tally>) -> Tally {
    let start = Instant::now();
    println!("ci: {name}");
    let tally = run().unwrap_or_else(|error| {
        println!("error: {error:#}");
        Tally { passed: 0, failed: 1 }
    });
    let ended = if tally.failed == 0 { "done" } else { "FAILED" };
    println!("ci: {name}: {ended} after {:.0} s", start.elapsed().as_secs_f64());
    tally
}
