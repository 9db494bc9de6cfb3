//! Keys and switches on GPIO lines (Linux, `Documentation/devicetree/bindings/input/gpio-keys.yaml`).
//!
//! Lines are those of the server `gpio`; that a node may name lines of several banks is not known here yet.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod binding;
mod key;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use ipc::Text;
use ipc::input::{Codes, Event, Info, codes, kind, syn};
use kit::Node;
use kit::class::input::Device;

pub use binding::Key;
pub use key::follow;

/// A board's keys, as a device of the class.
#[derive(Debug)]
pub struct Keys {
    info: Info,
    /// Kind and code of each.
    events: Vec<(u16, u16)>,
    happened: VecDeque<Event>,
}

impl Keys {
    /// The keys that a node has, and where they are. What is malformed is said in the log and left out.
    pub fn of(node: &Node) -> (Self, Vec<Key>) {
        let (name, keys) = binding::keys(node);
        let events: Vec<_> = keys.iter().map(|key| (key.kind, key.code)).collect();
        let kinds = events.iter().fold(1 << kind::SYN, |kinds, (kind, _)| kinds | 1 << kind);
        let info = Info { name: Text::cut(name), kinds };
        (Self { info, events, happened: VecDeque::new() }, keys)
    }

    /// A key is pressed or not any more, or a switch closed or open.
    pub fn change(&mut self, key: &Key, pressed: bool) {
        let report = [Event::new(key.kind, key.code, pressed.into()), Event::new(kind::SYN, syn::REPORT, 0)];
        self.happened.extend(report);
    }
}

impl Device for Keys {
    fn info(&self) -> Info {
        self.info
    }

    fn codes(&self, kind: u16) -> Codes {
        codes(self.events.iter().filter(|(of, _)| *of == kind).map(|&(_, code)| code))
    }

    fn next(&mut self) -> Option<Event> {
        self.happened.pop_front()
    }
}

#[cfg(test)]
mod tests;
