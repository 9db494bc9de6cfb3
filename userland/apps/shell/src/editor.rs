//! The line that is being typed, and how it looks on a terminal.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use unicode_width::UnicodeWidthChar;

use crate::keys::Key;

/// Longest line in characters; what is typed beyond is ignored.
const MAX: usize = 1000;
/// Columns of the terminal, which cannot be asked. A longer line scrolls sideways.
const COLUMNS: usize = 80;

/// What a key did to the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Nothing.
    Nothing,
    /// It is to be drawn anew.
    Changed,
    /// This character was added at the end, and the terminal may simply show it.
    Added(char),
}

/// The line that is being typed.
#[derive(Clone, Debug, Default)]
pub struct Editor {
    line: Vec<char>,
    cursor: usize,
}

impl Editor {
    /// The text.
    pub fn text(&self) -> String {
        self.line.iter().collect()
    }

    /// Another text, with the cursor at its end.
    pub fn set(&mut self, text: &str) {
        self.line = text.chars().take(MAX).collect();
        self.cursor = self.line.len();
    }

    /// The cursor goes to the end.
    pub fn finish(&mut self) {
        self.cursor = self.line.len();
    }

    /// Whether the cursor is at the end.
    pub fn is_at_end(&self) -> bool {
        self.cursor == self.line.len()
    }

    /// Applies an editing key; others do nothing.
    pub fn key(&mut self, key: Key, prompt: &str) -> Edit {
        match key {
            Key::Char(character) => return self.insert(character, prompt),
            Key::Left | Key::Control('b') => return self.go(self.cursor.saturating_sub(1)),
            Key::Right | Key::Control('f') => return self.go(self.cursor + 1),
            Key::Home | Key::Control('a') => return self.go(0),
            Key::End | Key::Control('e') => return self.go(self.line.len()),
            Key::Backspace if self.cursor > 0 => self.cut(self.cursor - 1, self.cursor),
            Key::Delete | Key::Control('d') if !self.is_at_end() => self.cut(self.cursor, self.cursor + 1),
            Key::Control('k') if !self.is_at_end() => self.line.truncate(self.cursor),
            Key::Control('u') if self.cursor > 0 => self.cut(0, self.cursor),
            Key::Control('w') if self.cursor > 0 => self.cut(self.word_start(), self.cursor),
            _ => return Edit::Nothing,
        }
        Edit::Changed
    }

    fn insert(&mut self, character: char, prompt: &str) -> Edit {
        if self.line.len() >= MAX {
            return Edit::Nothing;
        }
        let at_end = self.is_at_end();
        self.line.insert(self.cursor, character);
        self.cursor += 1;
        if at_end && width(&self.line) < room(prompt) { Edit::Added(character) } else { Edit::Changed }
    }

    fn go(&mut self, place: usize) -> Edit {
        let place = place.min(self.line.len());
        if core::mem::replace(&mut self.cursor, place) == place { Edit::Nothing } else { Edit::Changed }
    }

    /// Removes characters and leaves the cursor where they were.
    fn cut(&mut self, from: usize, to: usize) {
        self.line.drain(from..to);
        self.cursor = from;
    }

    /// Where the word left of the cursor begins.
    fn word_start(&self) -> usize {
        let before = &self.line[..self.cursor];
        let end = before.iter().rposition(|character| *character != ' ').map_or(0, |last| last + 1);
        before[..end].iter().rposition(|character| *character == ' ').map_or(0, |space| space + 1)
    }

    /// Draws prompt and line over the terminal's current row and puts the cursor where it belongs.
    pub fn draw(&self, prompt: &str) -> String {
        let room = room(prompt);
        let mut start = 0;
        while width(&self.line[start..self.cursor]) >= room {
            start += 1;
        }
        let mut out = String::from("\r");
        out.push_str(prompt);
        let mut used = 0;
        for &character in &self.line[start..] {
            used += columns(character);
            if used >= room {
                break;
            }
            out.push(character);
        }
        out.push_str("\x1b[K");
        if !self.is_at_end() {
            let column = prompt.chars().map(columns).sum::<usize>() + width(&self.line[start..self.cursor]);
            let _ = match column {
                0 => write!(out, "\r"),
                column => write!(out, "\r\x1b[{column}C"),
            };
        }
        out
    }
}

/// Columns for the line behind a prompt; at least a few.
fn room(prompt: &str) -> usize {
    COLUMNS.saturating_sub(prompt.chars().map(columns).sum()).max(8)
}

fn columns(character: char) -> usize {
    character.width().unwrap_or(0)
}

fn width(line: &[char]) -> usize {
    line.iter().copied().map(columns).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Key::*;

    fn typed(keys: &[Key]) -> Editor {
        let mut editor = Editor::default();
        keys.iter().for_each(|&key| {
            editor.key(key, "/> ");
        });
        editor
    }

    fn after(text: &str, keys: &[Key]) -> (String, usize) {
        let mut editor = Editor::default();
        editor.set(text);
        keys.iter().for_each(|&key| {
            editor.key(key, "/> ");
        });
        (editor.text(), editor.cursor)
    }

    #[test]
    fn keys_edit_the_line() {
        assert_eq!(typed(&[Char('ä'), Char('c'), Left, Char('b')]).text(), "äbc");
        assert_eq!(after("äöü", &[Left, Backspace]), ("äü".into(), 1));
        assert_eq!(after("abc", &[Home, Delete, Delete]), ("c".into(), 0));
        assert_eq!(after("abc", &[Control('a'), Right, Control('k')]), ("a".into(), 1));
        assert_eq!(after("abc def", &[Left, Control('u')]), ("f".into(), 0));
        assert_eq!(after("one two  ", &[Control('w')]), ("one ".into(), 4));
        assert_eq!(after("one two", &[Control('w'), Control('w'), Control('w')]), (String::new(), 0));
        assert_eq!(after("abc", &[Home, Left, End, Right, Control('e'), Delete]), ("abc".into(), 3));
    }

    #[test]
    fn a_character_at_the_end_is_simply_shown() {
        let mut editor = Editor::default();
        assert_eq!(editor.key(Char('a'), "/> "), Edit::Added('a'));
        editor.key(Left, "/> ");
        assert_eq!(editor.key(Char('b'), "/> "), Edit::Changed);
        assert_eq!(editor.draw("/> "), "\r/> ba\x1b[K\r\x1b[4C");
        assert_eq!(editor.key(Right, "/> "), Edit::Changed);
        assert_eq!(editor.draw("/> "), "\r/> ba\x1b[K");
        assert_eq!(editor.key(Right, "/> "), Edit::Nothing);
    }

    #[test]
    fn a_long_line_scrolls() {
        let mut editor = Editor::default();
        let added = (0..MAX + 5).filter(|_| matches!(editor.key(Char('x'), "/> "), Edit::Added(_))).count();
        assert_eq!(added, 76);
        assert_eq!(editor.text().len(), MAX);
        for _ in 0..MAX + 5 {
            let drawn = editor.draw("/> ");
            assert!(drawn.chars().filter(|&shown| shown == 'x').count() < 77, "{drawn:?}");
            editor.key(Left, "/> ");
        }
        assert!(editor.draw("/> ").ends_with("\x1b[K\r\x1b[3C"));
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let mut editor = Editor::default();
        editor.set("漢字");
        editor.key(Left, "");
        assert_eq!(editor.draw(""), "\r漢字\x1b[K\r\x1b[2C");
    }
}
