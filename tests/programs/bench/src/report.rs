//! Saying what was measured on the serial line.

use alloc::format;
use alloc::string::String;

use ipc::SignalOn;
use ipc::serial::{MAX_BYTES, SerialClient};
use rt::{Env, NOTIFICATION};

/// A measured line, or why there is none.
pub type Line = Result<String, String>;

/// The line of a metric.
pub fn metric(name: &str, value: impl core::fmt::Display, unit: &str) -> Line {
    Ok(format!("metric {name} {value} {unit}"))
}

/// Prints the lines, and that there are no more.
///
/// # Errors
/// Why nothing can be printed.
pub fn print(env: &Env, lines: &[Line]) -> Result<(), String> {
    let printer = Printer::open(env)?;
    for line in lines {
        match line {
            Ok(metric) => printer.line(metric)?,
            Err(error) => printer.line(&format!("bench: {error}"))?,
        }
    }
    printer.line("bench: end")
}

/// The serial line.
#[derive(Debug)]
pub struct Printer(SerialClient);

impl Printer {
    /// Attaches to it. That there is room again comes as bit 2 of the own Notification.
    ///
    /// # Errors
    /// Why nothing can be printed.
    pub fn open(env: &Env) -> Result<Self, String> {
        let serial = SerialClient::from_env(env).map_err(|missing| format!("{missing}"))?;
        let notification = ipc::signal_only(NOTIFICATION).map_err(|error| format!("{error}"))?;
        serial.attach(SignalOn { notification, bits: 2 }).map_err(|error| format!("serial: {error}"))?;
        Ok(Self(serial))
    }

    /// Prints a line.
    ///
    /// # Errors
    /// Why it cannot be printed.
    pub fn line(&self, text: &str) -> Result<(), String> {
        let text = format!("{text}\r\n");
        let mut bytes = text.as_bytes();
        while !bytes.is_empty() {
            let some = &bytes[..bytes.len().min(MAX_BYTES)];
            let taken = self.0.write(some).map_err(|error| format!("serial: {error}"))?;
            bytes = bytes.get(taken as usize..).unwrap_or_default();
            if taken == 0 {
                NOTIFICATION.wait().map_err(|error| format!("wait: {error}"))?;
            }
        }
        Ok(())
    }
}
