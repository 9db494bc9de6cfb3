//! `random`: bytes of the machine's source, as hexadecimal digits.

use alloc::string::String;

use ipc::SignalOn;
use ipc::entropy::MAX_BYTES;

use super::system::failed;
use super::{Fail, Result};
use crate::machine::ENTROPY_BIT;
use crate::shell::Shell;

/// Bytes without an argument.
const DEFAULT: usize = 32;
/// Most bytes.
const MOST: usize = 1 << 20;
/// Bytes of a line.
const LINE: usize = 32;

/// `random [BYTES]`
pub fn random(shell: &mut Shell, arguments: &[String]) -> Result {
    let count = match arguments.first() {
        None => Some(DEFAULT),
        Some(text) => text.parse().ok().filter(|count| (1..=MOST).contains(count)),
    };
    let count = count.ok_or_else(|| Fail::Because(alloc::format!("give it a number of bytes, at most {MOST}")))?;
    shell.entropy.attach(SignalOn { notification: shell.notification, bits: ENTROPY_BIT }).map_err(failed)?;
    let mut printed = 0;
    while printed < count {
        let bytes = shell.entropy.read((count - printed).min(MAX_BYTES) as u32).map_err(failed)?;
        for byte in bytes.iter().take(count - printed) {
            printed += 1;
            let end = if printed % LINE == 0 || printed == count { "\n" } else { "" };
            shell.console.print(format_args!("{byte:02x}{end}"))?;
        }
        if bytes.is_empty() && !shell.console.wait_for(ENTROPY_BIT)? {
            return Err(Fail::Because("a server ended meanwhile; try again".into()));
        }
    }
    Ok(())
}
