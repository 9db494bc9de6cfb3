//! What the drivers' kit has of the machine itself. The programs are in `tests/programs/kit`.

use std::time::Duration;

use anyhow::Result;

use crate::lab::{Boot, Case, Lab};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let case = |id: &str, says: &str, bootargs: Option<&'static str>, line: &'static str| {
        Case::new(format!("kit.{id}"), says, move |lab| says_so(lab, bootargs, line))
    };
    const DMA: &str = "dma: 2 of 2 as it should be";
    vec![
        case("dma", "user space cleans and invalidates caches by address", None, DMA),
        case("dma-errata", "it does where the kernel has to do it in its place", Some("selftest=errata"), DMA),
        case("delay", "delays on the kernel's clock are long enough, and sleep", None, "delay: 2 of 2 as it should be"),
    ]
}

const PATIENCE: Duration = Duration::from_secs(30);

fn says_so(lab: &mut Lab, bootargs: Option<&str>, line: &str) -> Result<()> {
    let how = Boot { set: Some("kit"), bootargs: bootargs.map(Into::into), ..Boot::default() };
    lab.boot_to_prompt(how)?.logged(&[line], "broken: ", PATIENCE).map(drop)
}
