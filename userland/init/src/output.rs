//! Lines for people while no console driver runs: through the kernel's early console.

use alloc::borrow::Cow;
use alloc::string::String;

use crate::authority::CONSOLE;

/// The kernel's console, until a driver owns the device.
#[derive(Default)]
pub struct Output {
    /// A driver owns the device: be silent.
    pub owned: bool,
}

impl Output {
    /// Prints a line, unless a driver owns the console. The text may be any component's: what a terminal would obey is
    /// shown instead.
    pub fn line(&self, text: &str) {
        if !self.owned {
            CONSOLE.write(plain(text).as_bytes());
            CONSOLE.write(b"\n");
        }
    }
}

/// Control characters, the C1 set included, as escapes: `\u{1b}`. Without any nothing is allocated: the line may be that
/// there is no memory.
fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return text.into();
    }
    let mut plain = String::with_capacity(2 * text.len());
    for character in text.chars() {
        if character.is_control() {
            plain.extend(character.escape_default());
        } else {
            plain.push(character);
        }
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_nothing_to_obey() {
        assert_eq!(plain("grün: 4 → 5"), "grün: 4 → 5");
        assert_eq!(plain("\x1b[2J\x07a\nb\r\t\u{9b}1m\x7f"), r"\u{1b}[2J\u{7}a\nb\r\t\u{9b}1m\u{7f}");
    }
}
