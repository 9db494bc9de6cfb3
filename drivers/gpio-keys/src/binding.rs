//! What the node says: a node for each key in it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use ipc::input::{MAX_CODE, kind};
use kit::Node;

/// The flag of a line that is meant when it is low (Linux, `include/dt-bindings/gpio/gpio.h`).
const ACTIVE_LOW: u32 = 1;

/// How long a line must stay as it is before it counts, in milliseconds, where its node does not say.
const DEBOUNCE: u32 = 5;
/// The longest that is believed, in milliseconds.
const LONGEST: u32 = 10_000;
/// Most keys of a board: a line takes a bit of the process's Notification and a task.
const MOST: usize = 48;

/// A key, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The line.
    pub line: u32,
    /// It is pressed while the line is low.
    pub active_low: bool,
    /// `EV_KEY` or `EV_SW`.
    pub kind: u16,
    /// Which one.
    pub code: u16,
    /// How long the line must stay as it is before it counts.
    pub debounce: Duration,
}

/// The name of the whole, and its keys.
pub fn keys(node: &Node) -> (&str, Vec<Key>) {
    let mut keys = Vec::new();
    for child in node.children().iter().take(MOST) {
        match key(child) {
            Ok(key) => keys.push(key),
            Err(why) => log::warn!("{}: {why}: the key is left out", child.name()),
        }
    }
    (node.text("label").unwrap_or("gpio-keys"), keys)
}

fn key(node: &Node) -> Result<Key, String> {
    let or = |name, otherwise| if node.has(name) { node.number(name) } else { Ok(otherwise) };
    let words = |error: kit::Error| error.to_string();
    let [_bank, line, flags] = node.cells("gpios").map_err(words)?[..] else {
        return Err("gpios: it is not one line with flags".into());
    };
    let code = node.number("linux,code").map_err(words)?;
    let of = or("linux,input-type", kind::KEY.into()).map_err(words)?;
    let debounce = or("debounce-interval", DEBOUNCE).map_err(words)?;
    let kind = [kind::KEY, kind::SW].into_iter().find(|&known| u32::from(known) == of);
    let code = u16::try_from(code).ok().filter(|&code| code <= MAX_CODE);
    Ok(Key {
        line,
        active_low: flags & ACTIVE_LOW != 0,
        kind: kind.ok_or("linux,input-type: neither a key nor a switch")?,
        code: code.ok_or("linux,code: there is no such key")?,
        debounce: Duration::from_millis(debounce.min(LONGEST).into()),
    })
}
