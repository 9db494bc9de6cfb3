//! The kernel's log ring: init copies its lines into the log.

use alloc::string::String;

use ipc::log::Level;
use rt::{Cap, Frame, Mapping, Perms};

use crate::authority::CONSOLE;
use crate::memory::slot;

/// Where the text begins: behind the count of bytes ever written.
const TEXT: usize = 64;

/// The ring, read-only.
pub struct KernelLog {
    ring: Mapping,
    /// Bytes read so far.
    read: u64,
    /// A line whose end has not come yet.
    line: String,
}

impl KernelLog {
    /// Maps the ring; without it the log goes on without the kernel's lines.
    pub fn open() -> Option<Self> {
        let slot = slot().ok()?;
        let bytes = CONSOLE.ring(slot).ok()?;
        let ring = rt::map(Cap::<Frame>::from_slot(slot), bytes / abi::layout::PAGE, Perms::READ).ok()?;
        Some(Self { ring, read: 0, line: String::new() })
    }

    fn written(&self) -> u64 {
        let half = |offset| u64::from(self.ring.read_register(offset).unwrap_or(0));
        half(0) | half(4) << 32
    }

    fn byte(&self, at: u64) -> u8 {
        let capacity = (self.ring.bytes() - TEXT) as u64;
        let offset = TEXT + (at % capacity) as usize;
        let word = self.ring.read_register(offset & !3).unwrap_or(0);
        word.to_le_bytes()[offset % 4]
    }

    /// The next complete line and its level, if there is one.
    pub fn next(&mut self) -> Option<(Level, String)> {
        let written = self.written();
        let capacity = (self.ring.bytes() - TEXT) as u64;
        // What was overwritten before it was read is lost.
        self.read = self.read.max(written.saturating_sub(capacity));
        while self.read < written {
            let byte = self.byte(self.read);
            self.read += 1;
            if byte == b'\n' {
                let line = core::mem::take(&mut self.line);
                return Some((level(&line), line));
            }
            self.line.push(char::from(byte));
        }
        None
    }
}

/// The level a line of the kernel names.
fn level(line: &str) -> Level {
    match line.split(": ").nth(1) {
        Some("error") => Level::Error,
        Some("warning") => Level::Warn,
        Some("debug") => Level::Debug,
        Some("trace") => Level::Trace,
        _ => Level::Info,
    }
}
