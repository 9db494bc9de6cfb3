//! Commands that look at devices.

use alloc::string::String;

use ipc::devices::Device;

use super::system::failed;
use super::trust::trust;
use super::{Fail, Result};
use crate::shell::Shell;
use crate::text::Plain;

/// More nodes than a tree can hold: a list that does not end is not followed.
const MOST: u32 = 1 << 16;

/// `devices [PATH | --trust]`
pub fn devices(shell: &mut Shell, arguments: &[String]) -> Result {
    match arguments.first() {
        Some(word) if word == "--trust" => trust(shell),
        Some(path) => node(shell, path),
        None => all(shell),
    }
}

/// A line for each node.
fn all(shell: &mut Shell) -> Result {
    shell.console.print(format_args!("{:<36} {:<18} STATE\n", "NODE", "DRIVER"))?;
    for index in 0..MOST {
        let Some(device) = shell.devices.list(index).map_err(failed)? else { break };
        row(shell, &device)?;
    }
    Ok(())
}

fn row(shell: &mut Shell, device: &Device) -> Result {
    let driver = if device.driver.is_empty() { "-" } else { &device.driver };
    let space = if device.reason.is_empty() { "" } else { " " };
    Ok(shell.console.print(format_args!(
        "{:<36} {:<18} {}{space}{}\n",
        Plain(&device.path),
        Plain(driver),
        device.state.name(),
        Plain(&device.reason)
    ))?)
}

/// What a node has and needs.
fn node(shell: &mut Shell, path: &str) -> Result {
    for index in 0..MOST {
        let Some(device) = shell.devices.list(index).map_err(failed)? else { break };
        if device.path.as_str() != path {
            continue;
        }
        row(shell, &device)?;
        for line in 0..MOST {
            let Some(text) = shell.devices.resource(index, line).map_err(failed)? else { break };
            shell.console.print(format_args!("    {}\n", Plain(&text)))?;
        }
        return Ok(());
    }
    Err(Fail::about(path, "no such node; `devices` lists them"))
}
