//! The board's own keys, from the emulated power button to the prompt.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::console::Console;
use crate::lab::{Boot, Case, Lab, contains};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("keys.power", "the power button is seen when it is pressed and when it is let go", power),
        Case::new("keys.restart", "a key is followed again when the driver of its line was killed", restarts),
        Case::new(
            "keys.caps",
            "the driver of the keys holds no registers and no interrupt, only the server of lines",
            caps,
        ),
    ]
}

/// QEMU holds the button for a tenth of a second.
fn press(console: &mut Console) -> Result<()> {
    console.qmp()?.execute("system_powerdown", json!({})).map(drop)
}

/// Nanoseconds of the line that says so, of `[seconds.micros] gpio-keys: …`.
fn seen(console: &mut Console, what: &str) -> Result<f64> {
    let before = console.expect(&format!("gpio-keys: {what}"))?;
    let time = before.rsplit('[').next().and_then(|rest| rest.split(']').next());
    time.context("no time")?.trim().parse().with_context(|| format!("{before:?}"))
}

fn press_and_see(console: &mut Console) -> Result<()> {
    console.send_line("input")?;
    console.expect("gpio-keys\n")?;
    press(console)?;
    let pressed = seen(console, "EV_KEY KEY_POWER 1")?;
    let released = seen(console, "EV_KEY KEY_POWER 0")?;
    ensure!((0.05..2.0).contains(&(released - pressed)), "held for {} s", released - pressed);
    console.send(b"\x03")?;
    contains(&console.prompt_within(crate::console::PATIENCE)?, "^C")
}

fn power(lab: &mut Lab) -> Result<()> {
    let mut console = lab.boot_to_prompt(Boot::default())?;
    press_and_see(&mut console)?;
    press_and_see(&mut console)
}

fn restarts(lab: &mut Lab) -> Result<()> {
    let mut console = lab.boot_to_prompt(Boot::default())?;
    console.command("kill pl061")?;
    // The line is taken again a second later.
    console.command("alarm 2")?;
    press_and_see(&mut console)?;
    console.command("kill gpio-keys")?;
    press_and_see(&mut console)
}

fn caps(lab: &mut Lab) -> Result<()> {
    let mut console = lab.boot_to_prompt(Boot::default())?;
    let keys = console.command("caps gpio-keys")?;
    contains(&keys, "gpio")?;
    contains(&keys, "node")?;
    ensure!(!keys.contains("Irq") && !keys.contains("registers"), "{keys}");
    contains(&console.command("caps pl061")?, "0x9030000")
}
