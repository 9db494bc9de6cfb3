//! What a terminal would show of a console's bytes.

/// Turns console bytes into plain text: escape sequences go, a carriage return or a backspace moves the cursor and what
/// follows overwrites, so that the result of line editing is what is matched and not its steps.
#[derive(Debug, Default)]
pub struct LineEditor {
    done: String,
    line: Vec<char>,
    cursor: usize,
    state: State,
    pending: Vec<u8>,
}

#[derive(Debug, Default, PartialEq)]
enum State {
    #[default]
    Text,
    Escape,
    /// Inside `ESC [ …`, with its parameters so far.
    Sequence(String),
}

impl LineEditor {
    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        let text = self.take_text();
        text.chars().for_each(|character| self.step(character));
    }

    /// Everything up to now: the finished lines and the line the cursor is in.
    pub fn text(&self) -> String {
        self.done.chars().chain(self.line.iter().copied()).collect()
    }

    /// The whole characters among the pending bytes; the start of one stays until the rest arrives.
    fn take_text(&mut self) -> String {
        let bytes = std::mem::take(&mut self.pending);
        let cut = match std::str::from_utf8(&bytes) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => bytes.len(),
        };
        self.pending = bytes[cut..].to_vec();
        String::from_utf8_lossy(&bytes[..cut]).into_owned()
    }

    fn step(&mut self, character: char) {
        match (&mut self.state, character) {
            (State::Text, '\x1b') => self.state = State::Escape,
            (State::Text, _) => self.put(character),
            (State::Escape, '[') => self.state = State::Sequence(String::new()),
            (State::Escape, _) => self.state = State::Text,
            (State::Sequence(parameters), '0'..='?' | ' '..='/') => parameters.push(character),
            (State::Sequence(parameters), _) => {
                let count = parameters.parse();
                self.state = State::Text;
                self.control(character, count.ok());
            }
        }
    }

    fn put(&mut self, character: char) {
        match character {
            '\n' => {
                self.done.extend(self.line.drain(..));
                self.done.push('\n');
                self.cursor = 0;
            }
            '\r' => self.cursor = 0,
            '\x08' => self.cursor = self.cursor.saturating_sub(1),
            _ if character.is_control() && character != '\t' => {}
            _ => {
                self.line.resize(self.line.len().max(self.cursor), ' ');
                self.line.splice(self.cursor..(self.cursor + 1).min(self.line.len()), [character]);
                self.cursor += 1;
            }
        }
    }

    fn control(&mut self, final_byte: char, count: Option<usize>) {
        let cells = count.unwrap_or(1).clamp(1, 1000);
        match final_byte {
            'K' if count.unwrap_or(0) == 0 => self.line.truncate(self.cursor),
            'K' if count == Some(2) => self.line.clear(),
            'C' => self.cursor += cells,
            'D' => self.cursor = self.cursor.saturating_sub(cells),
            'G' => self.cursor = cells - 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> String {
        let mut editor = LineEditor::default();
        bytes.iter().for_each(|byte| editor.push(&[*byte]));
        editor.text()
    }

    #[test]
    fn colours_and_line_ends() {
        assert_eq!(shown(b"\x1b[1;32mfine\x1b[0m\r\nnext"), "fine\nnext");
    }

    #[test]
    fn editing_shows_its_result() {
        assert_eq!(shown(b"/> lx\x08s\r\n"), "/> ls\n");
        assert_eq!(shown(b"/> abc\r\x1b[K/> xy"), "/> xy");
        assert_eq!(shown(b"ab\x1b[2Dc"), "cb");
    }

    #[test]
    fn characters_may_arrive_in_pieces() {
        assert_eq!(shown("Grüße".as_bytes()), "Grüße");
        assert_eq!(shown(b"\xff\n"), "\u{fffd}\n");
    }

    #[test]
    fn a_far_cursor_does_no_harm() {
        assert_eq!(shown(b"\x1b[3Cx\x1b[99999999999999999999Cy"), "   x y");
    }
}
