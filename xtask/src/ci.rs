//! `ci`: what the continuous integration runs, and what one runs before handing in a change.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::bench;
use crate::board::Board;
use crate::build;
use crate::check;
use crate::setup::Setup;
use crate::test;
use crate::workspace::Workspace;

pub fn run(workspace: &Workspace, setup: &Setup) -> Result<ExitCode> {
    let mut fine = true;
    let mut step = |name: &str, run: &dyn Fn() -> Result<ExitCode>| {
        let start = Instant::now();
        println!("ci: {name}");
        let ended = match run() {
            Ok(code) if code == ExitCode::SUCCESS => "done",
            Ok(_) => "FAILED",
            Err(error) => {
                println!("error: {error:#}");
                "FAILED"
            }
        };
        fine &= ended == "done";
        // The line of the tests stays the last.
        if name != "test" || ended != "done" {
            println!("ci: {name}: {ended} after {:.0} s", start.elapsed().as_secs_f64());
        }
    };
    step("check", &|| check::run(workspace, setup));
    step("build", &|| {
        let board = Board::read(workspace, "virt")?;
        build::build(workspace, setup, &board).map(|_| ExitCode::SUCCESS)
    });
    step("bench", &|| bench::run(workspace, setup, bench::Options::default()));
    step("test", &|| test::run(workspace, setup, test::Options::default()));
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
