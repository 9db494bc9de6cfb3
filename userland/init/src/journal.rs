//! The log: the last lines of all components, and who wants to hear of new ones.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use abi::StartInfo;
use ipc::Signal;
use ipc::log::{Level, Line};
use rt::Badge;

/// Lines kept.
const LINES: usize = 256;
/// Subscribers.
const SUBSCRIBERS: usize = 8;

struct Kept {
    level: Level,
    component: u32,
    ticks: u64,
    text: String,
}

/// A client that is signalled when a line of some importance arrives.
pub struct Subscriber {
    client: Badge,
    signal: Signal,
    level: Level,
}

/// The log.
pub struct Journal {
    lines: VecDeque<Kept>,
    /// Sequence number of the first line that is kept.
    first: u64,
    subscribers: Vec<Subscriber>,
    boot_ticks: u64,
}

impl Journal {
    /// An empty log.
    pub fn new(info: &StartInfo) -> Self {
        Self { lines: VecDeque::new(), first: 0, subscribers: Vec::new(), boot_ticks: info.boot_ticks }
    }

    /// Appends a line and signals who wants to know.
    pub fn append(&mut self, level: Level, component: u32, text: &str) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
            self.first += 1;
        }
        self.lines.push_back(Kept { level, component, ticks: rt::now_ticks(), text: text.into() });
        self.subscribers.retain(|subscriber| level > subscriber.level || subscriber.signal.wake());
    }

    /// The line with this number, or the oldest behind it that is kept; in front of it the number of the next line.
    pub fn read(&self, wanted: u64, env: &StartInfo) -> (u64, Option<Line>) {
        let sequence = wanted.max(self.first);
        let next = self.first + self.lines.len() as u64;
        let kept = usize::try_from(sequence - self.first).ok().and_then(|index| self.lines.get(index));
        let Some(kept) = kept else { return (next, None) };
        let line = Line {
            sequence,
            level: kept.level,
            component: kept.component,
            nanoseconds: env.nanoseconds(kept.ticks.saturating_sub(self.boot_ticks)),
            text: ipc::Text::cut(&kept.text),
        };
        (sequence + 1, Some(line))
    }

    /// Signals `client` from now on; its earlier subscription, also that of an earlier instance, ends.
    pub fn subscribe(&mut self, client: Badge, signal: Signal, level: Level) -> bool {
        self.unsubscribe(client.component());
        if self.subscribers.len() == SUBSCRIBERS {
            return false;
        }
        self.subscribers.push(Subscriber { client, signal, level });
        true
    }

    /// The component is gone.
    pub fn unsubscribe(&mut self, component: u32) {
        self.subscribers.retain(|subscriber| subscriber.client.component() != component);
    }
}
