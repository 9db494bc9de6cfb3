//! Commands that look at the system.

use alloc::string::String;
use alloc::vec::Vec;

use ipc::Error;
use ipc::log::Line;
use ipc::supervisor::{Status, SupervisorClient};

use super::disk::kibibytes;
use super::{Fail, Result};
use crate::console::{Console, Stop};
use crate::machine::Carrier;
use crate::names;
use crate::shell::Shell;
use crate::text::Plain;

/// Numbers and names of components.
pub type Names = Vec<(u32, String)>;

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// `ps`
pub fn ps(shell: &mut Shell, _: &[String]) -> Result {
    let mut all = Vec::new();
    names::for_each(&shell.supervisor, |component| all.push(*component)).map_err(failed)?;
    let console = &mut shell.console;
    console.print(format_args!(
        "{:>3}  {:<18} {:<9} {:>6} {:>8} {:>8} {:>11}\n",
        "ID", "NAME", "STATE", "STARTS", "MEMORY", "USED", "CPU ms"
    ))?;
    for component in all {
        let micros = console.machine().nanoseconds(component.ticks) / 1000;
        console.print(format_args!(
            "{:>3}  {:<18} {:<9} {:>6} {:>8} {:>8} {:>7}.{:03}\n",
            component.component,
            Plain(&component.name),
            component.state.name(),
            component.epoch,
            kibibytes(component.memory),
            kibibytes(component.used),
            micros / 1000,
            micros % 1000
        ))?;
    }
    Ok(())
}

/// `caps NAME`
pub fn caps(shell: &mut Shell, arguments: &[String]) -> Result {
    let component = named(shell, arguments)?;
    for line in 0..u32::MAX {
        match shell.supervisor.caps(component, line).map_err(failed)? {
            Some(text) => shell.console.print(format_args!("{}\n", Plain(&text)))?,
            None if line == 0 => return Err(about(arguments, "it does not run: `ps` says why")),
            None => break,
        }
    }
    Ok(())
}

/// `log`
pub fn log(shell: &mut Shell, _: &[String]) -> Result {
    let names = names(&shell.supervisor);
    let mut next = 0;
    while let (behind, Some(line)) = shell.log.read(next).map_err(failed)? {
        // A log that does not get on is not followed.
        next = behind.max(next.saturating_add(1));
        show_line(&mut shell.console, &names, &line)?;
    }
    Ok(())
}

/// Numbers and names of components, as far as the supervisor says them.
pub fn names(supervisor: &SupervisorClient<Carrier>) -> Names {
    names::components(supervisor).unwrap_or_default()
}

/// One line of the log.
///
/// # Errors
/// The console's.
pub fn show_line(console: &mut Console, names: &Names, line: &Line) -> core::result::Result<(), Stop> {
    let (seconds, micros) = (line.nanoseconds / SECOND, line.nanoseconds % SECOND / 1000);
    console.print(format_args!("[{seconds:>5}.{micros:06}] {:<5} ", line.level.name()))?;
    match names.iter().find(|(number, _)| *number == line.component) {
        Some((_, name)) => console.print(format_args!("{}: ", Plain(name)))?,
        None if line.component == 0 => console.print(format_args!("init: "))?,
        None => console.print(format_args!("component {}: ", line.component))?,
    }
    console.print(format_args!("{}\n", Plain(&line.text)))
}

/// `uptime`
pub fn uptime(shell: &mut Shell, _: &[String]) -> Result {
    let now = shell.console.machine().uptime();
    let (seconds, millis) = (now / SECOND, now % SECOND / MILLISECOND);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    if days > 0 {
        shell.console.print(format_args!("{days} days "))?;
    }
    Ok(shell.console.print(format_args!("{hours:02}:{minutes:02}:{:02}.{millis:03} since reset\n", seconds % 60))?)
}

/// `kill NAME`
pub fn kill(shell: &mut Shell, arguments: &[String]) -> Result {
    let component = named(shell, arguments)?;
    shell.supervisor.kill(component).map_err(|error| match error {
        Error::Status(Status::NotPossible) => about(arguments, "it does not run, or nothing runs without it"),
        error => failed(error),
    })
}

fn about(arguments: &[String], why: &str) -> Fail {
    Fail::about(arguments.first().map_or("", String::as_str), why)
}

/// `poweroff`
pub fn poweroff(shell: &mut Shell, _: &[String]) -> Result {
    shell.supervisor.power_off().map_err(failed)
}

/// `reboot`
pub fn reboot(shell: &mut Shell, _: &[String]) -> Result {
    shell.supervisor.reboot().map_err(failed)
}

fn named(shell: &Shell, arguments: &[String]) -> core::result::Result<u32, Fail> {
    let name = arguments.first().map_or("", String::as_str);
    let found = names::find(&shell.supervisor, name).map_err(failed)?;
    found.ok_or_else(|| Fail::about(name, "no such component; `ps` lists them"))
}

pub fn failed(error: impl core::fmt::Display) -> Fail {
    Fail::Because(alloc::format!("{error}"))
}
