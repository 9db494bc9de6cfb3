//! Lines that were entered before.

use alloc::collections::VecDeque;
use alloc::string::String;

/// Lines that are kept.
const LIMIT: usize = 64;

/// Lines that were entered before, and which of them is shown.
#[derive(Debug, Default)]
pub struct History {
    lines: VecDeque<String>,
    /// The line shown; `lines.len()`: the one being typed.
    shown: usize,
    /// What was being typed when going up began.
    typed: String,
}

impl History {
    /// Adds a line, unless it is empty or the last one again.
    pub fn add(&mut self, line: &str) {
        if !line.trim().is_empty() && self.lines.back().is_none_or(|last| last != line) {
            if self.lines.len() == LIMIT {
                self.lines.pop_front();
            }
            self.lines.push_back(line.into());
        }
        self.shown = self.lines.len();
    }

    /// The line before the one shown; `current` is what stands there now.
    pub fn up(&mut self, current: String) -> Option<&str> {
        let before = self.shown.checked_sub(1)?;
        if self.shown == self.lines.len() {
            self.typed = current;
        }
        self.shown = before;
        self.lines.get(before).map(String::as_str)
    }

    /// The line behind the one shown, at last the one that was being typed.
    pub fn down(&mut self) -> Option<&str> {
        if self.shown >= self.lines.len() {
            return None;
        }
        self.shown += 1;
        Some(self.lines.get(self.shown).unwrap_or(&self.typed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_and_down() {
        let mut history = History::default();
        assert_eq!(history.up("x".into()), None);
        ["one", "two", "two", " "].iter().for_each(|line| history.add(line));
        assert_eq!(history.up("typed".into()), Some("two"));
        assert_eq!(history.up("two".into()), Some("one"));
        assert_eq!(history.up("one".into()), None);
        assert_eq!(history.down(), Some("two"));
        assert_eq!(history.down(), Some("typed"));
        assert_eq!(history.down(), None);
    }

    #[test]
    fn old_lines_go() {
        let mut history = History::default();
        (0..LIMIT + 10).for_each(|line| history.add(&line.to_string()));
        let mut oldest = String::new();
        while let Some(line) = history.up(String::new()) {
            oldest = line.into();
        }
        assert_eq!(oldest, "10");
    }
}
