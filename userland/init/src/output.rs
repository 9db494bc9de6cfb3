//! Lines for people while no console driver runs: through the kernel's early console.

use crate::authority::CONSOLE;

/// The kernel's console, until a driver owns the device.
#[derive(Default)]
pub struct Output {
    /// A driver owns the device: be silent.
    pub owned: bool,
}

impl Output {
    /// Prints a line, unless a driver owns the console.
    pub fn line(&self, text: &str) {
        if !self.owned {
            CONSOLE.write(text.as_bytes());
            CONSOLE.write(b"\n");
        }
    }
}
