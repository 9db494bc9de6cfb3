//! The kernel's log: a ring that init reads, and the early console until the first thread runs.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Bytes of text in the ring.
pub const TEXT: usize = 4 * 4096 - 64;

/// The ring as init sees it: bytes ever written, then the text; byte n lies at n modulo [`TEXT`].
#[repr(C, align(4096))]
pub struct Ring {
    written: AtomicU64,
    reserved: [AtomicU64; 7],
    text: [AtomicU8; TEXT],
}

/// The kernel's ring.
pub static RING: Ring = Ring::new();

impl Ring {
    const fn new() -> Self {
        Self {
            written: AtomicU64::new(0),
            reserved: [const { AtomicU64::new(0) }; 7],
            text: [const { AtomicU8::new(0) }; TEXT],
        }
    }

    fn write(&self, bytes: &[u8]) {
        let written = self.written.load(Ordering::Relaxed);
        let at = (written % TEXT as u64) as usize;
        match self.text.get(at..at.saturating_add(bytes.len())) {
            Some(places) => store(places, bytes),
            None => self.write_around(at, bytes),
        }
        self.written.store(written + bytes.len() as u64, Ordering::Release);
    }

    /// Up to the end, and on from the beginning.
    #[cold]
    fn write_around(&self, at: usize, bytes: &[u8]) {
        let (front, back) = self.text.split_at(at);
        let (first, rest) = bytes.split_at(bytes.len().min(back.len()));
        store(back, first);
        store(front, rest);
    }
}

fn store(places: &[AtomicU8], bytes: &[u8]) {
    for (place, &byte) in places.iter().zip(bytes) {
        place.store(byte, Ordering::Relaxed);
    }
}

/// Whether log lines also go to the early console.
static EARLY: AtomicBool = AtomicBool::new(true);

/// A text that is printed as it is. That of `str` can be cut and padded, and would bring the code for it along.
pub struct Plain<'a>(pub &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A character as a byte: what the kernel prints is ASCII.
pub fn byte(character: char) -> u8 {
    u8::try_from(u32::from(character)).unwrap_or(b'?')
}

struct Out;

impl Out {
    fn put(text: &[u8]) {
        RING.write(text);
        if EARLY.load(Ordering::Relaxed) {
            crate::arch::early_print(text);
        } else {
            crate::arch::keep(text);
        }
    }
}

impl Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        Self::put(text.as_bytes());
        Ok(())
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        Self::put(&[byte(character)]);
        Ok(())
    }
}

impl Log for Out {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let _ = writeln!(Out, "kernel: {}: {}", Plain(name(record.level())), record.args());
        }
    }

    fn flush(&self) {}
}

/// A level as the log prints it.
const fn name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// Takes up logging; everything up to `Info` until the command line says otherwise.
pub fn init() {
    static LOGGER: Out = Out;
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(LevelFilter::Info);
}

/// Sets the level from the command line: `log=error|warn|info|debug|trace|off`. Returns what could not be understood.
pub fn set_level(bootargs: &str) -> Option<&str> {
    let value = bootargs.split_ascii_whitespace().filter_map(|word| word.strip_prefix("log=")).next_back()?;
    match value.parse::<LevelFilter>() {
        Ok(level) => {
            log::set_max_level(level);
            None
        }
        Err(_) => Some(value),
    }
}

/// Whether the command line switches the fast paths off: `fast=off`, or `on`. `Err`: what could not be understood.
pub fn fast_paths(bootargs: &str) -> Result<bool, &str> {
    match bootargs.split_ascii_whitespace().filter_map(|word| word.strip_prefix("fast=")).next_back() {
        None | Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(other) => Err(other),
    }
}

/// From now on the console belongs to user space: the log goes to the ring alone.
pub fn leave_early() {
    EARLY.store(false, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Byte n lies at n modulo the size, and behind the end the ring goes on at its beginning.
    #[test]
    fn what_is_written_goes_around() {
        static HERE: Ring = Ring::new();
        let line: Vec<u8> = (0..=250).collect();
        let all = line.iter().cycle().take(line.len() * 3 * TEXT / 250).copied().collect::<Vec<_>>();
        all.chunks(line.len()).for_each(|piece| HERE.write(piece));
        assert_eq!(HERE.written.load(Ordering::Relaxed), all.len() as u64);
        for (at, &byte) in all.iter().enumerate().skip(all.len() - TEXT) {
            assert_eq!(HERE.text[at % TEXT].load(Ordering::Relaxed), byte, "byte {at}");
        }
    }

    #[test]
    fn level_from_the_command_line() {
        assert_eq!(set_level("quiet log=debug x"), None);
        assert_eq!(log::max_level(), LevelFilter::Debug);
        assert_eq!(set_level("log=loud"), Some("loud"));
        assert_eq!(set_level(""), None);
        log::set_max_level(LevelFilter::Info);
    }

    #[test]
    fn fast_paths_from_the_command_line() {
        assert_eq!(fast_paths("log=debug"), Ok(true));
        assert_eq!(fast_paths("fast=off log=debug"), Ok(false));
        assert_eq!(fast_paths("fast=off fast=on"), Ok(true));
        assert_eq!(fast_paths("fast=maybe"), Err("maybe"));
    }
}
