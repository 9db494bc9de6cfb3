//! Lines on the console.

use core::fmt::{Arguments, Write};

use crate::kernel;

struct Line {
    bytes: [u8; 256],
    used: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let free = &mut self.bytes[self.used..];
        let count = text.len().min(free.len());
        free[..count].copy_from_slice(&text.as_bytes()[..count]);
        self.used += count;
        Ok(())
    }
}

/// Prints a line, in one piece.
pub fn say(text: Arguments) {
    let mut line = Line { bytes: [0; 256], used: 0 };
    // What does not fit is cut.
    let _ = writeln!(line, "{text}");
    kernel::print(&line.bytes[..line.used]);
}
