//! The `log` crate's back end: one call to the log service a line.

use core::fmt::Write;

use log::{LevelFilter, Log, Metadata, Record};

use crate::cap::LOG;
use crate::message::Message;

/// Label of the one method of the log protocol that the runtime itself needs, version 1 and method 1: word 0 = level (1
/// error … 5 trace), word 1 = bytes, the text follows, at most 496 bytes.
pub const LOG_WRITE: u32 = 1 << 16 | 1;

/// Longest line; longer ones are cut.
const LINE: usize = 62 * 8;

struct Service;

/// Text collected up to the length of a line.
pub(crate) struct Line {
    bytes: [u8; LINE],
    len: usize,
}

impl Line {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; LINE], len: 0 }
    }

    /// The line as one that a terminal shows and does not obey.
    #[cfg_attr(not(target_os = "none"), allow(dead_code))]
    pub(crate) fn printable(&mut self) -> &[u8] {
        let text = &mut self.bytes[..self.len];
        text.iter_mut().filter(|byte| byte.is_ascii_control()).for_each(|byte| *byte = b' ');
        text
    }

    /// Sends the line to the log service; what the service answers does not matter here.
    pub(crate) fn send(&self, level: u64) {
        let mut message = Message::new(LOG_WRITE, [level, self.len as u64]);
        message.push_bytes(&self.bytes[..self.len]);
        let _ = LOG.call(&message);
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let count = text.floor_char_boundary(LINE - self.len);
        self.bytes[self.len..self.len + count].copy_from_slice(&text.as_bytes()[..count]);
        self.len += count;
        Ok(())
    }
}

impl Log for Service {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let mut line = Line::new();
            let _ = line.write_fmt(*record.args());
            line.send(record.level() as u64);
        }
    }

    fn flush(&self) {}
}

/// Sets the most detailed level that is sent.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

#[cfg_attr(not(target_os = "none"), allow(dead_code))]
pub(crate) fn init() {
    static SERVICE: Service = Service;
    let _ = log::set_logger(&SERVICE);
    log::set_max_level(LevelFilter::Info);
}
