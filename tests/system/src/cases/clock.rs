//! The time of day, from the emulated clock to the prompt.

use anyhow::{Context, Result, ensure};

use crate::console::PATIENCE;
use crate::lab::{Boot, Case, Lab, contains};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("clock.date", "date says the time that the machine's clock was started with, and sets it", dates),
        Case::new("clock.alarm", "an alarm rings when its time has come, and is gone when it was stopped", rings),
        Case::new(
            "clock.restart",
            "a clock's driver that was killed is started again, and the time went on meanwhile",
            restarts,
        ),
    ]
}

/// A machine whose clock is started with 01:02:03.
fn boot(lab: &mut Lab) -> Result<crate::Console> {
    let clock = ["-rtc", "base=2026-03-29T01:02:03,clock=vm"].map(str::to_owned).into();
    lab.boot_to_prompt(Boot { extra: clock, ..Boot::default() })
}

/// Seconds since 01:00:00 of what `date` says, on that Sunday.
fn seconds(date: &str) -> Result<u32> {
    let time = date.trim_end().strip_prefix("2026-03-29T01:").and_then(|rest| rest.strip_suffix("Z Sunday"));
    let (minutes, seconds) = time.and_then(|time| time.split_once(':')).with_context(|| format!("{date:?}"))?;
    Ok(minutes.parse::<u32>()? * 60 + seconds.parse::<u32>()?)
}

fn dates(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab)?;
    let first = seconds(&console.command("date")?)?;
    ensure!((123..123 + 60).contains(&first), "booting took {} s?", i64::from(first) - 123);
    contains(&console.command("date 2038-01-19T03:14:08Z")?, "2038-01-19T03:14:08Z Tuesday")?;
    contains(&console.command("date")?, "2038-01-19T03:1")?;
    contains(&console.command("date 1970-13-01")?, "no time")?;
    contains(&console.command("caps pl031")?, "0x9010000")
}

fn rings(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab)?;
    let before = seconds(&console.command("date")?)?;
    let rang = seconds(&console.command("alarm 2")?)?;
    ensure!((before + 2..before + 10).contains(&rang), "{rang} s, set at {before} s");
    console.send_line("alarm 600")?;
    console.expect("\n")?;
    console.send(b"\x03")?;
    contains(&console.prompt_within(PATIENCE)?, "^C")?;
    seconds(&console.command("alarm 0")?).map(drop)
}

fn restarts(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab)?;
    let before = seconds(&console.command("date")?)?;
    console.command("kill pl031")?;
    let after = seconds(&console.command("date")?)?;
    ensure!((before..before + 30).contains(&after), "{after} s after {before} s");
    seconds(&console.command("alarm 1")?).map(drop)
}
