//! Draws on a framebuffer, ends the driver that gave it, and tries to draw again: what it was lent is to be gone.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::format;
use alloc::string::String;

use ipc::display::DisplayClient;
use ipc::supervisor::SupervisorClient;
use ipc::surface::{Screen, ScreenError, Surface};
use rt::{NOTIFICATION, SUPERVISOR};

rt::entry!(run);

/// Bits of the own Notification for frames that were shown.
const SHOWN: u64 = 1;

fn run(env: &'static rt::Env) -> Result<(), String> {
    let display = DisplayClient::from_env(env).map_err(|missing| format!("{missing}"))?;
    let notification = ipc::signal_only(NOTIFICATION).map_err(|error| format!("{error}"))?;
    let signal = ipc::SignalOn { notification, bits: SHOWN };
    let mut screen = Screen::open(display, 0, signal).map_err(|error| format!("{error}"))?;
    screen.write(0, &[0xff; 64]).map_err(|error| format!("before: {error}"))?;
    end("simple-framebuffer")?;
    match screen.write(0, &[0xff; 64]) {
        Err(ScreenError::Gone) => log::info!("the framebuffer went with its driver"),
        Ok(()) => log::error!("the framebuffer stayed when its driver was gone"),
        Err(error) => log::error!("after: {error}"),
    }
    Ok(())
}

/// Ends the component of this name.
fn end(name: &str) -> Result<(), String> {
    let supervisor = SupervisorClient(SUPERVISOR);
    for index in 0.. {
        let component = supervisor.list(index).map_err(|error| format!("list: {error}"))?;
        let component = component.ok_or_else(|| format!("there is no {name}"))?;
        if component.name.as_str() == name {
            return supervisor.kill(component.component).map_err(|error| format!("kill: {error}"));
        }
    }
    Ok(())
}
