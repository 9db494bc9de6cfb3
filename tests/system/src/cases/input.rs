//! A keyboard and a tablet, on which QEMU's monitor presses.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::Console;
use crate::lab::{Boot, Case, Lab, contains};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("input.keyboard", "keys of a virtio keyboard are seen as they are pressed", keyboard),
        Case::new("input.tablet", "a touch of a virtio tablet is seen where it is", tablet),
        Case::new("input.both", "keyboard and tablet have a process each, and one command shows both", both),
        Case::new("input.restart", "a driver that was killed reports again", restarts),
        Case::new("input.none", "without a virtio device its driver has none, and the other devices are shown", none),
    ]
}

/// What QEMU's keyboard calls itself.
pub const KEYBOARD: &str = "QEMU Virtio Keyboard";
const TABLET: &str = "QEMU Virtio Tablet";

fn boot(lab: &mut Lab, devices: &[&str]) -> Result<Console> {
    let devices = devices.iter().map(|&device| device.to_owned()).collect();
    lab.boot_to_prompt(Boot { devices, ..Boot::default() })
}

/// Begins to watch, and waits until the session is there.
///
/// # Errors
/// It does not come.
pub fn watch(console: &mut Console, name: &str) -> Result<()> {
    console.send_line("input")?;
    console.expect(&format!("\n{name}\n"))?;
    Ok(())
}

/// Presses keys.
///
/// # Errors
/// QEMU refuses.
pub fn press(console: &mut Console, keys: &[&str]) -> Result<()> {
    let keys: Vec<_> = keys.iter().map(|key| json!({ "type": "qcode", "data": key })).collect();
    console.qmp()?.execute("send-key", json!({ "keys": keys, "hold-time": 50 }))?;
    Ok(())
}

/// Moves and presses in one report.
fn touch(console: &mut Console, x: u32, y: u32, down: bool) -> Result<()> {
    let axis = |axis: &str, value: u32| json!({ "type": "abs", "data": { "axis": axis, "value": value } });
    let button = json!({ "type": "btn", "data": { "button": "left", "down": down } });
    console.qmp()?.execute("input-send-event", json!({ "events": [axis("x", x), axis("y", y), button] }))?;
    Ok(())
}

fn keyboard(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab, &["virtio-keyboard-device"])?;
    watch(&mut console, KEYBOARD)?;
    press(&mut console, &["shift", "a"])?;
    for event in ["KEY_LEFTSHIFT 1", "KEY_A 1", "KEY_A 0", "KEY_LEFTSHIFT 0"] {
        console.expect(&format!("{KEYBOARD}: EV_KEY {event}\n"))?;
    }
    // Faster than one at a time, and none is lost.
    for key in ["q", "w", "e", "r", "t", "y", "ret", "up", "volumeup", "spc"] {
        press(&mut console, &[key])?;
    }
    for key in ["Q", "W", "E", "R", "T", "Y", "ENTER", "UP", "VOLUMEUP", "SPACE"] {
        console.expect(&format!("EV_KEY KEY_{key} 1\n"))?;
        console.expect(&format!("EV_KEY KEY_{key} 0\n"))?;
    }
    console.send(b"\x03")?;
    console.prompt_within(Duration::from_secs(10))?;
    // What is pressed while nobody looks does no harm, and is not shown afterwards.
    press(&mut console, &["z"])?;
    thread::sleep(Duration::from_secs(1));
    let quiet = console.command("input 1")?;
    ensure!(quiet.contains(KEYBOARD) && !quiet.contains("EV_"), "{quiet:?}");
    Ok(())
}

fn tablet(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab, &["virtio-tablet-device"])?;
    watch(&mut console, TABLET)?;
    for (x, y) in [(0, 32767), (12345, 23456), (32767, 0)] {
        touch(&mut console, x, y, true)?;
        for event in [format!("EV_ABS ABS_X {x}"), format!("EV_ABS ABS_Y {y}"), "EV_KEY BTN_LEFT 1".into()] {
            console.expect(&format!("{TABLET}: {event}\n"))?;
        }
        touch(&mut console, x, y, false)?;
        console.expect(&format!("{TABLET}: EV_KEY BTN_LEFT 0\n"))?;
    }
    console.send(b"\x03")?;
    console.prompt_within(Duration::from_secs(10))?;
    contains(&console.command("log")?, "virtio-input: QEMU Virtio Tablet, bus 0x6, 0627:0003")
}

fn both(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab, &["virtio-keyboard-device", "virtio-tablet-device"])?;
    console.send_line("input")?;
    // Which slot is found first is the tree's order.
    let names = [format!("\n{KEYBOARD}\n{TABLET}\n"), format!("\n{TABLET}\n{KEYBOARD}\n")];
    console.expect_any(&names.each_ref().map(String::as_str), Duration::from_secs(10))?;
    press(&mut console, &["b"])?;
    console.expect(&format!("{KEYBOARD}: EV_KEY KEY_B 0\n"))?;
    touch(&mut console, 777, 888, true)?;
    console.expect(&format!("{TABLET}: EV_ABS ABS_X 777\n"))?;
    console.expect(&format!("{TABLET}: EV_KEY BTN_LEFT 1\n"))?;
    console.send(b"\x03")?;
    console.prompt_within(Duration::from_secs(10))?;
    let list = console.command("ps")?;
    let running =
        |name: &str| list.lines().any(|line| line.split_whitespace().nth(1) == Some(name) && line.contains("running"));
    ensure!(running("virtio-input") && running("virtio-input.1"), "{list}");
    Ok(())
}

fn restarts(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab, &["virtio-keyboard-device"])?;
    console.command("kill virtio-input")?;
    watch(&mut console, KEYBOARD)?;
    press(&mut console, &["a"])?;
    console.expect("EV_KEY KEY_A 1\n")?;
    console.send(b"\x03")?;
    console.prompt_within(Duration::from_secs(10))?;
    Ok(())
}

fn none(lab: &mut Lab) -> Result<()> {
    let mut console = lab.boot_to_prompt(Boot::default())?;
    let text = console.command("input 1")?;
    ensure!(text.trim() == "gpio-keys", "{text:?}");
    let list = console.command("ps")?;
    ensure!(list.lines().any(|line| line.contains("virtio-input") && line.contains("no device")), "{list}");
    Ok(())
}
