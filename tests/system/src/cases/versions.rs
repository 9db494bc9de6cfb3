//! Clients and servers that were built at different times. The programs are in `tests/programs/versions`.

use std::time::Duration;

use anyhow::Result;

use crate::lab::{Boot, Case, Lab, Need};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "versions.gained",
            "a client from before works with a server whose protocol gained a method",
            |lab| says(lab, "versions", &["a client from before: as it should be", "a client from now: cleared"]),
        )
        .needs([Need::Set("versions")]),
        Case::new(
            "versions.lacking",
            "what a server does not have yet is an error that its client can go on with",
            |lab| {
                let ends = ["a client from now: cannot clear, can go on", "a client of version 2: refused as such"];
                says(lab, "versions-before", &ends)
            },
        )
        .needs([Need::Set("versions-before")]),
    ]
}

fn says(lab: &mut Lab, set: &'static str, ends: &[&str]) -> Result<()> {
    let mut console = lab.boot_to_prompt(Boot { set: Some(set), ..Boot::default() })?;
    console.logged(ends, ": broken", Duration::from_secs(30)).map(drop)
}
