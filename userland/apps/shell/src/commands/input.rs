//! `input`: what is done to the input devices, as it is done.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ipc::SignalOn;
use ipc::input::{Event, Events, MAX_NAME, PAGES};
use ipc::{NO_DEVICE, Text};
use rt::SharedBuffer;

use super::system::failed;
use super::{Fail, Result};
use crate::evdev;
use crate::machine::INPUT_BIT;
use crate::shell::Shell;
use crate::text::Plain;

const SECOND: u64 = 1_000_000_000;
/// Milliseconds after which the rings are looked into where a time was given.
const NAP: u64 = 50;

/// A device that is watched.
struct Watched {
    name: Text<MAX_NAME>,
    /// Of its server, and so of the page.
    index: usize,
    events: Events,
}

/// `input [SECONDS]`
pub fn input(shell: &mut Shell, arguments: &[String]) -> Result {
    let naps = arguments.first().map(|text| seconds(text)).transpose()?.map(|seconds| u64::from(seconds) * 1000 / NAP);
    let mut pages = core::mem::take(&mut shell.input_pages);
    let result = attach(shell, &mut pages).and_then(|watched| watch(shell, &pages, watched, naps));
    shell.input_pages = pages;
    result
}

fn seconds(text: &str) -> core::result::Result<u16, Fail> {
    text.parse().map_err(|_| Fail::about(text, "give it a number of seconds, at most 65535"))
}

/// Begins a session with every server that has a device.
fn attach(shell: &mut Shell, pages: &mut Vec<SharedBuffer>) -> core::result::Result<Vec<Watched>, Fail> {
    let mut watched = Vec::new();
    let mut none = None;
    for (index, server) in shell.inputs.iter().enumerate() {
        let name = match server.info() {
            Ok(info) => info.name,
            Err(error) if error.closed() == Some(NO_DEVICE) => {
                none.get_or_insert(error);
                continue;
            }
            Err(error) => return Err(failed(error)),
        };
        if pages.len() <= index {
            pages.push(
                SharedBuffer::new(PAGES).map_err(|error| Fail::Because(format!("a page for events: {error:?}")))?,
            );
        }
        let page = pages.get(index).ok_or_else(|| Fail::Because("its servers are not one behind the other".into()))?;
        let events = Events::reset(page).map_err(lost)?;
        server.attach(page, SignalOn { notification: shell.notification, bits: INPUT_BIT }).map_err(failed)?;
        shell.console.print(format_args!("{}\n", Plain(&name)))?;
        watched.push(Watched { name, index, events });
    }
    match none {
        Some(error) if watched.is_empty() => Err(failed(error)),
        _ => Ok(watched),
    }
}

fn lost(_: ipc::ring::Lie) -> Fail {
    Fail::Because("events were lost; try again".into())
}

fn watch(shell: &mut Shell, pages: &[SharedBuffer], mut watched: Vec<Watched>, mut naps: Option<u64>) -> Result {
    loop {
        for device in &mut watched {
            while let Some(event) = device.events.next(&pages[device.index]).map_err(lost)? {
                show(shell, &device.name, event)?;
            }
        }
        shell.console.flush()?;
        match &mut naps {
            Some(0) => return Ok(()),
            Some(naps) => {
                *naps -= 1;
                shell.console.machine().sleep(NAP);
                shell.console.check_interrupt()?;
            }
            None if shell.console.wait_for(INPUT_BIT)? => {}
            None => return Err(Fail::Because("a server ended meanwhile; try again".into())),
        }
    }
}

fn show(shell: &mut Shell, name: &str, event: Event) -> Result {
    if event.ends_report() {
        return Ok(());
    }
    let (seconds, micros) = (event.time / SECOND, event.time % SECOND / 1000);
    let Event { kind, code, value, .. } = event;
    let (kind, code) = (evdev::kind(kind), evdev::code(kind, code));
    Ok(shell.console.print(format_args!("[{seconds:>5}.{micros:06}] {}: {kind} {code} {value}\n", Plain(name)))?)
}
