//! Keys out of the bytes a terminal sends: UTF-8, control characters, escape sequences (ECMA-48).

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character to insert.
    Char(char),
    /// Return.
    Enter,
    /// Deletes to the left.
    Backspace,
    /// Deletes under the cursor.
    Delete,
    /// Cursor left.
    Left,
    /// Cursor right.
    Right,
    /// Earlier in the history.
    Up,
    /// Later in the history.
    Down,
    /// To the start of the line.
    Home,
    /// To the end of the line.
    End,
    /// Control and a letter (lower case).
    Control(char),
}

/// Where in a sequence the decoder is.
#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Ground,
    /// Bytes of a character: collected, how many, how many there must be.
    Utf8([u8; 4], usize, usize),
    Escape,
    /// After `ESC [`: the first parameter, and whether further ones began.
    Csi(u16, bool),
    /// After `ESC O`.
    Ss3,
}

/// Turns bytes into keys.
#[derive(Debug, Default)]
pub struct Keys {
    state: State,
    /// The last byte was a carriage return: a line feed behind it belongs to it.
    returned: bool,
}

impl Keys {
    /// The key that this byte completes, if it does.
    pub fn feed(&mut self, byte: u8) -> Option<Key> {
        let returned = core::mem::replace(&mut self.returned, byte == b'\r');
        match core::mem::take(&mut self.state) {
            State::Ground if byte == b'\n' && returned => None,
            State::Ground => self.ground(byte),
            State::Utf8(bytes, have, want) => self.continue_utf8(bytes, have, want, byte),
            State::Escape => {
                self.state = match byte {
                    b'[' => State::Csi(0, false),
                    b'O' => State::Ss3,
                    0x1b => State::Escape,
                    _ => State::Ground,
                };
                None
            }
            State::Csi(parameter, further) => self.csi(parameter, further, byte),
            State::Ss3 => letter(byte),
        }
    }

    fn ground(&mut self, byte: u8) -> Option<Key> {
        match byte {
            b'\r' | b'\n' => Some(Key::Enter),
            0x08 | 0x7f => Some(Key::Backspace),
            0x1b => {
                self.state = State::Escape;
                None
            }
            0x01..=0x1a => Some(Key::Control((byte - 1 + b'a').into())),
            0x20..=0x7e => Some(Key::Char(byte.into())),
            0xc2..=0xdf => self.begin_utf8(byte, 2),
            0xe0..=0xef => self.begin_utf8(byte, 3),
            0xf0..=0xf4 => self.begin_utf8(byte, 4),
            _ => None,
        }
    }

    fn begin_utf8(&mut self, byte: u8, want: usize) -> Option<Key> {
        self.state = State::Utf8([byte, 0, 0, 0], 1, want);
        None
    }

    fn continue_utf8(&mut self, mut bytes: [u8; 4], have: usize, want: usize, byte: u8) -> Option<Key> {
        if byte & 0xc0 != 0x80 {
            // Not a continuation: the character is lost, this byte is not.
            return self.ground(byte);
        }
        bytes[have] = byte;
        if have + 1 < want {
            self.state = State::Utf8(bytes, have + 1, want);
            return None;
        }
        let text = core::str::from_utf8(&bytes[..want]).ok()?;
        text.chars().next().filter(|character| !character.is_control()).map(Key::Char)
    }

    fn csi(&mut self, parameter: u16, further: bool, byte: u8) -> Option<Key> {
        match byte {
            b'0'..=b'9' if !further => {
                let parameter = parameter.saturating_mul(10).saturating_add(u16::from(byte - b'0'));
                self.state = State::Csi(parameter, false);
                None
            }
            // Further parameters (modifiers) and intermediate bytes: not looked at.
            0x20..=0x3f => {
                self.state = State::Csi(parameter, true);
                None
            }
            b'~' => match parameter {
                1 | 7 => Some(Key::Home),
                4 | 8 => Some(Key::End),
                3 => Some(Key::Delete),
                _ => None,
            },
            _ => letter(byte),
        }
    }
}

/// The last byte of `ESC [ …` and `ESC O …`.
fn letter(byte: u8) -> Option<Key> {
    match byte {
        b'A' => Some(Key::Up),
        b'B' => Some(Key::Down),
        b'C' => Some(Key::Right),
        b'D' => Some(Key::Left),
        b'H' => Some(Key::Home),
        b'F' => Some(Key::End),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut keys = Keys::default();
        bytes.iter().filter_map(|&byte| keys.feed(byte)).collect()
    }

    #[test]
    fn characters() {
        assert_eq!(keys("aä€😀".as_bytes()), ['a', 'ä', '€', '😀'].map(Key::Char));
        assert_eq!(keys(b"\xc3x\xff\x80y"), ['x', 'y'].map(Key::Char));
        assert_eq!(keys(b"\xed\xa0\x80\xc2\x85z"), [Key::Char('z')], "surrogates and C1 controls are no characters");
    }

    #[test]
    fn return_in_all_its_forms() {
        assert_eq!(keys(b"\r\n\n\r"), [Key::Enter; 3]);
    }

    #[test]
    fn escape_sequences() {
        let all = b"\x1b[A\x1b[B\x1b[C\x1b[D\x1b[H\x1b[F\x1bOH\x1bOF\x1b[1~\x1b[4~\x1b[3~\x1b[1;5C\x1b[15~\x1b[Zx";
        use Key::{Char, Delete, Down, End, Home, Left, Right, Up};
        let want = [Up, Down, Right, Left, Home, End, Home, End, Home, End, Delete, Right, Char('x')];
        assert_eq!(keys(all), want);
        assert_eq!(keys(b"\x1b[99999999999999999999~x"), [Char('x')]);
    }

    #[test]
    fn controls() {
        assert_eq!(
            keys(b"\x01\x03\x0c\x7f\x08"),
            [Key::Control('a'), Key::Control('c'), Key::Control('l'), Key::Backspace, Key::Backspace]
        );
    }

    #[test]
    fn random_bytes_do_no_harm() {
        let mut keys = Keys::default();
        let mut seed = 1u32;
        for _ in 0..100_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            keys.feed((seed >> 24) as u8);
        }
    }
}
