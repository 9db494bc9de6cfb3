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
    let serial = SerialClient::from_env(env).map_err(|missing| format!("{missing}"))?;
    let notification = ipc::signal_only(NOTIFICATION).map_err(|error| format!("{error}"))?;
    serial.attach(SignalOn { notification, bits: 2 }).map_err(|error| format!("serial: {error}"))?;
    for line in lines {
        let text = match line {
            Ok(metric) => format!("{metric}\r\n"),
            Err(error) => format!("bench: {error}\r\n"),
        };
        write(&serial, text.as_bytes())?;
    }
    write(&serial, b"bench: end\r\n")
}

fn write(serial: &SerialClient, mut bytes: &[u8]) -> Result<(), String> {
    while !bytes.is_empty() {
        let taken = serial.write(&bytes[..bytes.len().min(MAX_BYTES)]).map_err(|error| format!("serial: {error}"))?;
        bytes = bytes.get(taken as usize..).unwrap_or_default();
        if taken == 0 {
            NOTIFICATION.wait().map_err(|error| format!("wait: {error}"))?;
        }
    }
    Ok(())
}
