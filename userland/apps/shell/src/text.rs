//! Text from elsewhere, made fit for a terminal: it must not move the cursor or pretend to be the shell.

use alloc::string::String;
use core::fmt;

/// What stands for a character that is not shown.
const HIDDEN: char = '\u{fffd}';

/// Shows one line of text without its control characters.
#[derive(Clone, Copy)]
pub struct Plain<'a>(pub &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.chars().map(plain).collect::<String>())
    }
}

fn plain(character: char) -> char {
    match character {
        '\t' => ' ',
        character if character.is_control() => HIDDEN,
        // What reorders text to both sides of it.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => HIDDEN,
        character => character,
    }
}

/// Turns the bytes of a file, which come in pieces, into text of several lines.
#[derive(Debug, Default)]
pub struct Lines {
    /// The start of a character whose rest is in the next piece.
    held: [u8; 4],
    count: usize,
}

impl Lines {
    /// Calls `out` with the text of the next piece: `\n` at line ends, tabs as they are, and what is no text as a
    /// replacement.
    pub fn feed<E>(&mut self, piece: &[u8], mut out: impl FnMut(char) -> Result<(), E>) -> Result<(), E> {
        for &byte in piece {
            // A byte that does not continue what is held ends it.
            if self.count > 0 && byte & 0xc0 != 0x80 {
                self.count = 0;
                out(HIDDEN)?;
            }
            self.held[self.count] = byte;
            self.count += 1;
            match core::str::from_utf8(&self.held[..self.count]) {
                Ok(text) => {
                    self.count = 0;
                    text.chars().try_for_each(|character| Self::show(character, &mut out))?;
                }
                Err(error) if error.error_len().is_some() || self.count == self.held.len() => {
                    self.count = 0;
                    out(HIDDEN)?;
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn show<E>(character: char, out: &mut impl FnMut(char) -> Result<(), E>) -> Result<(), E> {
        match character {
            '\r' => Ok(()),
            '\n' | '\t' => out(character),
            other => out(plain(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> String {
        let mut lines = Lines::default();
        let mut out = String::new();
        for piece in pieces {
            lines
                .feed(piece, |character| {
                    out.push(character);
                    Ok::<_, ()>(())
                })
                .unwrap();
        }
        out
    }

    #[test]
    fn control_characters_are_hidden() {
        assert_eq!(Plain("a\x1b[2Jb\nc\u{9b}ä").to_string(), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}ä");
    }

    #[test]
    fn characters_over_piece_borders_survive() {
        assert_eq!(lines(&[b"a\r\n\xc3", b"\xa4\xf0\x9f", b"\x98\x80\tz"]), "a\nä😀\tz");
    }

    #[test]
    fn what_is_no_text_is_replaced() {
        assert_eq!(lines(&[b"a\xffb\xc3c\xe2\x82d\x1b\x07"]), "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}\u{fffd}");
    }
}
